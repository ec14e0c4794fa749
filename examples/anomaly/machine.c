/* machine.c - see machine.h. Only operations of C are used, no functions of its library, so it runs
 * on a microcontroller, too. */
#include "machine.h"

enum { RATE = 4000, TEETH = 17 };

static float uniform(uint32_t *state, float low, float high) {
    *state = *state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(*state >> 8) * 0x1p-24f;
}

/* sin(2 pi x) for x >= 0: a parabola for each half, corrected once (error below 0.0011) */
static float wave(float x) {
    x -= (float)(int)x;
    float t = x < 0.5f ? x : x - 0.5f, y = 16 * t * (0.5f - t);
    y = 0.225f * (y * y - y) + y;
    return x < 0.5f ? y : -y;
}

/* Pulses `hertz` times in a second, each of which makes a part ring at 1300 Hz. */
typedef struct ringing {
    float cycle, memory[2];
} ringing;

static float ring(ringing *r, float hertz, float strength) {
    const float radius = 0.93f, twice_cosine = -0.9080f; /* 2 cos(2 pi 1300 / 4000) */
    r->cycle += hertz / RATE;
    float pulse = r->cycle >= 1 ? strength : 0;
    r->cycle -= r->cycle >= 1 ? 1.0f : 0.0f;
    float y = radius * twice_cosine * r->memory[0] - radius * radius * r->memory[1] + pulse;
    r->memory[1] = r->memory[0];
    r->memory[0] = y;
    return y;
}

void vibration(int condition, uint32_t moment, int16_t samples[SAMPLES]) {
    uint32_t state = moment * 2654435761u + 777u;
    float hertz = uniform(&state, 23.5f, 26.5f), load = uniform(&state, 0.6f, 1.4f);
    float phase[3], noise = uniform(&state, 90, 150);
    for (int i = 0; i < 3; i++)
        phase[i] = uniform(&state, 0, 1);
    ringing bearing = {.cycle = phase[2]};
    float once = condition == UNBALANCED ? 1000.0f : 400.0f;
    float before = 0;
    for (int i = 0; i < SAMPLES; i++) {
        float turns = phase[0] + hertz * (float)i / RATE;
        float x = once * wave(turns) + 160 * load * wave(2 * turns + phase[1]) +
                  500 * load * wave(TEETH * turns) * (1 + 0.3f * wave(turns + phase[2]));
        float hiss = uniform(&state, -noise, noise);
        x += hiss + 0.5f * before;
        before = hiss;
        if (condition == BEARING)
            x += ring(&bearing, 3.58f * hertz, uniform(&state, 250, 450));
        if (condition == LOOSE) /* moves freely for half of every second turn */
            x += 300 * wave(turns / 2) + (wave(turns / 2) > 0.7f ? uniform(&state, -500, 500) : 0);
        if (condition == RUBBING)
            x += uniform(&state, -300, 300);
        samples[i] = (int16_t)x;
    }
}
