/* roof.h - measures the limits of this machine (its roof), with which kernels are compared. */
#ifndef FV_TOOLS_MEASURE_ROOF_H
#define FV_TOOLS_MEASURE_ROOF_H

#include "runtime/fovea_model.h"

typedef struct fv_roof {
    /* 10^9 operations per second of f32 multiply-adds in registers, each of which counts as two */
    double gflops;
    /* 10^9 bytes per second of reading from memory; 0: there was no memory to measure it */
    double gbs;
    /* microseconds of an empty parallel region directly after another one; 0: one thread */
    double region_us;
    /* the same after a millisecond without work, in which the threads have parked */
    double parked_us;
} fv_roof;

/* Memory larger than all caches, for measuring gbs. NULL: there is not enough memory. */
typedef struct fv_roof_memory fv_roof_memory;
fv_roof_memory *fv_roof_memory_new(void);
void fv_roof_memory_free(fv_roof_memory *m);

/* Measures once, for about 20 ms, on the threads of env->parallel_for. Machines are noisy, so the
 * best of several measurements is the roof. `memory` may be NULL. */
fv_roof fv_roof_measure(const fv_env *env, int threads, fv_roof_memory *memory);

/* The size in bytes of the largest cache. Data that fit into it stay there between runs, so reading
 * memory is no limit for them. */
double fv_cache_bytes(void);

#endif
