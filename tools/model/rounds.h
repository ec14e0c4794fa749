/* rounds.h - compares the speed of several programs fairly on noisy machines: in each round each
 * program has one slot, in reverse order every other round. A slot begins with a run that is not
 * counted, since the caches hold data of the previous program. */
#ifndef FV_TOOLS_MODEL_ROUNDS_H
#define FV_TOOLS_MODEL_ROUNDS_H

#include "ir/base/arena.h"

/* Statistics of n times, in milliseconds. */
typedef struct fv_summary {
    int n;
    double min, q1, median, q3, p95, max;
} fv_summary;
/* computes the statistics; sorts `ms` */
fv_summary fv_summarise(double *ms, int n);

/* One of the programs that are compared. */
typedef struct fv_contender {
    /* runs the program once; false after a message. NULL: there is no such program */
    bool (*run)(void *user, double *ms);
    void *user;
    double rest_ms; /* milliseconds to wait after each slot, for threads of the program that spin */
    int block;      /* number of timed runs in a slot */
    double *ms;     /* times of all timed runs in milliseconds, sorted at the end */
    int n, cap;
    double *round; /* median of each round in milliseconds; memory of the caller */
    fv_summary all;
} fv_contender;

/* Runs each contender until its caches are warm, and chooses the number of its runs in a slot such
 * that they take `turn_ms` milliseconds. */
bool fv_rounds_begin(fv_contender *const *list, int n, double turn_ms) FV_MUST_USE;
/* One round: each contender has a slot, in an order that alternates. Their times are stored in the
 * arena, which must therefore live as long as any of them is used. false: a run failed. */
bool fv_rounds_run(fv_arena *a, fv_contender *const *list, int n, int round) FV_MUST_USE;
void fv_rounds_end(fv_contender *const *list, int n);
/* The ratio of the times of a and b in each round, sorted. */
void fv_rounds_ratios(const fv_contender *a, const fv_contender *b, int rounds, double *ratios);

#endif
