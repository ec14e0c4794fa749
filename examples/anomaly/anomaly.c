/* anomaly.c - a microcontroller listens to a machine: README.md. Every 128 samples of an
 * accelerometer, bands.onnx makes 32 numbers of the last 256; anomaly8.onnx, an autoencoder in
 * int8, tells how unlike those of a healthy machine the numbers of a window are. */
#include "anomaly8.h"
#include "bands.h"
#include "bare.h"
#include "machine.h"

enum {
    STEP = 128,
    FRAMES = ANOMALY8_FEATURES_SIZE / BANDS_POWER_OF_BANDS_SIZE,
    MOMENTS = 20,
    FIRST = 2000000
};

static const char *const names[CONDITIONS] = {"healthy   ", "bearing   ", "unbalanced",
                                              "loose     ", "rubbing   "};

/* The two models never run at the same time, so they share their workspace. */
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
BANDS_ALIGNED static unsigned char
    work[LARGER(BANDS_WORKSPACE_BYTES, ANOMALY8_WORKSPACE_BYTES) + 1];

static uint32_t for_features, for_score;      /* instructions, of the last window */
static uint32_t bits_of_scores = 2166136261u; /* FNV-1a of all scores: equal on all targets */

static void add_bits(float score) {
    union {
        float f;
        uint32_t u;
    } bits = {score};
    for (int i = 0; i < 32; i += 8)
        bits_of_scores = (bits_of_scores ^ (bits.u >> i & 255)) * 16777619u;
}

/* The score of a window of samples, above 1 for an anomaly; -1: a model failed. */
static float judge(const int16_t samples[SAMPLES]) {
    static float features[FRAMES][1][BANDS_POWER_OF_BANDS_SIZE];
    float score[1][1];
    int failed = 0;
    count_from_here();
    for (int i = 0; i < FRAMES; i++)
        failed |= bands_run((const int16_t(*)[BANDS_SAMPLES_SIZE]) & samples[i * STEP], features[i],
                            work);
    for_features = counted();
    count_from_here();
    failed |= anomaly8_run((const float(*)[ANOMALY8_FEATURES_SIZE])features, score, work);
    for_score = counted();
    add_bits(score[0][0]);
    return failed ? -1 : score[0][0];
}

int main(void) {
    static int16_t samples[SAMPLES];
    for (int condition = 0; condition < CONDITIONS; condition++) {
        uint32_t reported = 0;
        for (uint32_t moment = FIRST; moment < FIRST + MOMENTS; moment++) {
            vibration(condition, moment, samples);
            float score = judge(samples);
            if (score < 0)
                return 1;
            reported += score > 1;
        }
        print(names[condition]);
        print_number(reported, 4);
        print(" of ");
        print_number(MOMENTS, 0);
        print(" windows reported\n");
    }
    print("bits of the scores ");
    print_number(bits_of_scores, 0);
    print("\n");
    if (for_score) {
        print_number(for_features, 0);
        print(" instructions for the features of a window, ");
        print_number(for_score, 0);
        print(" for its score\n");
    }
    return 0;
}
