/* ranks.c - a communicator for threads of one process: each rank is a thread, and what the others
 * send is copied from their memory. An exchange has two meetings of all ranks: at the first one all
 * have stated what they send, after the second one all have copied it. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "internal.h"
#include "rank_limits.h"

/* The clock of deadlines: on Windows, conditions know one only. */
#ifdef _WIN32
static const clockid_t waiting_clock = CLOCK_REALTIME;
#else
static const clockid_t waiting_clock = CLOCK_MONOTONIC;
#endif

typedef enum { NOTHING, ALL_GATHER, ALL_TO_ALL } exchange;

static const char *const exchange_names[] = {"nothing", "all_gather", "all_to_all"};

typedef struct member {
    fv_ranks *of;
    fv_communicator communicator;
    exchange kind;
    const void *send;
    size_t bytes;
    size_t steps; /* how many exchanges this rank has begun */
    int waits;    /* whether it is in a meeting */
    int stopped;  /* whether it makes no more calls */
} member;

struct fv_ranks {
    pthread_mutex_t lock;
    pthread_cond_t met;
    int n, arrived;
    size_t meeting; /* how many meetings have taken place */
    double timeout;
    int failed;
    char why[160]; /* the reason, if failed */
    member all[];
};

/* ---- failures; the lock is held ---- */

static void fail(fv_ranks *r, const char *format, ...) __attribute__((format(FV_PRINTF, 2, 3)));

static void fail(fv_ranks *r, const char *format, ...) {
    va_list list;
    va_start(list, format);
    if (!r->failed)
        vsnprintf(r->why, sizeof r->why, format, list);
    va_end(list);
    r->failed = 1;
    pthread_cond_broadcast(&r->met);
}

/* Fails if ranks that have arrived at the first meeting of an exchange differ. */
static void compare(fv_ranks *r) {
    const member *first = &r->all[0];
    for (int i = 1; i < r->n; i++)
        if (r->all[i].kind != first->kind || r->all[i].bytes != first->bytes)
            fail(r,
                 "step %zu: rank 0 has an %s of %zu bytes, rank %d an %s of %zu bytes: the parts "
                 "or their inputs differ",
                 first->steps, exchange_names[first->kind], first->bytes, i,
                 exchange_names[r->all[i].kind], r->all[i].bytes);
}

static void fail_late(fv_ranks *r, const member *me) {
    int absent = 0;
    while (absent < r->n - 1 && r->all[absent].waits)
        absent++;
    fail(r, "step %zu: rank %zu has waited %g s for rank %d", me->steps, me->communicator.rank,
         r->timeout, absent);
}

/* ---- meetings ---- */

static struct timespec deadline(double seconds) {
    struct timespec t;
    clock_gettime(waiting_clock, &t);
    long long ns = t.tv_nsec + (long long)((seconds - (double)(long long)seconds) * 1e9);
    t.tv_sec += (time_t)seconds + (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

static int any_stopped(fv_ranks *r, const member *me) {
    for (int i = 0; i < r->n && !r->failed; i++)
        if (r->all[i].stopped)
            fail(r, "step %zu: rank %d has ended, and rank %zu waits for it", me->steps, i,
                 me->communicator.rank);
    return r->failed;
}

/* Waits until all ranks have stated what they exchange, which is compared; 0: they agree. */
static int meet(member *me) {
    fv_ranks *r = me->of;
    struct timespec end = deadline(r->timeout);
    pthread_mutex_lock(&r->lock);
    size_t meeting = r->meeting;
    me->waits = 1;
    if (++r->arrived == r->n && !r->failed) {
        compare(r);
        r->arrived = 0;
        r->meeting++;
        pthread_cond_broadcast(&r->met);
    }
    while (r->meeting == meeting && !any_stopped(r, me))
        if (pthread_cond_timedwait(&r->met, &r->lock, &end) == ETIMEDOUT && r->meeting == meeting)
            fail_late(r, me);
    me->waits = 0;
    int failed = r->failed;
    pthread_mutex_unlock(&r->lock);
    return failed;
}

/* Waits until all ranks have copied, however long that takes: before, what this rank sends must
 * stay as it is. All have met before, so all come. */
static void meet_again(fv_ranks *r) {
    pthread_mutex_lock(&r->lock);
    size_t meeting = r->meeting;
    if (++r->arrived == r->n) {
        r->arrived = 0;
        r->meeting++;
        pthread_cond_broadcast(&r->met);
    }
    while (r->meeting == meeting)
        pthread_cond_wait(&r->met, &r->lock);
    pthread_mutex_unlock(&r->lock);
}

/* ---- the functions of a communicator ---- */

static void copy(const member *me, void *receive) {
    const fv_ranks *r = me->of;
    for (int i = 0; i < r->n && me->bytes; i++) {
        const char *from = r->all[i].send;
        if (me->kind == ALL_TO_ALL)
            from += me->communicator.rank * me->bytes;
        memcpy((char *)receive + (size_t)i * me->bytes, from, me->bytes);
    }
}

static int exchange_all(member *me, exchange kind, const void *send, void *receive, size_t bytes) {
    me->kind = kind;
    me->send = send;
    me->bytes = bytes;
    me->steps++;
    if (meet(me))
        return 1;
    copy(me, receive);
    meet_again(me->of);
    return 0;
}

static int all_gather(void *user, const void *send, void *receive, size_t bytes) {
    return exchange_all(user, ALL_GATHER, send, receive, bytes);
}

static int all_to_all(void *user, const void *send, void *receive, size_t bytes) {
    return exchange_all(user, ALL_TO_ALL, send, receive, bytes);
}

/* ---- making and freeing ---- */

static int make_condition(pthread_cond_t *c) {
    pthread_condattr_t a;
    if (pthread_condattr_init(&a))
        return 0;
#ifdef _WIN32
    int ok = 1;
#else
    int ok = !pthread_condattr_setclock(&a, waiting_clock);
#endif
    ok = ok && !pthread_cond_init(c, &a);
    pthread_condattr_destroy(&a);
    return ok;
}

fv_ranks *fv_ranks_new(int ranks, double timeout) {
    if (ranks < 1 || ranks > FV_MAX_RANKS || !(timeout > 0 && timeout <= FV_MAX_TIMEOUT))
        return NULL;
    fv_ranks *r = calloc(1, sizeof *r + (size_t)ranks * sizeof *r->all);
    if (!r || pthread_mutex_init(&r->lock, NULL)) {
        free(r);
        return NULL;
    }
    if (!make_condition(&r->met)) {
        pthread_mutex_destroy(&r->lock);
        free(r);
        return NULL;
    }
    r->n = ranks;
    r->timeout = timeout;
    for (int i = 0; i < ranks; i++) {
        r->all[i].of = r;
        r->all[i].communicator = (fv_communicator){sizeof(fv_communicator), &r->all[i], (size_t)i,
                                                   (size_t)ranks,           all_gather, all_to_all};
    }
    return r;
}

const fv_communicator *fv_ranks_communicator(const fv_ranks *r, int rank) {
    return r && rank >= 0 && rank < r->n ? &r->all[rank].communicator : NULL;
}

void fv_ranks_stop(fv_ranks *r, int rank) {
    if (!r || rank < 0 || rank >= r->n)
        return;
    pthread_mutex_lock(&r->lock);
    r->all[rank].stopped = 1;
    pthread_cond_broadcast(&r->met);
    pthread_mutex_unlock(&r->lock);
}

const char *fv_ranks_error(const fv_ranks *r) {
    return r && r->failed ? r->why : NULL;
}

void fv_ranks_free(fv_ranks *r) {
    if (!r)
        return;
    pthread_cond_destroy(&r->met);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
