/* pack.h - writes numbers and texts as a sequence of bytes, for files that only the machine that
 * wrote them reads. */
#ifndef FV_DRIVER_PACK_H
#define FV_DRIVER_PACK_H

#include <string.h>

#include "ir/base/arena.h"
#include "ir/base/text.h"

static inline void fv_pack_number(fv_text *t, uint64_t v) {
    fv_text_putn(t, (const char *)&v, sizeof v);
}

/* Appends n bytes; data NULL is distinguished from an empty block. */
static inline void fv_pack_bytes(fv_text *t, const void *data, size_t n) {
    fv_pack_number(t, data ? n : UINT64_MAX);
    if (data)
        fv_text_putn(t, data, n);
}

static inline void fv_pack_text(fv_text *t, const char *s) {
    fv_pack_bytes(t, s, s ? strlen(s) : 0);
}

/* The state of reading packed data. A read beyond the end gives 0 or NULL, and sets `bad`. */
typedef struct fv_unpack {
    fv_arena *arena;
    const char *at, *end;
    bool bad;
} fv_unpack;

static inline const char *fv_unpack_raw(fv_unpack *u, uint64_t n) {
    const char *at = u->at;
    if (u->bad || n > (uint64_t)(u->end - at)) {
        u->bad = true;
        return NULL;
    }
    u->at += n;
    return at;
}

static inline uint64_t fv_unpack_number(fv_unpack *u) {
    uint64_t v = 0;
    const char *at = fv_unpack_raw(u, sizeof v);
    if (at)
        memcpy(&v, at, sizeof v);
    return v;
}

static inline const char *fv_unpack_text(fv_unpack *u) {
    uint64_t n = fv_unpack_number(u);
    if (u->bad || n == UINT64_MAX)
        return NULL;
    const char *at = fv_unpack_raw(u, n);
    return at ? fv_strndup(u->arena, at, n) : NULL;
}

#endif
