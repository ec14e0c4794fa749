/* mpi.c - a communicator of MPI processes. Each rank sends its data to each other one directly, and
 * receives what has arrived, so it knows which ranks are late, and compares the size of what they
 * send with what it expects. MPI keeps the order of messages between two ranks, which is that of
 * the exchanges to which both belong, so the next message of a rank belongs to the current one. */
#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fovea_mpi.h"
#include "rank_limits.h"

enum { MESSAGE = 1 << 30 }; /* bytes of a message: MPI counts them in an int */

typedef enum { ALL_GATHER, ALL_TO_ALL, SEND } exchange;

static const char *const exchange_names[] = {"all_gather", "all_to_all", "send"};
static const char *const what_is_expected[] = {"an all_gather", "an all_to_all", "a receive"};

/* The ranks of an exchange. */
typedef struct group {
    int first, n;
} group;

static int end_of(group g) {
    return g.first + g.n;
}

typedef struct peer {
    size_t received; /* bytes */
    int messages;    /* how many messages have been received in this exchange */
} peer;

/* An exchange that was started, and is not complete: what was sent is on its way, and what is
 * received is taken from MPI when it is waited for. */
typedef struct started {
    exchange kind;
    group in;
    char *receive;
    size_t bytes, step;
    MPI_Request *requests; /* of what is sent; NULL: nothing is */
} started;

struct fv_mpi {
    fv_communicator communicator;
    MPI_Comm all;
    double timeout;
    int initialized; /* whether fv_mpi_open has initialized MPI */
    int connected;   /* whether `all` is a communicator, which is to be freed */
    size_t steps;
    int failed;
    char why[200];
    peer *peers;
    started *started; /* exchanges that are not complete, the first one first */
    int nstarted, cap_started;
    int complete; /* how many before these are complete, and were not waited for */
};

/* ---- sending ---- */

static int messages_of(size_t bytes) {
    return bytes ? (int)((bytes + MESSAGE - 1) / MESSAGE) : 1;
}

static int message_bytes(size_t bytes, size_t done) {
    return bytes - done < MESSAGE ? (int)(bytes - done) : MESSAGE;
}

/* Begins to send part j, which begins at j * distance, to each other rank, the j-th of the group.
 * NULL: no memory, or MPI failed. */
static MPI_Request *send_all(fv_mpi *m, exchange kind, group to, const char *send, size_t distance,
                             size_t bytes) {
    int n = messages_of(bytes), ok = 1;
    MPI_Request *all = malloc((size_t)(to.n * n) * sizeof *all);
    for (int j = 0; all && j < to.n; j++)
        for (int k = 0; k < n; k++) {
            size_t done = (size_t)k * MESSAGE;
            const char *from = bytes ? send + (size_t)j * distance + done : NULL;
            all[j * n + k] = MPI_REQUEST_NULL;
            if (to.first + j != (int)m->communicator.rank)
                ok &= MPI_Isend(from, message_bytes(bytes, done), MPI_BYTE, to.first + j, (int)kind,
                                m->all, &all[j * n + k]) == MPI_SUCCESS;
        }
    if (ok)
        return all;
    free(all);
    return NULL;
}

/* ---- receiving ---- */

static int fail_different(fv_mpi *m, int j, exchange kind, size_t bytes, int tag, int count) {
    int known = tag == ALL_GATHER || tag == ALL_TO_ALL || tag == SEND;
    snprintf(m->why, sizeof m->why,
             "step %zu: rank %zu has %s of %zu bytes, rank %d sends %d bytes of %s: the parts or "
             "their inputs differ",
             m->steps, m->communicator.rank, what_is_expected[kind], bytes, j, count,
             known ? exchange_names[tag] : "something else");
    return -1;
}

/* Receives the next message of rank j into what `receive` has room for, if it has arrived: 1; 0: it
 * has not; -1: a failure. */
static int receive_one(fv_mpi *m, int j, exchange kind, char *receive, size_t bytes) {
    peer *p = &m->peers[j];
    MPI_Message message;
    MPI_Status status;
    int there, count;
    if (MPI_Improbe(j, MPI_ANY_TAG, m->all, &there, &message, &status) != MPI_SUCCESS)
        return -1;
    if (!there)
        return 0;
    if (MPI_Get_count(&status, MPI_BYTE, &count) != MPI_SUCCESS)
        return -1;
    if (status.MPI_TAG != (int)kind || count != message_bytes(bytes, p->received))
        return fail_different(m, j, kind, bytes, status.MPI_TAG, count);
    char *to = bytes ? receive + p->received : NULL;
    if (MPI_Mrecv(to, count, MPI_BYTE, &message, MPI_STATUS_IGNORE) != MPI_SUCCESS)
        return -1;
    p->received += (size_t)count;
    p->messages++;
    return 1;
}

static int is_late(const fv_mpi *m, double since) {
    sched_yield();
    return MPI_Wtime() - since > m->timeout;
}

static int fail_late(fv_mpi *m, int j, const char *what) {
    snprintf(m->why, sizeof m->why, "step %zu: rank %zu has waited %g s for rank %d%s", m->steps,
             m->communicator.rank, m->timeout, j, what);
    return 1;
}

/* Receives from all other ranks of the group, in the order in which messages arrive. */
static int receive_all(fv_mpi *m, exchange kind, group from, char *receive, size_t bytes) {
    double since = MPI_Wtime();
    for (;;) {
        int missing = -1, progress = 0;
        for (int j = from.first; j < end_of(from); j++) {
            if (j == (int)m->communicator.rank || m->peers[j].messages == messages_of(bytes))
                continue;
            char *part = bytes ? receive + (size_t)(j - from.first) * bytes : NULL;
            int got = receive_one(m, j, kind, part, bytes);
            if (got < 0)
                return 1;
            progress |= got;
            missing = m->peers[j].messages < messages_of(bytes) ? j : missing;
        }
        if (missing < 0)
            return 0;
        since = progress ? MPI_Wtime() : since;
        if (is_late(m, since))
            return fail_late(m, missing, "");
    }
}

/* Waits until all messages have left, after which what was sent may change. */
static int finish_sending(fv_mpi *m, group to, MPI_Request *all, int n) {
    double since = MPI_Wtime();
    for (;;) {
        int done;
        if (MPI_Testall(n, all, &done, MPI_STATUSES_IGNORE) != MPI_SUCCESS)
            return 1;
        if (done)
            return 0;
        if (is_late(m, since))
            return fail_late(m, to.first + (m->communicator.rank == (size_t)to.first),
                             to.n > 1 ? " or another one to receive" : " to receive");
    }
}

/* ---- the functions of the communicator ---- */

static int complete_started(fv_mpi *m);

/* Begins an exchange, after those that were started are complete: the next message of a rank
 * belongs to the first of them. False: an earlier one has failed. */
static int begin(fv_mpi *m) {
    while (!m->failed && m->nstarted)
        complete_started(m);
    if (m->failed)
        return 0;
    m->steps++;
    memset(m->peers, 0, m->communicator.ranks * sizeof *m->peers);
    return 1;
}

/* Ends an exchange; returns whether it has failed. */
static int end(fv_mpi *m, int failed) {
    m->failed = failed;
    if (failed && !*m->why)
        snprintf(m->why, sizeof m->why, "step %zu: rank %zu: MPI failed", m->steps,
                 m->communicator.rank);
    return failed;
}

static int exchange_all(fv_mpi *m, exchange kind, group in, const char *send, size_t distance,
                        char *receive, size_t bytes) {
    size_t me = m->communicator.rank - (size_t)in.first;
    if (!begin(m))
        return 1;
    if (bytes)
        memcpy(receive + me * bytes, send + me * distance, bytes);
    MPI_Request *requests = send_all(m, kind, in, send, distance, bytes);
    int failed = !requests || receive_all(m, kind, in, receive, bytes) ||
                 finish_sending(m, in, requests, in.n * messages_of(bytes));
    free(requests);
    return end(m, failed);
}

static group all_of(const fv_mpi *m) {
    return (group){0, (int)m->communicator.ranks};
}

static int all_gather(void *user, const void *send, void *receive, size_t bytes) {
    return exchange_all(user, ALL_GATHER, all_of(user), send, 0, receive, bytes);
}

static int all_to_all(void *user, const void *send, void *receive, size_t bytes) {
    return exchange_all(user, ALL_TO_ALL, all_of(user), send, bytes, receive, bytes);
}

/* Fails if there are no such ranks, or if `member` is true and this one is not one of them. */
static int is_no_group(fv_mpi *m, size_t first, size_t n, int member) {
    size_t rank = m->communicator.rank, ranks = m->communicator.ranks;
    int in = rank >= first && rank - first < n;
    if (first < ranks && n <= ranks - first && in == member)
        return 0;
    if (!m->failed)
        snprintf(m->why, sizeof m->why, "rank %zu exchanges data with %zu ranks from rank %zu on",
                 rank, n, first);
    m->failed = 1;
    return 1;
}

static int group_all_gather(void *user, size_t first, size_t n, const void *send, void *receive,
                            size_t bytes) {
    group in = {(int)first, (int)n};
    return is_no_group(user, first, n, 1) ||
           exchange_all(user, ALL_GATHER, in, send, 0, receive, bytes);
}

static int send_one(void *user, size_t to, const void *data, size_t bytes) {
    fv_mpi *m = user;
    group other = {(int)to, 1};
    if (is_no_group(m, to, 1, 0) || !begin(m))
        return 1;
    MPI_Request *requests = send_all(m, SEND, other, data, 0, bytes);
    int failed = !requests || finish_sending(m, other, requests, messages_of(bytes));
    free(requests);
    return end(m, failed);
}

static int receive_from(void *user, size_t from, void *data, size_t bytes) {
    fv_mpi *m = user;
    group other = {(int)from, 1};
    return is_no_group(m, from, 1, 0) || !begin(m) ||
           end(m, receive_all(m, SEND, other, data, bytes));
}

/* ---- exchanges that are started ---- */

/* Completes the first exchange that was started. Messages name its step. */
static int complete_started(fv_mpi *m) {
    started x = m->started[0];
    size_t steps = m->steps;
    m->nstarted--;
    memmove(m->started, m->started + 1, (size_t)m->nstarted * sizeof *m->started);
    m->steps = x.step;
    memset(m->peers, 0, m->communicator.ranks * sizeof *m->peers);
    int only_sends = x.kind == SEND && x.requests;
    int failed = !only_sends && receive_all(m, x.kind, x.in, x.receive, x.bytes);
    if (!failed && x.requests)
        failed = finish_sending(m, x.in, x.requests, x.in.n * messages_of(x.bytes));
    free(x.requests);
    end(m, failed);
    m->steps = failed ? m->steps : steps;
    m->complete += !failed;
    return failed;
}

/* Room for one more exchange; 0: no memory. */
static int make_room(fv_mpi *m) {
    if (m->nstarted < m->cap_started)
        return 1;
    int cap = m->cap_started ? 2 * m->cap_started : 8;
    started *all = realloc(m->started, (size_t)cap * sizeof *all);
    if (!all)
        return 0;
    m->started = all;
    m->cap_started = cap;
    return 1;
}

static int start(void *user, int kind, size_t rank, size_t n, const void *send, void *receive,
                 size_t bytes) {
    static const exchange kinds[] = {ALL_GATHER, ALL_TO_ALL, SEND, SEND, ALL_GATHER};
    fv_mpi *m = user;
    int all = kind == FV_ALL_GATHER || kind == FV_ALL_TO_ALL,
        group_of = kind == FV_GROUP_ALL_GATHER;
    started x = {.kind = kinds[kind],
                 .in = all ? all_of(m) : (group){(int)rank, group_of ? (int)n : 1},
                 .receive = receive,
                 .bytes = bytes};
    if (m->failed || (!all && is_no_group(m, rank, group_of ? n : 1, group_of)))
        return 1;
    if (!make_room(m))
        return end(m, 1);
    size_t distance = kind == FV_ALL_TO_ALL ? bytes : 0, me = m->communicator.rank;
    x.step = ++m->steps;
    if (bytes && kind != FV_SEND && kind != FV_RECEIVE) {
        size_t own = me - (size_t)x.in.first;
        memcpy(x.receive + own * bytes, (const char *)send + own * distance, bytes);
    }
    if (kind != FV_RECEIVE && !(x.requests = send_all(m, x.kind, x.in, send, distance, bytes)))
        return end(m, 1);
    m->started[m->nstarted++] = x;
    return 0;
}

static int wait_for_first(void *user) {
    fv_mpi *m = user;
    if (m->failed || (!m->complete && (!m->nstarted || complete_started(m))))
        return end(m, 1);
    m->complete--;
    return 0;
}

/* ---- opening and closing ---- */

static int initialize(fv_mpi *m) {
    int before, level;
    if (MPI_Initialized(&before) != MPI_SUCCESS)
        return 0;
    if (!before && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level) != MPI_SUCCESS)
        return 0;
    m->initialized = !before;
    m->connected = MPI_Comm_dup(MPI_COMM_WORLD, &m->all) == MPI_SUCCESS;
    return m->connected && MPI_Comm_set_errhandler(m->all, MPI_ERRORS_RETURN) == MPI_SUCCESS;
}

fv_mpi *fv_mpi_open(double timeout) {
    int rank, ranks;
    fv_mpi *m = timeout > 0 && timeout <= FV_MAX_TIMEOUT ? calloc(1, sizeof *m) : NULL;
    if (!m || !initialize(m) || MPI_Comm_rank(m->all, &rank) != MPI_SUCCESS ||
        MPI_Comm_size(m->all, &ranks) != MPI_SUCCESS ||
        !(m->peers = calloc((size_t)ranks, sizeof *m->peers))) {
        fv_mpi_close(m);
        return NULL;
    }
    m->timeout = timeout;
    m->communicator = (fv_communicator){.size = sizeof m->communicator,
                                        .user = m,
                                        .rank = (size_t)rank,
                                        .ranks = (size_t)ranks,
                                        .all_gather = all_gather,
                                        .all_to_all = all_to_all,
                                        .send = send_one,
                                        .receive = receive_from,
                                        .group_all_gather = group_all_gather,
                                        .start = start,
                                        .wait = wait_for_first};
    return m;
}

const fv_communicator *fv_mpi_communicator(const fv_mpi *m) {
    return &m->communicator;
}

const char *fv_mpi_error(const fv_mpi *m) {
    return m->failed ? m->why : NULL;
}

void fv_mpi_abort(fv_mpi *m) {
    MPI_Abort(m->all, 1);
    abort(); /* not reached: MPI_Abort ends the process */
}

void fv_mpi_close(fv_mpi *m) {
    if (!m)
        return;
    if (m->connected)
        MPI_Comm_free(&m->all);
    if (m->initialized)
        MPI_Finalize();
    for (int i = 0; i < m->nstarted; i++) /* of a run that has failed */
        free(m->started[i].requests);
    free(m->started);
    free(m->peers);
    free(m);
}
