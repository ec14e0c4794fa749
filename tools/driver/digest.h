/* digest.h - BLAKE3 of memory and files: the one that LLVM brings along. It is cryptographic, so nobody
 * can make a model whose key is that of another, and hashes some 5 GB/s a core. */
#ifndef FV_DRIVER_DIGEST_H
#define FV_DRIVER_DIGEST_H

#include <sys/stat.h>

#include "ir/arena.h"

typedef struct fv_digest {
    unsigned char byte[32];
} fv_digest;

typedef struct fv_piece {
    const void *data;
    size_t bytes;
} fv_piece;

fv_digest fv_digest_of(const void *data, size_t bytes);
/* The first 20 bytes as hex: what files are called. */
const char *fv_digest_name(fv_arena *a, const fv_digest *d);
bool fv_digest_equal(const fv_digest *a, const fv_digest *b);

/* Hashing that goes on while others work: on a thread of its own where it is much. The thread has ended
 * when fv_hash_wait returns, or when the arena is freed. */
typedef struct fv_hashing fv_hashing;
/* The content of a file. */
fv_hashing *fv_hash_file(fv_arena *a, const char *path);
/* Pieces of memory in a row. The array and the memory must stay; pages of files that are mapped into the
 * session are given back on the way, and it must map and unmap none. */
fv_hashing *fv_hash_memory(fv_arena *a, const fv_piece *pieces, int n);
/* state  NULL, or of the file that was read. False: it could not be read. */
bool fv_hash_wait(fv_hashing *h, fv_digest *out, struct stat *state);

#endif
