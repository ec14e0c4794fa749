/* predict.h - predicts the time of the launches of a program on a processor, from the instructions
 * and accesses of their expanded kernels (README.md).
 *
 *     fv_cost_evaluate(a, p, dims, n, list);
 *     fv_predict_launches(a, p, dims, &speeds, threads, n, list, predicted); */
#ifndef FV_BACKEND_COST_PREDICT_H
#define FV_BACKEND_COST_PREDICT_H

#include "backend/cost/cost.h"
#include "backend/cost/speeds.h"

/* Where the data of a buffer are when a launch begins: in the cache of level 2 or 3, or in
 * memory. */
typedef enum { FV_IN_L2 = 1, FV_IN_L3, FV_IN_MEMORY } fv_residence;

typedef struct fv_prediction {
    /* false: some dim of the launch is not known before the run, or the kernel calls a library
     * function */
    bool known;
    double ms;        /* milliseconds of one launch */
    double computing; /* the part of `ms` that the tasks take with all data in the first cache */
    double waiting;   /* the part of `ms` in which cores wait for caches and memory */
    /* milliseconds of moving all data that are touched once, from the last-level cache or from
     * memory, if the core waits for nothing else */
    double transfers;
    /* bytes that all threads together move into the caches of their cores, and of these those that
     * come from memory */
    double into_cores, from_memory;
} fv_prediction;

/* Predicts one launch of kernel k, as scheduled, with dims[k->ndims]. residence[k->nbufs]: where
 * each parameter's data are; NULL: in memory. */
fv_prediction fv_predict_kernel(fv_arena *scratch, const fv_kernel *k, const int64_t *dims,
                                const fv_target *t, const fv_speeds *s, int threads,
                                const fv_residence *residence);
/* Predicts the n launches of a program that runs repeatedly, after fv_cost_evaluate: what a launch
 * reads is in the smallest cache that holds all that was accessed since. */
void fv_predict_launches(fv_arena *scratch, const fv_program *p, const int64_t *dims,
                         const fv_speeds *s, int threads, int n, const fv_launch_cost *list,
                         fv_prediction *out);

#endif
