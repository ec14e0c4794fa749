/* roof.h - what this machine can do at best, measured: the roof that kernels are held against. */
#ifndef FV_TOOLS_MEASURE_ROOF_H
#define FV_TOOLS_MEASURE_ROOF_H

#include "runtime/fovea_model.h"

typedef struct fv_roof {
    double gflops; /* f32 multiply-adds in registers, two operations each; 10^9 a second */
    /* reading from memory, 10^9 bytes a second; 0: there was no room to measure it */
    double gbs;
    /* an empty parallel region right after another, microseconds; 0: one thread */
    double region_us;
    double parked_us; /* the same after a millisecond in which the threads have parked */
} fv_roof;

/* Memory that no cache holds, for the second number. NULL: none left. */
typedef struct fv_roof_memory fv_roof_memory;
fv_roof_memory *fv_roof_memory_new(void);
void fv_roof_memory_free(fv_roof_memory *m);

/* One measurement of some 20 ms, on the threads behind env->parallel_for. Machines are noisy: the
 * best of several is the roof. `memory` may be NULL. */
fv_roof fv_roof_measure(const fv_env *env, int threads, fv_roof_memory *memory);

/* Bytes of the largest cache of a core; what fits stays there from run to run, and memory is no
 * roof. */
double fv_cache_bytes(void);

#endif
