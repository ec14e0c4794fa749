/* pool.h - a pool of threads for parallel regions: fv_pool of fovea.h.
 *
 * Between regions a thread polls for the next one for up to FV_POOL_SPIN_US microseconds, then
 * parks. One region runs at a time: a second caller helps with it, then runs its own.
 *
 * Runs without a pool of the caller share pools, too: those of shared_pool.c. */
#ifndef FV_RUNTIME_POOL_H
#define FV_RUNTIME_POOL_H

#include "fovea.h"

/* A pool that runs share. */
typedef struct fv_shared_pool {
    struct fv_shared_pool *next;
    fv_pool *pool;
    int threads; /* the number of threads that its runs have requested; 0: all */
    int runs;    /* that are using it */
} fv_shared_pool;

/* The pool of a run that requests this number of threads; one of no other run if that is possible
 * within the number of threads that the process may use. NULL: no memory.
 *  joined  of the artifact that is run, false at first; guarded by the function */
fv_shared_pool *fv_shared_pool_take(int threads, int *joined);
void fv_shared_pool_give(fv_shared_pool *p); /* at the end of the run; NULL is allowed */
/* Called when an artifact that has joined is freed. The last one frees all shared pools. */
void fv_shared_pool_leave(void);

#endif
