/* communicators.c - the communicator of pipes.h: an example of how little one must do. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/collective/pipes.h"

enum { MOST = 8 };

struct pipes {
    int n, rank;
    int end[MOST][MOST]; /* [i][j]: the end of rank i of its connection with rank j */
    fv_communicator communicator;
};

pipes *pipes_new(int ranks) {
    pipes *p = calloc(1, sizeof *p);
    cr_assert(p && ranks <= MOST);
    p->n = ranks;
    for (int i = 0; i < ranks; i++)
        for (int j = 0; j < i; j++) {
            int pair[2];
            cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
            p->end[i][j] = pair[0];
            p->end[j][i] = pair[1];
        }
    return p;
}

static void close_ends(pipes *p, int i) {
    for (int j = 0; j < p->n; j++) {
        if (i != j && p->end[i][j] >= 0)
            close(p->end[i][j]);
        p->end[i][j] = -1;
    }
}

void pipes_free(pipes *p) {
    for (int i = 0; i < p->n; i++)
        close_ends(p, i);
    free(p);
}

/* Fails, and raises no signal, if the process of the other end has ended. */
static int send_all(int to, const char *from, size_t n) {
    for (ssize_t done; n; from += done, n -= (size_t)done)
        if ((done = send(to, from, n, MSG_NOSIGNAL)) <= 0)
            return 1;
    return 0;
}

static int receive_all(int from, char *to, size_t n) {
    for (ssize_t done; n; to += done, n -= (size_t)done)
        if ((done = read(from, to, n)) <= 0)
            return 1;
    return 0;
}

/* Sends part j of `send`, which begins at j * distance, to rank first + j, for all `ranks` ranks of
 * a group. Messages of the tests are smaller than the buffers of sockets, so sending does not wait
 * for the receiver. */
static int exchange(const pipes *p, int first, int ranks, const char *send, size_t distance,
                    char *receive, size_t n) {
    int failed = 0, me = p->rank - first;
    const int *ends = p->end[p->rank] + first;
    for (int j = 0; j < ranks && !failed; j++)
        if (j != me)
            failed = send_all(ends[j], send + (size_t)j * distance, n);
    memcpy(receive + (size_t)me * n, send + (size_t)me * distance, n);
    for (int j = 0; j < ranks && !failed; j++)
        if (j != me)
            failed = receive_all(ends[j], receive + (size_t)j * n, n);
    return failed;
}

static int all_gather(void *user, const void *send, void *receive, size_t bytes) {
    const pipes *p = user;
    return exchange(p, 0, p->n, send, 0, receive, bytes);
}

static int all_to_all(void *user, const void *send, void *receive, size_t bytes) {
    const pipes *p = user;
    return exchange(p, 0, p->n, send, bytes, receive, bytes);
}

static int send_one(void *user, size_t to, const void *data, size_t bytes) {
    const pipes *p = user;
    return send_all(p->end[p->rank][to], data, bytes);
}

static int receive_one(void *user, size_t from, void *data, size_t bytes) {
    const pipes *p = user;
    return receive_all(p->end[p->rank][from], data, bytes);
}

static int group_all_gather(void *user, size_t first, size_t n, const void *send, void *receive,
                            size_t bytes) {
    return exchange(user, (int)first, (int)n, send, 0, receive, bytes);
}

const fv_communicator *pipes_communicator(pipes *p, int rank) {
    for (int i = 0; i < p->n; i++) /* so that those of a process that ends are closed everywhere */
        if (i != rank)
            close_ends(p, i);
    p->rank = rank;
    p->communicator = (fv_communicator){.size = sizeof p->communicator,
                                        .user = p,
                                        .rank = (size_t)rank,
                                        .ranks = (size_t)p->n,
                                        .all_gather = all_gather,
                                        .all_to_all = all_to_all,
                                        .send = send_one,
                                        .receive = receive_one,
                                        .group_all_gather = group_all_gather};
    return &p->communicator;
}
