/* run_setup.c - the threads and the memory of a run: from fv_run_options, or the defaults. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "run_setup.h"

/* ---- functions that forward to those of the pool and of the caller ---- */

static void forward_parallel_for(void *user, void (*task)(void *arg, int64_t i), void *arg,
                                 int64_t n) {
    fv_run_setup *s = user;
    if (s->stopping.cancel)
        fv_stopping_run(&s->stopping, &s->threads, task, arg, n);
    else
        s->threads.parallel_for(s->threads.user, task, arg, n);
}

static void *forward_alloc(void *user, size_t bytes) {
    fv_run_setup *s = user;
    void *p = s->memory.alloc(s->memory.user, bytes);
    if (!((uintptr_t)p % 64))
        return p;
    s->misaligned = true;
    s->memory.free(s->memory.user, p);
    return NULL;
}

static void forward_free(void *user, void *p) {
    const fv_run_setup *s = user;
    if (p)
        s->memory.free(s->memory.user, p);
}

static void forward_trace(void *user, int32_t launch, int32_t end) {
    fv_run_setup *s = user;
    /* the launch itself checks the flag */
    if (s->stopping.poll && !end)
        (void)!fv_stopping_ask(&s->stopping);
    if (s->trace.trace)
        s->trace.trace(s->trace.user, launch, end);
}

void *fv_run_alloc(fv_run_setup *s, size_t bytes) {
    return forward_alloc(s, bytes);
}

void fv_run_free(fv_run_setup *s, void *p) {
    forward_free(s, p);
}

bool fv_run_setup_allocates(const fv_run_setup *s) {
    return s->given.alloc != NULL;
}

/* ---- the caller's options ---- */

static int contradict(fv_log *log, const char *what) {
    fv_log_add(log, "error: the options %s", what);
    return FV_BAD_ARGUMENT;
}

static int read_env(fv_run_setup *s, fv_log *log) {
    const fv_env *env = s->o.env;
    s->given = (fv_env){.size = sizeof s->given};
    if (!env)
        return FV_OK;
    if (env->size < sizeof env->size) {
        fv_log_add(log, "error: env of the options has size %zu, expected sizeof(fv_env), %zu",
                   env->size, sizeof *env);
        return FV_BAD_ARGUMENT;
    }
    memcpy(&s->given, env, env->size < sizeof *env ? env->size : sizeof *env);
    if (!s->given.alloc != !s->given.free)
        return contradict(log, s->given.alloc ? "have an env with alloc, but without free"
                                              : "have an env with free, but without alloc");
    return FV_OK;
}

static int check_threads(const fv_run_setup *s, fv_log *log) {
    const char *from = s->o.pool ? "a pool" : s->given.parallel_for ? "a parallel_for" : NULL;
    if (s->o.threads < 0) {
        fv_log_add(log, "error: the options request %d threads, may be 0 or more",
                   (int)s->o.threads);
        return FV_BAD_ARGUMENT;
    }
    if (s->o.pool && s->given.parallel_for)
        return contradict(log, "have a pool and a parallel_for, may have one of them");
    if (from && s->o.threads) {
        fv_log_add(log, "error: the options have %s and request %d threads, expected 0", from,
                   (int)s->o.threads);
        return FV_BAD_ARGUMENT;
    }
    return FV_OK;
}

static int check_poll(const fv_run_setup *s, fv_log *log) {
    if (!s->o.poll || (s->o.poll->call && (s->o.cancel || s->given.cancel)))
        return FV_OK;
    return contradict(log, s->o.poll->call ? "have a poll without a cancel flag, which it would set"
                                           : "have a poll whose function is NULL");
}

static int check_workspace(const fv_run_options *o, fv_log *log) {
    if (!o->workspace && o->workspace_bytes) {
        fv_log_add(log, "error: the options have a workspace of %zu bytes that is NULL",
                   o->workspace_bytes);
        return FV_BAD_ARGUMENT;
    }
    if ((uintptr_t)o->workspace % 64)
        return contradict(log, "have a workspace at an address that is no multiple of 64");
    return FV_OK;
}

/* Copies the options, whose size must be one that this library knows. */
static int read_options(fv_run_setup *s, const fv_run_options *from, fv_log *log) {
    s->o = (fv_run_options){.size = sizeof s->o};
    if (from && (from->size < sizeof from->size || from->size > sizeof s->o)) {
        fv_log_add(log, "error: the options have size %zu, expected sizeof(fv_run_options), %zu",
                   from->size, sizeof s->o);
        return FV_BAD_ARGUMENT;
    }
    if (from)
        memcpy(&s->o, from, from->size);
    int status = read_env(s, log);
    status = status ? status : check_threads(s, log);
    status = status ? status : check_poll(s, log);
    return status ? status : check_workspace(&s->o, log);
}

/* ---- seeds of random numbers ---- */

/* Where the seeds of an artifact begin: differs between processes, and between artifacts. */
static uint64_t first_seed(const fv_artifact *a) {
    struct timespec t = {0};
    (void)!clock_gettime(CLOCK_REALTIME, &t);
    return ((uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec) ^ (uint64_t)(uintptr_t)a << 20;
}

/* Another seed for each run, never 0: the generator splitmix64.
 * Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014. */
static size_t seed_of_run(fv_artifact *a) {
    pthread_mutex_lock(a->lock);
    a->drawn = (a->drawn ? a->drawn : first_seed(a)) + UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = a->drawn;
    pthread_mutex_unlock(a->lock);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (size_t)(x ^ x >> 31) | 1;
}

/* Sets the functions of env to those that are needed. */
static void forward(fv_run_setup *s, size_t seed) {
    const volatile int32_t *cancel = s->o.cancel ? s->o.cancel : s->given.cancel;
    s->stopping = (fv_stopping){.cancel = cancel, .poll = s->o.poll, .caller = pthread_self()};
    s->env =
        (fv_env){.size = sizeof s->env,
                 .user = s,
                 .parallel_for = cancel || s->threads.parallel_for ? forward_parallel_for : NULL,
                 .alloc = forward_alloc,
                 .free = forward_free,
                 .cancel = cancel,
                 .trace = s->o.poll || s->trace.trace ? forward_trace : NULL,
                 .communicator = s->given.communicator,
                 .seed = seed};
}

int fv_run_setup_begin(fv_run_setup *s, fv_artifact *a, const fv_run_options *o, fv_log *log) {
    *s = (fv_run_setup){0};
    int status = read_options(s, o, log);
    if (status)
        return status;
    fv_pool *pool = s->o.pool;
    if (!pool && !s->given.parallel_for && s->o.threads != 1) {
        s->shared = fv_shared_pool_take(s->o.threads, &a->shares_pools);
        pool = s->shared ? s->shared->pool : NULL;
    }
    s->threads = s->given.parallel_for ? s->given : fv_pool_env(pool);
    s->memory = s->given.alloc ? s->given : fv_pool_env(NULL);
    s->trace = s->given;
    forward(s, s->given.seed || s->given.communicator ? s->given.seed : seed_of_run(a));
    return FV_OK;
}

void fv_run_setup_end(fv_run_setup *s) {
    fv_shared_pool_give(s->shared);
    s->shared = NULL;
}

void fv_run_setup_trace(fv_run_setup *s, const fv_run_setup *like,
                        void (*trace)(void *user, int32_t launch, int32_t end), void *user) {
    *s = *like;
    s->shared = NULL;
    s->threads.parallel_for = NULL;
    s->trace.trace = trace;
    s->trace.user = user;
    forward(s, like->env.seed);
}
