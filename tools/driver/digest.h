/* digest.h - BLAKE3 hashes of memory and files, by the implementation that is part of LLVM. BLAKE3
 * is cryptographic, so nobody can make a model whose key is that of another, and hashes some 5 GB/s
 * per core. */
#ifndef FV_DRIVER_DIGEST_H
#define FV_DRIVER_DIGEST_H

#include <sys/stat.h>

#include "ir/base/arena.h"

typedef struct fv_digest {
    unsigned char byte[32];
} fv_digest;

fv_digest fv_digest_of(const void *data, size_t bytes);
enum { FV_DIGEST_NAME = 40 }; /* number of hexadecimal digits in a name */
/* The first 20 bytes as hexadecimal digits, which are used as file name. */
const char *fv_digest_name(fv_arena *a, const fv_digest *d);
bool fv_digest_equal(const fv_digest *a, const fv_digest *b) FV_MUST_USE;

/* Begins to hash a file: a large file on a thread of its own, which has ended when fv_hash_wait
 * returns or the arena is freed; a small one is hashed by fv_hash_wait. */
typedef struct fv_hashing fv_hashing;
fv_hashing *fv_hash_file(fv_arena *a, const char *path);
/* Waits for the hash. state, unless NULL, is set to the state of the file that was read. False: the
 * file could not be read. */
bool fv_hash_wait(fv_hashing *h, fv_digest *out, struct stat *state) FV_MUST_USE;

#endif
