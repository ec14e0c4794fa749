/* roof.h - measures the peak performance of this machine (its roof), with which kernels are
 * compared. */
#ifndef FV_TOOLS_MEASURE_ROOF_H
#define FV_TOOLS_MEASURE_ROOF_H

#include "runtime/fovea_model.h"

typedef struct fv_roof {
    /* 10^9 operations per second of f32 multiply-adds in registers, each of which counts as two */
    double gflops;
    /* 10^9 products of bytes per second by dot products in vectors, and by products of matrices in
     * tile registers; 0: this machine has none, or the code that is measured has not asked the
     * system for tile registers */
    double gdots, matrix_gdots;
    /* speed of reading from memory, in 10^9 bytes per second; 0: there was no memory to measure
     * it */
    double gbs;
    /* microseconds that an empty parallel region takes directly after another one; 0: there is one
     * thread */
    double region_us;
    /* microseconds of an empty region after a millisecond without work, in which the threads went
     * to sleep */
    double parked_us;
} fv_roof;

/* A block of 256 MiB, more than the caches of most machines hold, for measuring gbs. NULL: there is
 * not enough memory. */
typedef struct fv_roof_memory fv_roof_memory;
fv_roof_memory *fv_roof_memory_new(void);
void fv_roof_memory_free(fv_roof_memory *m);

/* Measures once, for about 20 ms, on the threads of env->parallel_for. Machines are noisy, so the
 * best of several measurements is the roof. `memory` may be NULL. */
fv_roof fv_roof_measure(const fv_env *env, int threads, fv_roof_memory *memory);

/* The size in bytes of the largest cache; 0: the system does not report it. Data that fit into this
 * cache stay there between runs, so the speed of memory does not limit a model with so few
 * bytes. */
double fv_cache_bytes(void);

#endif
