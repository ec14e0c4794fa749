/* random.h - random numbers: splitmix64 by Sebastiano Vigna. A seed gives the same numbers on every
 * machine. */
#ifndef FV_IR_BASE_RANDOM_H
#define FV_IR_BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct fv_random {
    uint64_t state; /* the seed before the first number */
} fv_random;

static inline uint64_t fv_random_next(fv_random *r) {
    uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* A random integer from 0 to n - 1. */
static inline int fv_random_below(fv_random *r, int n) {
    return (int)(fv_random_next(r) % (uint64_t)n);
}

/* True with a probability of 1 in n. */
static inline bool fv_random_one_in(fv_random *r, int n) {
    return fv_random_below(r, n) == 0;
}

/* A random number from -1 to 1. */
static inline double fv_random_real(fv_random *r) {
    return (double)(int64_t)fv_random_next(r) * 0x1p-63;
}

/* A random number of at least 0 and below 1, a multiple of 2^-53. */
static inline double fv_random_unit(fv_random *r) {
    return (double)(fv_random_next(r) >> 11) * 0x1p-53;
}

#endif
