/* pool.h - a pool of threads for parallel regions.
 *
 * Between regions a thread polls for up to FV_POOL_SPIN_US microseconds, then parks. One region at
 * a time: a second caller waits for the first. */
#ifndef FV_RUNTIME_POOL_H
#define FV_RUNTIME_POOL_H

#include "fovea_model.h"

typedef struct fv_pool fv_pool;

/* threads: how many take part, the caller included; 0: as many as this process may use, by its
 * affinity and its cgroup. NULL: no memory. */
fv_pool *fv_pool_new(int threads);
/* No region may be going on. NULL is allowed. */
void fv_pool_free(fv_pool *p);
int fv_pool_size(const fv_pool *p);
/* What a run is given: parallel_for on the pool, and malloc's memory. */
fv_env fv_pool_env(fv_pool *p);

#endif
