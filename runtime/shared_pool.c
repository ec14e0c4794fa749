/* shared_pool.c - the pools of threads that the runs of all artifacts share. They exist from the
 * first run that uses threads until the last artifact that has had such a run is freed.
 *
 * A process that is forked has none of the threads, and starts its own. */
#include <pthread.h>
#include <stdlib.h>

#include "pool.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static fv_shared_pool *pools;
static int artifacts; /* that have joined and not left */
static int usable;    /* the number of threads that this process may use; 0: not known */
static pthread_once_t once = PTHREAD_ONCE_INIT;

#ifndef _WIN32
static void before_fork(void) {
    pthread_mutex_lock(&lock);
}

static void after_fork(void) {
    pthread_mutex_unlock(&lock);
}

/* In the forked process. The memory of the pools is left to it: a run may have been using them. */
static void forget_pools(void) {
    pools = NULL;
    pthread_mutex_unlock(&lock);
}

#endif

static void watch_forks(void) {
#ifndef _WIN32
    pthread_atfork(before_fork, after_fork, forget_pools);
#endif
}

/* The pool for this number of threads that the fewest runs are using; NULL: there is none. */
static fv_shared_pool *least_used(int threads) {
    fv_shared_pool *least = NULL;
    for (fv_shared_pool *p = pools; p; p = p->next)
        if (p->threads == threads && (!least || p->runs < least->runs))
            least = p;
    return least;
}

/* Whether the process may use the threads of another pool like this one in addition. */
static int has_threads_for(const fv_shared_pool *like) {
    int n = fv_pool_size(like->pool);
    if (!usable)
        usable = fv_pool_size(NULL);
    for (const fv_shared_pool *p = pools; p; p = p->next)
        n += fv_pool_size(p->pool);
    return n <= usable;
}

static fv_shared_pool *start(int threads) {
    fv_shared_pool *p = calloc(1, sizeof *p);
    if (!p || !(p->pool = fv_pool_new(threads))) {
        free(p);
        return NULL;
    }
    p->threads = threads;
    p->next = pools;
    pools = p;
    return p;
}

fv_shared_pool *fv_shared_pool_take(int threads, int *joined) {
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&lock);
    fv_shared_pool *p = least_used(threads), *other = NULL;
    if (!p || (p->runs && has_threads_for(p)))
        other = start(threads);
    p = other ? other : p;
    if (p) {
        p->runs++;
        artifacts += !*joined;
        *joined = 1;
    }
    pthread_mutex_unlock(&lock);
    return p;
}

void fv_shared_pool_give(fv_shared_pool *p) {
    if (!p)
        return;
    pthread_mutex_lock(&lock);
    p->runs--;
    pthread_mutex_unlock(&lock);
}

void fv_shared_pool_leave(void) {
    pthread_mutex_lock(&lock);
    for (fv_shared_pool *p = --artifacts ? NULL : pools, *next; p; p = next) {
        next = p->next;
        fv_pool_free(p->pool);
        free(p);
    }
    if (!artifacts) {
        pools = NULL;
        usable = 0;
    }
    pthread_mutex_unlock(&lock);
}
