/* rounds.c - measures several programs in alternating rounds, and summarises the times. */
#include "tools/model/rounds.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_UP_MS 150
enum { MAX_BLOCK = 100000, MAX_WARM_UP = 1000 };

/* ---- statistics ---- */

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int n, double q) {
    double at = q * (n - 1);
    int below = (int)at;
    return below + 1 < n ? sorted[below] + (at - below) * (sorted[below + 1] - sorted[below])
                         : sorted[n - 1];
}

fv_summary fv_summarise(double *ms, int n) {
    if (n == 0)
        return (fv_summary){0};
    qsort(ms, (size_t)n, sizeof *ms, by_size);
    return (fv_summary){n,
                        ms[0],
                        quantile(ms, n, 0.25),
                        quantile(ms, n, 0.5),
                        quantile(ms, n, 0.75),
                        quantile(ms, n, 0.95),
                        ms[n - 1]};
}

/* ---- rounds ---- */

static bool warm_up(fv_contender *k, double turn_ms) {
    double best = 1e300, spent = 0, ms;
    for (int i = 0; i < MAX_WARM_UP && (i < 2 || spent < WARM_UP_MS); i++) {
        if (!k->run(k->user, &ms))
            return false;
        spent += ms;
        best = ms < best ? ms : best;
    }
    double block = turn_ms / (best > 1e-6 ? best : 1e-6);
    k->block = block<1 ? 1 : block>(double) MAX_BLOCK ? MAX_BLOCK : (int)block;
    return true;
}

static void rest(const fv_contender *k) {
    struct timespec t = {.tv_sec = (time_t)(k->rest_ms / 1e3),
                         .tv_nsec = (long)(k->rest_ms * 1e6) % 1000000000};
    if (k->rest_ms > 0)
        nanosleep(&t, NULL);
}

static bool take_turn(fv_arena *a, fv_contender *k, int round) {
    double ms;
    int first = k->n;
    if (!k->run(k->user, &ms))
        return false;
    for (int i = 0; i < k->block; i++) {
        if (!k->run(k->user, &ms))
            return false;
        FV_PUSH(a, k->ms, k->n, k->cap, ms);
    }
    double *copy = FV_NEW(a, double, k->block);
    memcpy(copy, k->ms + first, (size_t)k->block * sizeof *copy);
    k->round[round] = fv_summarise(copy, k->block).median;
    rest(k);
    return true;
}

bool fv_rounds_begin(fv_contender *const *list, int n, double turn_ms) {
    for (int i = 0; i < n; i++) {
        if (list[i]->run && !warm_up(list[i], turn_ms))
            return false;
        rest(list[i]);
    }
    return true;
}

bool fv_rounds_run(fv_arena *a, fv_contender *const *list, int n, int round) {
    for (int i = 0; i < n; i++) {
        fv_contender *k = list[round & 1 ? n - 1 - i : i];
        if (k->run && !take_turn(a, k, round))
            return false;
    }
    return true;
}

void fv_rounds_end(fv_contender *const *list, int n) {
    for (int i = 0; i < n; i++)
        list[i]->all = fv_summarise(list[i]->ms, list[i]->n);
}

void fv_rounds_ratios(const fv_contender *a, const fv_contender *b, int rounds, double *ratios) {
    for (int i = 0; i < rounds; i++)
        ratios[i] = a->round[i] / b->round[i];
    qsort(ratios, (size_t)rounds, sizeof *ratios, by_size);
}
