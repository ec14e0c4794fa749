/* rounds.h - timing several things fairly, on machines that are noisy: whoever is compared takes
 * turns, round after round, in the other order each time; a turn starts with a run that is not
 * counted, because the one before had the caches. */
#ifndef FV_TOOLS_MODEL_ROUNDS_H
#define FV_TOOLS_MODEL_ROUNDS_H

#include "ir/base/arena.h"

/* Milliseconds of so many runs. */
typedef struct fv_summary {
    int n;
    double min, q1, median, q3, p95, max;
} fv_summary;
/* Sorts `ms`. */
fv_summary fv_summarise(double *ms, int n);

/* Whoever takes part. */
typedef struct fv_contender {
    /* once; false after a message. NULL: nobody takes this part */
    bool (*run)(void *user, double *ms);
    void *user;
    double rest_ms; /* after each turn, for threads that go on looking for work */
    int block;      /* timed runs of a turn */
    double *ms;     /* of all timed runs, then sorted */
    int n, cap;
    double *round; /* the median of each round; the caller's */
    fv_summary all;
} fv_contender;

/* All of them run until they are warm; from that follows how many runs take `turn_ms`. */
bool fv_rounds_begin(fv_contender *const *list, int n, double turn_ms) FV_MUST_USE;
bool fv_rounds_run(fv_arena *a, fv_contender *const *list, int n, int round) FV_MUST_USE;
void fv_rounds_end(fv_contender *const *list, int n);
/* The ratio of each round, a's time over b's, sorted. */
void fv_rounds_ratios(const fv_contender *a, const fv_contender *b, int rounds, double *ratios);

#endif
