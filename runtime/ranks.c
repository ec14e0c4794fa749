/* ranks.c - a communicator for threads of one process: each rank is a thread, and what the others
 * send is copied from their memory. An exchange of a group, such as all ranks, has two meetings of
 * its ranks: at the first one all have stated what they send, after the second one all have copied
 * it. What is sent to one rank is posted, until that rank has copied it. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
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

/* How long a rank polls for what it waits for before it sleeps, in microseconds. To wake it takes
 * about 50 on a virtual machine, and ranks that have as much to do come less than that apart. */
#define FV_RANKS_POLL_US 100

typedef enum { NOTHING, ALL_GATHER, ALL_TO_ALL, SEND, RECEIVE } exchange;

static const char *const exchange_names[] = {"nothing", "all_gather", "all_to_all", "send",
                                             "receive"};

/* Ranks of a run that exchange data. */
typedef struct group {
    int first, n;
} group;

/* Data that a rank sends to one other: nobody has copied it, it is being copied, it was copied. */
typedef enum { POSTED, TAKEN, COPIED } posting;

typedef struct member {
    fv_ranks *of;
    fv_communicator communicator;
    exchange kind;
    void *receive; /* of an exchange that was started */
    int started;   /* whether it was started, and is not complete */
    int complete;  /* how many that were started are complete, and were not waited for */
    group in;      /* the ranks of the exchange; of SEND and RECEIVE the other rank */
    const void *send;
    size_t bytes;
    size_t steps; /* how many exchanges this rank has begun */
    posting post;
    int arrived; /* whether it is at a meeting of its group that has not taken place yet */
    int differs; /* whether the ranks of its last meeting differed */
    int stopped; /* whether it makes no more calls */
} member;

struct fv_ranks {
    pthread_mutex_t lock;
    pthread_cond_t met;
    unsigned news; /* how many calls of tell there were; may be read without the lock */
    int n;
    double timeout;
    int failed;
    char why[160]; /* the reason, if failed */
    member all[];
};

/* ---- waiting; the lock is held ---- */

static void tell(fv_ranks *r) {
    __atomic_add_fetch(&r->news, 1, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&r->met);
}

static struct timespec deadline(double seconds) {
    struct timespec t;
    clock_gettime(waiting_clock, &t);
    long long ns = t.tv_nsec + (long long)((seconds - (double)(long long)seconds) * 1e9);
    t.tv_sec += (time_t)seconds + (time_t)(ns / 1000000000);
    t.tv_nsec = (long)(ns % 1000000000);
    return t;
}

static int is_before(struct timespec end) {
    struct timespec t;
    clock_gettime(waiting_clock, &t);
    return t.tv_sec < end.tv_sec || (t.tv_sec == end.tv_sec && t.tv_nsec < end.tv_nsec);
}

/* Waits until another rank calls tell, or, if `end` is not NULL, until then: ETIMEDOUT. It may also
 * return for no reason, as conditions do. The lock is given up meanwhile. */
static int wait_for_news(fv_ranks *r, const struct timespec *end) {
    unsigned known = r->news;
    struct timespec asleep = deadline(FV_RANKS_POLL_US * 1e-6);
    pthread_mutex_unlock(&r->lock);
    while (__atomic_load_n(&r->news, __ATOMIC_ACQUIRE) == known && is_before(asleep))
        sched_yield(); /* there may be more ranks than CPUs */
    pthread_mutex_lock(&r->lock);
    if (r->news != known)
        return 0;
    return end ? pthread_cond_timedwait(&r->met, &r->lock, end)
               : pthread_cond_wait(&r->met, &r->lock);
}

/* ---- failures; the lock is held ---- */

static void fail(fv_ranks *r, const char *format, ...) __attribute__((format(FV_PRINTF, 2, 3)));

static void fail(fv_ranks *r, const char *format, ...) {
    va_list list;
    va_start(list, format);
    if (!r->failed)
        vsnprintf(r->why, sizeof r->why, format, list);
    va_end(list);
    r->failed = 1;
    tell(r);
}

static int has_arrived(const member *x, group g) {
    return x->arrived && x->in.first == g.first && x->in.n == g.n;
}

/* Fails if ranks that have arrived at the first meeting of an exchange differ; returns whether they
 * do. */
static int compare(fv_ranks *r, group g) {
    const member *first = &r->all[g.first];
    int differs = 0;
    for (int i = g.first + 1; i < g.first + g.n; i++) {
        const member *x = &r->all[i];
        if (x->kind == first->kind && x->bytes == first->bytes)
            continue;
        differs = 1;
        fail(r,
             "step %zu: rank %d has an %s of %zu bytes, rank %d an %s of %zu bytes: the parts "
             "or their inputs differ",
             first->steps, g.first, exchange_names[first->kind], first->bytes, i,
             exchange_names[x->kind], x->bytes);
    }
    return differs;
}

/* Fails if a rank of the group of `me` waits for `me` in another group: each would wait for the
 * other one for ever. */
static void compare_groups(const member *me) {
    fv_ranks *r = me->of;
    int own = (int)me->communicator.rank;
    for (int i = me->in.first; i < me->in.first + me->in.n; i++) {
        const member *x = &r->all[i];
        if (x->arrived && !has_arrived(x, me->in) && own >= x->in.first &&
            own < x->in.first + x->in.n)
            fail(r,
                 "step %zu: rank %d exchanges data among %d ranks from rank %d on, rank %d among "
                 "%d ranks from rank %d on: the parts differ",
                 me->steps, own, me->in.n, me->in.first, i, x->in.n, x->in.first);
    }
}

static void fail_late(fv_ranks *r, const member *me) {
    int absent = me->in.first;
    while (absent < me->in.first + me->in.n - 1 && has_arrived(&r->all[absent], me->in))
        absent++;
    fail(r, "step %zu: rank %zu has waited %g s for rank %d", me->steps, me->communicator.rank,
         r->timeout, absent);
}

/* ---- meetings ---- */

/* Has a rank for which this one waits ended, or has the run failed? */
static int any_stopped(fv_ranks *r, const member *me) {
    for (int i = me->in.first; i < me->in.first + me->in.n && !r->failed; i++)
        if (r->all[i].stopped)
            fail(r, "step %zu: rank %d has ended, and rank %zu waits for it", me->steps, i,
                 me->communicator.rank);
    return r->failed;
}

/* Adds this rank to a meeting of its group, which takes place when all have arrived. A first
 * meeting, which compares what they exchange, does not take place after a failure. */
static void arrive(member *me, int compares) {
    fv_ranks *r = me->of;
    group in = me->in;
    me->arrived = 1;
    if (compares)
        compare_groups(me);
    for (int i = in.first; i < in.first + in.n; i++)
        if (!has_arrived(&r->all[i], in))
            return;
    if (compares && r->failed)
        return;
    int differs = compares && compare(r, in);
    for (int i = in.first; i < in.first + in.n; i++) {
        r->all[i].arrived = 0;
        r->all[i].differs = differs;
    }
    tell(r);
}

/* Joins the first meeting of the ranks of an exchange, without waiting for them. */
static void come(member *me) {
    pthread_mutex_lock(&me->of->lock);
    arrive(me, 1);
    pthread_mutex_unlock(&me->of->lock);
}

/* Waits until all ranks of the group have stated what they exchange, which is compared; 0: they
 * agree. If they do, a failure of other ranks changes nothing: all ranks of the group must come to
 * the second meeting, or those that do would wait for ever. */
static int meet(member *me) {
    fv_ranks *r = me->of;
    struct timespec end = deadline(r->timeout);
    pthread_mutex_lock(&r->lock);
    while (me->arrived && !any_stopped(r, me))
        if (wait_for_news(r, &end) == ETIMEDOUT && me->arrived)
            fail_late(r, me);
    int failed = me->arrived || me->differs;
    me->arrived = 0;
    pthread_mutex_unlock(&r->lock);
    return failed;
}

/* Waits until all ranks of the group have copied, however long that takes: before, what this rank
 * sends must stay as it is. All have met before, so all come. */
static void meet_again(member *me) {
    fv_ranks *r = me->of;
    pthread_mutex_lock(&r->lock);
    arrive(me, 0);
    while (me->arrived)
        wait_for_news(r, NULL);
    pthread_mutex_unlock(&r->lock);
}

/* ---- the functions of a communicator ---- */

static void copy(const member *me, void *receive) {
    for (int i = 0; i < me->in.n && me->bytes; i++) {
        const char *from = me->of->all[me->in.first + i].send;
        if (me->kind == ALL_TO_ALL)
            from += me->communicator.rank * me->bytes;
        memcpy((char *)receive + (size_t)i * me->bytes, from, me->bytes);
    }
}

static void begin(member *me, exchange kind, group in, const void *send, size_t bytes) {
    pthread_mutex_lock(&me->of->lock); /* a receiver may look at what is posted */
    me->kind = kind;
    me->in = in;
    me->send = send;
    me->bytes = bytes;
    me->steps++;
    me->post = POSTED;
    if (kind == SEND)
        tell(me->of);
    pthread_mutex_unlock(&me->of->lock);
}

/* Completes an exchange to which this rank has come. */
static int exchange_now(member *me, void *receive) {
    if (meet(me))
        return 1;
    copy(me, receive);
    meet_again(me);
    return 0;
}

static int complete_started(member *me);

static int exchange_all(member *me, exchange kind, group in, const void *send, void *receive,
                        size_t bytes) {
    if (complete_started(me))
        return 1;
    begin(me, kind, in, send, bytes);
    come(me);
    return exchange_now(me, receive);
}

static int all_gather(void *user, const void *send, void *receive, size_t bytes) {
    member *me = user;
    return exchange_all(me, ALL_GATHER, (group){0, me->of->n}, send, receive, bytes);
}

static int all_to_all(void *user, const void *send, void *receive, size_t bytes) {
    member *me = user;
    return exchange_all(me, ALL_TO_ALL, (group){0, me->of->n}, send, receive, bytes);
}

/* Fails if the rank is not one of `n` ranks from `first` on, all of the run; returns whether it
 * does. */
static int is_no_member(member *me, size_t first, size_t n) {
    fv_ranks *r = me->of;
    size_t rank = me->communicator.rank;
    int bad =
        first >= (size_t)r->n || n > (size_t)r->n - first || rank < first || rank - first >= n;
    pthread_mutex_lock(&r->lock);
    if (bad)
        fail(r, "rank %zu gathers from %zu ranks from rank %zu on", rank, n, first);
    pthread_mutex_unlock(&r->lock);
    return bad;
}

static int group_all_gather(void *user, size_t first, size_t n, const void *send, void *receive,
                            size_t bytes) {
    member *me = user;
    return is_no_member(me, first, n) ||
           exchange_all(me, ALL_GATHER, (group){(int)first, (int)n}, send, receive, bytes);
}

/* ---- sending to one rank ---- */

/* Fails if the rank is not another one of the run; returns whether it does. */
static int is_no_other(member *me, size_t rank) {
    fv_ranks *r = me->of;
    int bad = rank >= (size_t)r->n || rank == me->communicator.rank;
    pthread_mutex_lock(&r->lock);
    if (bad)
        fail(r, "rank %zu sends to, or receives from, rank %zu", me->communicator.rank, rank);
    pthread_mutex_unlock(&r->lock);
    return bad;
}

/* Waits until what this rank has posted was copied; while it is being copied, however long that
 * takes. */
static int finish_sending(member *me) {
    fv_ranks *r = me->of;
    struct timespec end = deadline(r->timeout);
    pthread_mutex_lock(&r->lock);
    while (me->post == TAKEN || (me->post == POSTED && !any_stopped(r, me)))
        if (me->post == TAKEN)
            wait_for_news(r, NULL);
        else if (wait_for_news(r, &end) == ETIMEDOUT && me->post == POSTED)
            fail_late(r, me);
    int failed = me->post != COPIED;
    me->kind = NOTHING;
    pthread_mutex_unlock(&r->lock);
    return failed;
}

static int send_one(void *user, size_t to, const void *data, size_t bytes) {
    member *me = user;
    if (complete_started(me) || is_no_other(me, to))
        return 1;
    begin(me, SEND, (group){(int)to, 1}, data, bytes);
    return finish_sending(me);
}

/* Does the rank send something to `me` that was not copied? */
static int has_posted(const member *from, const member *me) {
    return from->kind == SEND && from->post == POSTED &&
           from->in.first == (int)me->communicator.rank;
}

static int receive_one(void *user, size_t rank, void *data, size_t bytes) {
    member *me = user;
    fv_ranks *r = me->of;
    if (complete_started(me) || is_no_other(me, rank))
        return 1;
    member *from = &r->all[rank];
    begin(me, RECEIVE, (group){(int)rank, 1}, NULL, bytes);
    struct timespec end = deadline(r->timeout);
    pthread_mutex_lock(&r->lock);
    while (!has_posted(from, me) && !any_stopped(r, me))
        if (wait_for_news(r, &end) == ETIMEDOUT && !has_posted(from, me))
            fail_late(r, me);
    if (!r->failed && from->bytes != bytes)
        fail(r,
             "step %zu: rank %zu receives %zu bytes, and rank %zu sends %zu: the parts or their "
             "inputs differ",
             me->steps, me->communicator.rank, bytes, rank, from->bytes);
    int failed = r->failed;
    if (!failed)
        from->post = TAKEN;
    pthread_mutex_unlock(&r->lock);
    if (failed)
        return 1;
    if (bytes)
        memcpy(data, from->send, bytes);
    pthread_mutex_lock(&r->lock);
    from->post = COPIED;
    tell(r);
    pthread_mutex_unlock(&r->lock);
    return 0;
}

/* ---- exchanges that are started ---- */

/* Completes the exchange that was started, if there is one: at most one is not complete. */
static int complete_started(member *me) {
    if (!me->started)
        return 0;
    me->started = 0;
    me->complete++;
    if (me->kind == RECEIVE)
        return receive_one(me, (size_t)me->in.first, me->receive, me->bytes);
    return me->kind == SEND ? finish_sending(me) : exchange_now(me, me->receive);
}

/* The ranks of an exchange, or the other one; n 0: there is no such rank or group. */
static group ranks_of(member *me, int kind, size_t rank, size_t n) {
    static const group none = {0, 0};
    if (kind == FV_ALL_GATHER || kind == FV_ALL_TO_ALL)
        return (group){0, me->of->n};
    if (kind == FV_GROUP_ALL_GATHER)
        return is_no_member(me, rank, n) ? none : (group){(int)rank, (int)n};
    return is_no_other(me, rank) ? none : (group){(int)rank, 1};
}

static int start(void *user, int kind, size_t rank, size_t n, const void *send, void *receive,
                 size_t bytes) {
    static const exchange kinds[] = {ALL_GATHER, ALL_TO_ALL, SEND, RECEIVE, ALL_GATHER};
    member *me = user;
    if (complete_started(me))
        return 1;
    group in = ranks_of(me, kind, rank, n);
    if (!in.n)
        return 1;
    me->receive = receive;
    me->started = 1;
    if (kind == FV_RECEIVE) { /* what is sent stays where it is until this rank waits for it */
        pthread_mutex_lock(&me->of->lock); /* others look at what this rank exchanges */
        me->kind = RECEIVE;
        me->in = in;
        me->bytes = bytes;
        int there = has_posted(&me->of->all[rank], me);
        pthread_mutex_unlock(&me->of->lock);
        return there && complete_started(me); /* if it is there, the sender need not wait */
    }
    begin(me, kinds[kind], in, send, bytes);
    if (kind != FV_SEND)
        come(me);
    return 0;
}

static int wait_for_first(void *user) {
    member *me = user;
    int failed = !me->complete && (!me->started || complete_started(me));
    me->complete -= !failed;
    return failed;
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
        r->all[i].communicator = (fv_communicator){.size = sizeof(fv_communicator),
                                                   .user = &r->all[i],
                                                   .rank = (size_t)i,
                                                   .ranks = (size_t)ranks,
                                                   .all_gather = all_gather,
                                                   .all_to_all = all_to_all,
                                                   .send = send_one,
                                                   .receive = receive_one,
                                                   .group_all_gather = group_all_gather,
                                                   .start = start,
                                                   .wait = wait_for_first};
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
    tell(r);
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
