/* stopping.c - runs that a flag stops. Compiled code checks the flag before each launch. Here each
 * task is preceded by a check as well, so a launch of many tasks does not last to its end; the
 * results are those of a run that failed. */
#include "stopping.h"

#include <time.h>

enum { POLL_NS = 50000000 };

/* The clock of the last tick suffices where there is one: it is read before each task. */
static int64_t nanoseconds(void) {
    struct timespec t;
#ifdef CLOCK_MONOTONIC_COARSE
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
#else
    clock_gettime(CLOCK_MONOTONIC, &t);
#endif
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void poll_caller(fv_stopping *s) {
    int64_t now = nanoseconds();
    bool due = s->next && now >= s->next;
    if (s->next && !due)
        return;
    s->next = now + POLL_NS;
    if (!due)
        return;
    s->poll->call(s->poll->user);
    if (*s->cancel)
        __atomic_store_n(&s->stopped, 1, __ATOMIC_RELAXED);
}

bool fv_stopping_ask(fv_stopping *s) {
    if (s->poll && pthread_equal(s->caller, pthread_self()))
        poll_caller(s);
    return *s->cancel != 0;
}

/* The tasks of a launch. */
typedef struct watched {
    fv_stopping *stopping;
    void (*task)(void *arg, int64_t i);
    void *arg;
} watched;

static void watched_task(void *arg, int64_t i) {
    const watched *w = arg;
    if (fv_stopping_ask(w->stopping))
        __atomic_store_n(&w->stopping->stopped, 1, __ATOMIC_RELAXED);
    else
        w->task(w->arg, i);
}

/* Launches of one kernel in succession, as of the steps of a recurrence, read the same weights:
 * each begins with those that the one before has read last. */
static void run_serially(watched *w, int64_t n) {
    fv_stopping *s = w->stopping;
    s->descending = s->last == w->task && !s->descending;
    s->last = w->task;
    for (int64_t i = 0; i < n && !s->stopped; i++)
        watched_task(w, s->descending ? n - 1 - i : i);
}

void fv_stopping_run(fv_stopping *s, const fv_env *env, void (*task)(void *arg, int64_t i),
                     void *arg, int64_t n) {
    watched w = {s, task, arg};
    if (env->parallel_for)
        env->parallel_for(env->user, watched_task, &w, n);
    else
        run_serially(&w, n);
}
