/* keywords.c - a microcontroller spots words in sound: README.md. Every 128 samples, bands.onnx
 * makes 20 numbers of the last 256; keywords8.onnx, in int8, reads those of a second. */
#include "bands.h"
#include "bare.h"
#include "keywords8.h"
#include "sounds.h"

enum { STEP = 128, FRAMES = KEYWORDS8_MEL_SIZE / BANDS_MEL_SIZE, VOICES = 10, FIRST = 2000000 };

static const char *const names[WORDS] = {"silence", "other", "yes", "no", "stop", "up"};

/* The two models never run at the same time, so they share their workspace. */
#define LARGER(a, b) ((a) > (b) ? (a) : (b))
BANDS_ALIGNED static unsigned char
    work[LARGER(BANDS_WORKSPACE_BYTES, KEYWORDS8_WORKSPACE_BYTES) + 1];

static uint32_t for_features, for_words;      /* instructions, of the last sound */
static uint32_t bits_of_scores = 2166136261u; /* FNV-1a of all scores: equal on all targets */

static void add_bits(float score) {
    union {
        float f;
        uint32_t u;
    } bits = {score};
    for (int i = 0; i < 32; i += 8)
        bits_of_scores = (bits_of_scores ^ (bits.u >> i & 255)) * 16777619u;
}

/* The word in one second of sound; WORDS: a model failed. */
static int spot(const int16_t pcm[SAMPLES]) {
    static float mel[1][FRAMES][BANDS_MEL_SIZE];
    float scores[1][WORDS];
    int best = 0, failed = 0;
    count_from_here();
    for (int i = 0; i < FRAMES; i++)
        failed |= bands_run((const int16_t(*)[BANDS_PCM_SIZE]) & pcm[i * STEP], &mel[0][i], work);
    for_features = counted();
    count_from_here();
    failed |= keywords8_run((const float(*)[FRAMES][BANDS_MEL_SIZE])mel, scores, work);
    for_words = counted();
    for (int i = 0; i < WORDS; i++) {
        best = scores[0][i] > scores[0][best] ? i : best;
        add_bits(scores[0][i]);
    }
    return failed ? WORDS : best;
}

int main(void) {
    static int16_t pcm[SAMPLES];
    uint32_t right = 0;
    print("said      found as: silence other yes no stop up\n");
    for (int said = 0; said < WORDS; said++) {
        uint32_t found[WORDS] = {0};
        for (uint32_t voice = FIRST; voice < FIRST + VOICES; voice++) {
            sound(said, voice, pcm);
            int is = spot(pcm);
            if (is == WORDS)
                return 1;
            found[is]++;
            right += is == said;
        }
        print(names[said]);
        for (int i = 0; i < WORDS; i++)
            print_number(found[i], i ? 6 : 14);
        print("\n");
    }
    print_number(right, 0);
    print(" of ");
    print_number(VOICES * WORDS, 0);
    print(" right, bits of the scores ");
    print_number(bits_of_scores, 0);
    print("\n");
    if (for_words) {
        print_number(for_features, 0);
        print(" instructions for the features of a second, ");
        print_number(for_words, 0);
        print(" for the words\n");
    }
    return 0;
}
