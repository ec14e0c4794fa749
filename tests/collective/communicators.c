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

void pipes_free(pipes *p) {
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->n; j++)
            if (i != j)
                close(p->end[i][j]);
    free(p);
}

static int send_all(int to, const char *from, size_t n) {
    for (ssize_t done; n; from += done, n -= (size_t)done)
        if ((done = write(to, from, n)) <= 0)
            return 1;
    return 0;
}

static int receive_all(int from, char *to, size_t n) {
    for (ssize_t done; n; to += done, n -= (size_t)done)
        if ((done = read(from, to, n)) <= 0)
            return 1;
    return 0;
}

/* Sends part j of `send`, which begins at j * distance, to rank j. Messages of the tests are
 * smaller than the buffers of sockets, so sending does not wait for the receiver. */
static int exchange(const pipes *p, const char *send, size_t distance, char *receive, size_t n) {
    int failed = 0, me = p->rank;
    for (int j = 0; j < p->n && !failed; j++)
        if (j != me)
            failed = send_all(p->end[me][j], send + (size_t)j * distance, n);
    memcpy(receive + (size_t)me * n, send + (size_t)me * distance, n);
    for (int j = 0; j < p->n && !failed; j++)
        if (j != me)
            failed = receive_all(p->end[me][j], receive + (size_t)j * n, n);
    return failed;
}

static int all_gather(void *user, const void *send, void *receive, size_t bytes) {
    return exchange(user, send, 0, receive, bytes);
}

static int all_to_all(void *user, const void *send, void *receive, size_t bytes) {
    return exchange(user, send, bytes, receive, bytes);
}

const fv_communicator *pipes_communicator(pipes *p, int rank) {
    p->rank = rank;
    p->communicator = (fv_communicator){.size = sizeof p->communicator,
                                        .user = p,
                                        .rank = (size_t)rank,
                                        .ranks = (size_t)p->n,
                                        .all_gather = all_gather,
                                        .all_to_all = all_to_all};
    return &p->communicator;
}
