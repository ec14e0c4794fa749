/* estimate.h - the times that the cost model predicts for the kernels of a program, and the times
 * that the machine needs at least.
 *
 *     fv_cost_evaluate(a, p, dims, n, costs);
 *     fv_estimate *each = fv_estimate_launches(a, p, dims, 1, n, costs);
 *     fv_estimate all = fv_estimate_sum(NULL, n, costs, each); */
#ifndef FV_TOOLS_MODEL_ESTIMATE_H
#define FV_TOOLS_MODEL_ESTIMATE_H

#include "backend/cost/cost.h"

/* Milliseconds; each launch counts once, also in a loop of the host program. */
typedef struct fv_estimate {
    bool known; /* false: the cost model predicts none of the launches */
    double ms;  /* the predicted time of the launches that have a prediction */
    /* the time that their operations take at the peak of multiply-adds, or, if that is longer,
     * the transfers of their data from the last-level cache or from memory */
    double least;
    /* bytes that all threads together move into the caches of their cores, and those of them that
     * come from memory, of the launches that have a prediction */
    double into_cores, from_memory;
} fv_estimate;

/* An estimate for each of the n launches of a program that `threads` threads run, at least one,
 * after fv_cost_evaluate with these dims. The
 * speeds are those of the profile of the target's processor, or of its family. */
fv_estimate *fv_estimate_launches(fv_arena *a, const fv_program *p, const int64_t *dims,
                                  int threads, int n, const fv_launch_cost *costs);
/* The sum over the launches of a kernel; kernel NULL: over all launches. */
fv_estimate fv_estimate_sum(const fv_kernel *kernel, int n, const fv_launch_cost *costs,
                            const fv_estimate *each);
/* Where the speeds are from: "the profile of the machine" or "the table of processors"; and the
 * family of the processor. */
const char *fv_estimate_source(fv_arena *a, const fv_target *t);

#endif
