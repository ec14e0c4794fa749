/* weights_file.h - the format of files of weights (--weights=file): a head of 64 bytes, then the
 * constants, each aligned to 64. Writers of such a file and the loader use the same functions.
 *
 * The code of a model contains the first 32 bytes of its file, and a run compares the two, which is
 * enough to detect the file of another compilation. With --replaceable it accepts each file of the
 * same layout. The loader also compares the content with the head. */
#ifndef FV_WEIGHTS_FILE_H
#define FV_WEIGHTS_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { FV_WEIGHTS_HEAD = 64, FV_WEIGHTS_ALIGN = 64 };
#define FV_WEIGHTS_MAGIC UINT64_C(0x0a315448474957f5) /* "\xf5WIGHT1\n" */

/* The beginning of the head, little-endian; the rest of the head is 0. */
typedef struct fv_weights_head {
    uint64_t magic, bytes; /* bytes: size of the file, head included */
    uint64_t id[2];        /* hash of the constants, or of the layout of replaceable ones */
    uint64_t content[2];   /* hash of the constants if `id` is that of the layout; otherwise 0 */
} fv_weights_head;

/* ---- the hash: eight lanes, for speed; it detects accidents, not forgery ---- */

typedef struct fv_weights_hash {
    uint64_t lane[8];
} fv_weights_hash;

static inline void fv_weights_hash_start(fv_weights_hash *h) {
    for (uint64_t i = 0; i < 8; i++)
        h->lane[i] = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

/* `bytes`: a multiple of 64. */
static inline void fv_weights_hash_add(fv_weights_hash *h, const void *data, size_t bytes) {
    for (const unsigned char *p = data, *end = p + bytes; p < end; p += 64) {
        uint64_t word[8];
        memcpy(word, p, sizeof word);
        for (int i = 0; i < 8; i++) {
            uint64_t x = (h->lane[i] ^ word[i]) * UINT64_C(0xff51afd7ed558ccd);
            h->lane[i] = x ^ x >> 32;
        }
    }
}

static inline void fv_weights_hash_end(const fv_weights_hash *h, uint64_t id[2]) {
    id[0] = id[1] = UINT64_C(0xc2b2ae3d27d4eb4f);
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 2; k++) {
            id[k] = (id[k] ^ (h->lane[i] + (uint64_t)k * i)) * UINT64_C(0xc4ceb9fe1a85ec53);
            id[k] ^= id[k] >> 29;
        }
}

/* ---- opening ---- */

/* A file of at most this size is read completely when it is opened, which takes milliseconds. */
#define FV_WEIGHTS_READ_WHOLE ((size_t)256 << 20)

/* What is wrong with a file of weights in memory at an address aligned to 8; NULL: nothing.
 * `whole`: whether its content is checked too, for which all of it is read. */
static inline const char *fv_weights_fault(const void *file, size_t bytes, int whole) {
    fv_weights_head head = {0};
    fv_weights_hash hash;
    uint64_t id[2];
    if (bytes >= sizeof head)
        memcpy(&head, file, sizeof head);
    if (head.magic != FV_WEIGHTS_MAGIC)
        return "it is no file of weights";
    if (bytes < FV_WEIGHTS_HEAD || head.bytes != bytes || bytes % FV_WEIGHTS_ALIGN)
        return "it is truncated, or has grown";
    if (!whole)
        return NULL;
    fv_weights_hash_start(&hash);
    fv_weights_hash_add(&hash, (const char *)file + FV_WEIGHTS_HEAD, bytes - FV_WEIGHTS_HEAD);
    fv_weights_hash_end(&hash, id);
    const uint64_t *expected = head.content[0] | head.content[1] ? head.content : head.id;
    return id[0] == expected[0] && id[1] == expected[1] ? NULL : "its content has changed";
}

#endif
