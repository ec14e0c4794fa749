/* stopping.h - runs that a flag stops, also within a launch, and during which the thread of the
 * caller is asked from time to time. */
#ifndef FV_RUNTIME_STOPPING_H
#define FV_RUNTIME_STOPPING_H

#include <pthread.h>

#include "internal.h"

/* The part of a run's state that stops it. */
typedef struct fv_stopping {
    const volatile int32_t *cancel; /* of the caller; NULL: nothing stops the run */
    const fv_poll *poll;            /* of the caller; NULL: none */
    pthread_t caller;               /* the thread that calls `poll` */
    int64_t next; /* when it does so next, in nanoseconds; 0: the run has just begun */
    /* the task of the last launch that one thread has executed, and whether it began with the last
     * of them */
    void (*last)(void *arg, int64_t i);
    bool descending;
    int32_t stopped; /* whether tasks were left out, or `poll` has stopped the run */
} fv_stopping;

/* On any thread of the run: calls `poll` if it is time for it. Returns whether the run stops. */
bool fv_stopping_ask(fv_stopping *s) FV_MUST_USE;
/* Calls the tasks until the run stops, on the threads of env, or, if env has no parallel_for, on
 * this one. */
void fv_stopping_run(fv_stopping *s, const fv_env *env, void (*task)(void *arg, int64_t i),
                     void *arg, int64_t n);

#endif
