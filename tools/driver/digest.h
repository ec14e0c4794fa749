/* digest.h - BLAKE3 of memory and files: the one that LLVM brings along. It is cryptographic, so
 * nobody can make a model whose key is that of another, and hashes some 5 GB/s a core. */
#ifndef FV_DRIVER_DIGEST_H
#define FV_DRIVER_DIGEST_H

#include <sys/stat.h>

#include "ir/base/arena.h"

typedef struct fv_digest {
    unsigned char byte[32];
} fv_digest;

fv_digest fv_digest_of(const void *data, size_t bytes);
enum { FV_DIGEST_NAME = 40 }; /* characters */
/* The first 20 bytes as hex: what files are called. */
const char *fv_digest_name(fv_arena *a, const fv_digest *d);
bool fv_digest_equal(const fv_digest *a, const fv_digest *b) FV_MUST_USE;

/* Hashing a file while others work: on a thread of its own where it is large. The thread has ended
 * when fv_hash_wait returns, or when the arena is freed. */
typedef struct fv_hashing fv_hashing;
fv_hashing *fv_hash_file(fv_arena *a, const char *path);
/* state  NULL, or of the file that was read. False: it could not be read. */
bool fv_hash_wait(fv_hashing *h, fv_digest *out, struct stat *state) FV_MUST_USE;

#endif
