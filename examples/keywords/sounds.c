/* sounds.c - see sounds.h.
 *
 * A syllable is a list of phases. In each, a source (pulses of the glottis, or noise) passes
 * resonators at the frequencies of three formants (D. H. Klatt: Software for a cascade/parallel
 * formant synthesizer, J. Acoust. Soc. Am. 67, 1980). Only operations of C are used, no functions
 * of its library, so it runs on a microcontroller, too. */
#include "sounds.h"

enum { RATE = 8000, FORMANTS = 3, MOST_PHASES = 6 };

/* Within a phase, frequencies glide from those of the phase before. */
typedef struct phase {
    float seconds, voiced, noise; /* duration; amplitudes of the two sources */
    float hertz[FORMANTS];
} phase;

typedef struct word {
    int n;
    phase phases[MOST_PHASES];
} word;

static const word words[WORDS] = {
    [YES] = {4,
             {{0.06f, 0.8f, 0, {280, 2200, 2900}},
              {0.14f, 1, 0, {550, 1800, 2500}},
              {0.04f, 0.3f, 0.3f, {400, 1800, 2700}},
              {0.16f, 0, 0.9f, {2600, 3300, 3700}}}},
    [NO] = {3,
            {{0.09f, 0.5f, 0, {250, 1100, 2300}},
             {0.14f, 1, 0, {560, 950, 2400}},
             {0.12f, 0.8f, 0, {400, 800, 2300}}}},
    [STOP] = {5,
              {{0.13f, 0, 0.9f, {2600, 3300, 3700}},
               {0.05f, 0, 0.01f, {2000, 3000, 3500}},
               {0.02f, 0, 0.7f, {500, 1700, 2600}},
               {0.15f, 1, 0, {700, 1100, 2450}},
               {0.05f, 0.05f, 0.02f, {400, 900, 2300}}}},
    [UP] = {3,
            {{0.13f, 1, 0, {700, 1250, 2500}},
             {0.07f, 0, 0.01f, {600, 1200, 2400}},
             {0.04f, 0, 0.8f, {500, 1300, 2400}}}},
};

static float uniform(uint32_t *state, float low, float high) {
    *state = *state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(*state >> 8) * 0x1p-24f;
}

/* cos x for 0 <= x <= pi: the series at pi / 2 */
static float cosine(float x) {
    float t = 1.57079633f - x, s = t * t;
    return t * (1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72))));
}

/* A word of random vowels and consonants. */
static word other_word(uint32_t *state) {
    word w = {.n = 2 + (int)uniform(state, 0, 3.99f)};
    for (int i = 0; i < w.n; i++) {
        phase *p = &w.phases[i];
        int kind = (int)uniform(state, 0, 2.99f); /* vowel, consonant, tone of a machine */
        float low = uniform(state, 250, 800);
        *p = (phase){uniform(state, 0.05f, 0.25f),
                     kind == 1 ? 0 : uniform(state, 0.4f, 1),
                     kind == 1 ? uniform(state, 0.2f, 0.9f) : 0,
                     {low, low + uniform(state, 300, 1700), uniform(state, 2500, 3600)}};
    }
    return w;
}

typedef struct voice_of {
    float pitch, throat, speed, loudness, noise, begin;
} voice_of;

static voice_of draw_voice(uint32_t *state, int which) {
    return (voice_of){.pitch = uniform(state, 90, 240),
                      .throat = uniform(state, 0.88f, 1.14f),
                      .speed = uniform(state, 0.8f, 1.3f),
                      .loudness = which == SILENCE ? 0 : uniform(state, 600, 4000),
                      .noise = uniform(state, 5, 60),
                      .begin = uniform(state, 0.05f, 0.4f)};
}

/* Two poles at that frequency, whose distance from the unit circle is their bandwidth. */
static float resonate(float x, float hertz, float memory[2]) {
    const float radius = 0.96f;
    float most = hertz < 3900 ? hertz : 3900;
    float y = 2 * radius * cosine(6.28318531f * most / RATE) * memory[0] -
              radius * radius * memory[1] + (1 - radius) * x;
    memory[1] = memory[0];
    memory[0] = y;
    return y;
}

typedef struct mouth {
    float memory[FORMANTS][2];
    float cycle; /* of the glottis, from 0 to 1 */
} mouth;

/* One sample, `at` of the way from phase a to phase b. */
static float speak(mouth *m, const voice_of *v, const phase *a, const phase *b, float at,
                   uint32_t *state) {
    float voiced = a->voiced + (b->voiced - a->voiced) * at;
    float noise = a->noise + (b->noise - a->noise) * at, sum = 0;
    m->cycle += v->pitch / RATE;
    float pulse = m->cycle >= 1 ? 12.0f : 0.0f;
    m->cycle -= m->cycle >= 1 ? 1.0f : 0.0f;
    float source = voiced * pulse + noise * uniform(state, -1, 1);
    for (int i = 0; i < FORMANTS; i++) {
        float hertz = a->hertz[i] + (b->hertz[i] - a->hertz[i]) * at;
        sum += resonate(source, hertz * v->throat, m->memory[i]);
    }
    return sum;
}

void sound(int which, uint32_t voice, int16_t pcm[SAMPLES]) {
    uint32_t state = voice * 2654435761u + 12345u;
    word w = which == OTHER ? other_word(&state) : words[which];
    voice_of v = draw_voice(&state, which);
    mouth m = {.cycle = 0};
    int now = -1, left = (int)(v.begin * RATE), length = left;
    for (int i = 0; i < SAMPLES; i++, left--) {
        while (now < w.n && left <= 0) {
            now++;
            left = length = now < w.n ? (int)(w.phases[now].seconds / v.speed * RATE) : SAMPLES;
        }
        float x = uniform(&state, -v.noise, v.noise);
        if (now >= 0 && now < w.n) {
            /* a third of the phase is the transition from the one before */
            const phase *b = &w.phases[now], *a = now ? b - 1 : b;
            float at = 3 * (float)(length - left) / (float)length;
            x += v.loudness * 6 * speak(&m, &v, a, b, at < 1 ? at : 1, &state);
        }
        pcm[i] = (int16_t)(x > 32767 ? 32767 : x < -32768 ? -32768 : x);
    }
}
