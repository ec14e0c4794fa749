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

/* Begins an exchange. False: an earlier one has failed. */
static int begin(fv_mpi *m) {
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
                                        .group_all_gather = group_all_gather};
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
    free(m->peers);
    free(m);
}
