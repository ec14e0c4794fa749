/* digest.c - see digest.h. */
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <llvm-c/blake3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ir/mapping.h"

enum { BLOCK = 1 << 20, LARGE = 1 << 20 };

fv_digest fv_digest_of(const void *data, size_t bytes) {
    fv_digest d;
    llvm_blake3_hasher h;
    llvm_blake3_hasher_init(&h);
    llvm_blake3_hasher_update(&h, data, bytes);
    llvm_blake3_hasher_finalize(&h, d.byte, sizeof d.byte);
    return d;
}

const char *fv_digest_name(fv_arena *a, const fv_digest *d) {
    fv_text t = {.arena = a};
    for (int i = 0; i < 20; i++)
        fv_text_printf(&t, "%02x", d->byte[i]);
    return t.s;
}

bool fv_digest_equal(const fv_digest *a, const fv_digest *b) {
    return !memcmp(a->byte, b->byte, sizeof a->byte);
}

/* ---- in the background ---- */

struct fv_hashing {
    const char *path; /* NULL: pieces */
    fv_session *session; /* only its mappings, which nobody changes meanwhile */
    const fv_piece *pieces;
    int npieces;
    atomic_bool stop; /* nobody wants to know any more */
    bool threaded, done, ok;
    pthread_t thread;
    llvm_blake3_hasher hasher;
    struct stat state;
};

static bool hash_pieces(fv_hashing *h) {
    for (int i = 0; i < h->npieces; i++) {
        const char *at = h->pieces[i].data;
        size_t left = h->pieces[i].bytes;
        for (size_t n; left && !h->stop; at += n, left -= n) {
            n = left < BLOCK ? left : BLOCK;
            llvm_blake3_hasher_update(&h->hasher, at, n);
            if (h->pieces[i].bytes > LARGE)
                fv_mapping_drop(h->session, at, n);
        }
    }
    return true;
}

/* Read and not mapped: that is faster, and what was read is nobody's resident memory. */
static bool hash_descriptor(fv_hashing *h, int fd, char *block) {
    ssize_t n;
    if (fstat(fd, &h->state) || !S_ISREG(h->state.st_mode))
        return false;
    while (!h->stop && (n = read(fd, block, BLOCK)) != 0) {
        if (n > 0)
            llvm_blake3_hasher_update(&h->hasher, block, (size_t)n);
        else if (errno != EINTR)
            return false;
    }
    return !h->stop;
}

static bool hash_path(fv_hashing *h) {
    char *block = malloc(BLOCK);
    int fd = block ? open(h->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    bool ok = fd >= 0 && hash_descriptor(h, fd, block);
    if (fd >= 0)
        close(fd);
    free(block);
    return ok;
}

static void *work(void *arg) {
    fv_hashing *h = arg;
    h->ok = h->path ? hash_path(h) : hash_pieces(h);
    return NULL;
}

static void finish(fv_hashing *h) {
    if (h->threaded)
        pthread_join(h->thread, NULL);
    else if (!h->done && !h->stop)
        work(h);
    h->threaded = false;
    h->done = true;
}

static void give_up(void *arg) {
    fv_hashing *h = arg;
    h->stop = true;
    finish(h);
}

static fv_hashing *begin(fv_arena *a, const char *path, const fv_piece *pieces, int n, bool large) {
    fv_hashing *h = FV_NEW(a, fv_hashing, 1);
    h->path = path;
    h->session = fv_arena_session(a);
    h->pieces = pieces;
    h->npieces = n;
    llvm_blake3_hasher_init(&h->hasher);
    fv_arena_at_free(a, give_up, h);
    h->threaded = large && pthread_create(&h->thread, NULL, work, h) == 0;
    return h;
}

fv_hashing *fv_hash_file(fv_arena *a, const char *path) {
    struct stat st;
    bool large = stat(path, &st) == 0 && st.st_size > LARGE;
    return begin(a, fv_strdup(a, path), NULL, 0, large);
}

fv_hashing *fv_hash_memory(fv_arena *a, const fv_piece *pieces, int n) {
    size_t bytes = 0;
    for (int i = 0; i < n; i++)
        bytes += pieces[i].bytes;
    return begin(a, NULL, pieces, n, bytes > LARGE);
}

bool fv_hash_wait(fv_hashing *h, fv_digest *out, struct stat *state) {
    finish(h);
    llvm_blake3_hasher_finalize(&h->hasher, out->byte, sizeof out->byte);
    if (state)
        *state = h->state;
    return h->ok;
}
