/* clock.h - measures how long something took. */
#ifndef FV_IR_BASE_CLOCK_H
#define FV_IR_BASE_CLOCK_H

#include <time.h>

/* Milliseconds from *mark until now; sets *mark to now. */
static inline double fv_lap(struct timespec *mark) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double ms =
        1e3 * (double)(now.tv_sec - mark->tv_sec) + 1e-6 * (double)(now.tv_nsec - mark->tv_nsec);
    *mark = now;
    return ms;
}

#endif
