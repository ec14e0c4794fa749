/* contents.c - see contents.h. */
#include "backend/lowering/contents.h"

#include <string.h>

#include "ir/base/mapping.h"

enum { ALIGN = 64 }; /* bytes of a cache line, which vectors of constants should not cross */

bool fv_lowering_has(const fv_lowerer *l, const void *data) {
    return fv_arena_has(l->arena, data) || fv_arena_has(l->exprs, data);
}

fv_contents *fv_contents_new(fv_lowerer *l, size_t bytes, fv_contents_maker *make, void *user,
                             bool now) {
    fv_arena *kept = l->host.kept;
    void *room = fv_alloc_aligned(kept, bytes + 1, ALIGN);
    if (!now)
        return fv_contents_later(kept, room, make, user);
    make(user, room);
    return fv_contents_at(kept, room);
}

/* ---- copies of tensors ---- */

typedef struct source {
    fv_session *session;
    fv_elem elem;
    size_t count, bytes;
    const void *data;
} source;

/* bytes of a copy after which the pages that were read are given back */
enum { COPIED_AT_ONCE = 4 << 20 };

/* Copies data that are not aligned to their elements where a mapped file has them. */
static void copy(void *user, void *room) {
    const source *x = user;
    for (size_t at = 0, n; at < x->bytes; at += n) {
        n = x->bytes - at < COPIED_AT_ONCE ? x->bytes - at : COPIED_AT_ONCE;
        memcpy((char *)room + at, (const char *)x->data + at, n);
        fv_mapping_drop(x->session, (const char *)x->data + at, n);
    }
}

/* Gives each element of a packed type a byte of its own. */
static void unpack(void *user, void *room) {
    const source *x = user;
    const int bits = fv_elem_bits(x->elem), per = 8 / bits;
    const uint8_t *from = x->data;
    uint8_t *to = room;
    for (size_t i = 0; i < x->count; i++)
        to[i] =
            (uint8_t)(from[i / (size_t)per] >> (bits * (int)(i % (size_t)per)) & ((1 << bits) - 1));
}

/* Can the consumer read the data of t where they are? */
static bool is_usable(const fv_lowerer *l, const fv_tensor *t) {
    return !fv_elem_is_packed(t->elem) &&
           ((uintptr_t)t->data % (size_t)fv_elem_storage_bytes(t->elem) == 0 ||
            (l->options->weights == FV_WEIGHTS_ANYWHERE && t->bytes >= FV_LARGE_CONSTANT));
}

fv_contents *fv_contents_of(fv_lowerer *l, const fv_tensor *t, size_t *bytes) {
    const bool packed = fv_elem_is_packed(t->elem);
    fv_contents *laid_out = fv_ptrmap_get(&l->added.contents, t);
    FV_HOLDS(l->session, !laid_out || !packed);
    *bytes = packed ? t->count : t->bytes;
    if (laid_out || l->options->weights == FV_WEIGHTS_LEFT_OUT)
        return laid_out;
    if (is_usable(l, t))
        return fv_contents_at(l->host.kept, t->data);
    source *x = FV_NEW(l->host.kept, source, 1);
    *x = (source){l->session, t->elem, t->count, t->bytes, t->data};
    return fv_contents_new(l, *bytes, packed ? unpack : copy, x, fv_lowering_has(l, t->data));
}
