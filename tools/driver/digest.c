/* digest.c - see digest.h. */
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/llvm/load.h"
#include "ir/base/text.h"

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
    for (int i = 0; i < FV_DIGEST_NAME / 2; i++)
        fv_text_printf(&t, "%02x", d->byte[i]);
    return t.s;
}

bool fv_digest_equal(const fv_digest *a, const fv_digest *b) {
    return !memcmp(a->byte, b->byte, sizeof a->byte);
}

/* ---- in the background ---- */

struct fv_hashing {
    const char *path;
    atomic_bool stop; /* set when the hash is not needed any more */
    bool threaded, done, ok;
    pthread_t thread;
    llvm_blake3_hasher hasher;
    struct stat state;
};

/* Hashes an open file. Reading is faster than mapping for this, and leaves no pages in this
 * process's memory. */
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
    h->ok = hash_path(h);
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

fv_hashing *fv_hash_file(fv_arena *a, const char *path) {
    struct stat st;
    fv_hashing *h = FV_NEW(a, fv_hashing, 1);
    h->path = fv_strdup(a, path);
    llvm_blake3_hasher_init(&h->hasher);
    fv_arena_at_free(a, give_up, h);
    h->threaded = stat(path, &st) == 0 && st.st_size > LARGE &&
                  pthread_create(&h->thread, NULL, work, h) == 0;
    return h;
}

bool fv_hash_wait(fv_hashing *h, fv_digest *out, struct stat *state) {
    finish(h);
    llvm_blake3_hasher_finalize(&h->hasher, out->byte, sizeof out->byte);
    if (state)
        *state = h->state;
    return h->ok;
}
