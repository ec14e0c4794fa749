/* pool.h - a pool of threads for parallel regions.
 *
 * Between regions a thread polls for the next one for up to FV_POOL_SPIN_US microseconds, then
 * parks. One region runs at a time: a second caller waits for the first. */
#ifndef FV_RUNTIME_POOL_H
#define FV_RUNTIME_POOL_H

#include "fovea_model.h"

typedef struct fv_pool fv_pool;

/* threads: the number of threads that take part, the caller included; 0: as many as the affinity
 * and the cgroup of this process allow. NULL: no memory. */
fv_pool *fv_pool_new(int threads);
/* No region may be running. NULL is allowed. */
void fv_pool_free(fv_pool *p);
int fv_pool_size(const fv_pool *p);
/* An fv_env for runs: parallel_for of the pool, and memory from malloc. */
fv_env fv_pool_env(fv_pool *p);

#endif
