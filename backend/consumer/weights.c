/* weights.c - writes the constants of a program as one block of bytes, and as a file. */
#include "backend/consumer/weights.h"

#include <errno.h>
#include <string.h>

#include "ir/kernel/program_print.h"

static const char *const names[] = {"object", "file", "incbin", "text", NULL};

const char *const *fv_weights_names(void) {
    return names;
}

fv_weights_kind fv_weights_by_name(const char *name) {
    for (int i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return (fv_weights_kind)(FV_WEIGHTS_OBJECT + i);
    return FV_WEIGHTS_AUTO;
}

/* ---- offsets ---- */

size_t fv_weights_at(const fv_program *p, int constant) {
    size_t at = 0;
    for (int i = 0; i < constant; i++) {
        if (!fv_add_size(at, p->memory.constants[i].bytes, &at) ||
            !fv_add_size(at, FV_WEIGHTS_ALIGN - 1, &at))
            return SIZE_MAX;
        at -= at % FV_WEIGHTS_ALIGN;
    }
    return at;
}

size_t fv_weights_bytes(const fv_program *p) {
    return fv_weights_at(p, p->memory.nconstants);
}

/* largest size of linked weights: 2 GiB, without some space for code and other data */
#define MOST_LINKED (((size_t)1 << 31) - ((size_t)1 << 27))

bool fv_weights_can_be_linked(fv_session *s, const fv_program *p, const char *path) {
    size_t bytes = fv_weights_bytes(p);
    return bytes <= MOST_LINKED || fv_error(s,
                                            "%s: %zu bytes of weights do not fit next to code, "
                                            "which reaches 2 GiB; --weights=file keeps "
                                            "them in a file that is mapped",
                                            path, bytes);
}

/* ---- bytes ---- */

static const unsigned char zeros[FV_WEIGHTS_ALIGN];

static size_t padding(size_t bytes) {
    return (FV_WEIGHTS_ALIGN - bytes % FV_WEIGHTS_ALIGN) % FV_WEIGHTS_ALIGN;
}

static void hash_constant(fv_weights_hash *h, const fv_constant *c) {
    unsigned char last[FV_WEIGHTS_ALIGN] = {0};
    size_t rest = c->bytes % FV_WEIGHTS_ALIGN;
    fv_weights_hash_add(h, fv_constant_data(c), c->bytes - rest);
    if (!rest)
        return;
    memcpy(last, (const char *)fv_constant_data(c) + (c->bytes - rest), rest);
    fv_weights_hash_add(h, last, sizeof last);
}

fv_weights_head fv_weights_head_of(const fv_program *p) {
    fv_weights_head head = {.magic = FV_WEIGHTS_MAGIC,
                            .bytes = FV_WEIGHTS_HEAD + fv_weights_bytes(p)};
    fv_weights_hash hash;
    fv_weights_hash_start(&hash);
    for (int i = 0; i < p->memory.nconstants; i++)
        if (p->memory.constants[i].bytes)
            hash_constant(&hash, &p->memory.constants[i]);
    fv_weights_hash_end(&hash, p->memory.is_replaceable ? head.content : head.id);
    if (p->memory.is_replaceable)
        memcpy(head.id, p->memory.layout, sizeof head.id);
    return head;
}

const char *fv_weights_bind_layout(fv_arena *a, fv_program *p) {
    fv_text t = {.arena = a};
    fv_weights_hash hash;
    fv_program_print_layout(&t, p);
    size_t rest = padding(t.n);
    const char *text = fv_strndup(a, t.s, t.n);
    fv_text_putn(&t, (const char *)zeros, rest);
    fv_weights_hash_start(&hash);
    fv_weights_hash_add(&hash, t.s, t.n);
    fv_weights_hash_end(&hash, p->memory.layout);
    p->memory.is_replaceable = true;
    return text;
}

static bool put(const void *data, size_t bytes, FILE *f) {
    errno = 0;
    if (!bytes || fwrite(data, 1, bytes, f) == bytes)
        return true;
    errno = errno ? errno : EIO;
    return false;
}

bool fv_weights_put(const fv_program *p, FILE *f) {
    for (int i = 0; i < p->memory.nconstants; i++) {
        const fv_constant *c = &p->memory.constants[i];
        if (!put(fv_constant_data(c), c->bytes, f) || !put(zeros, padding(c->bytes), f))
            return false;
    }
    return true;
}

bool fv_weights_put_file(const fv_program *p, FILE *f) {
    fv_weights_head head = fv_weights_head_of(p);
    return put(&head, sizeof head, f) && put(zeros, FV_WEIGHTS_HEAD - sizeof head, f) &&
           fv_weights_put(p, f);
}
