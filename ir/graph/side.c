/* side.c - maps side files. They must be in one folder and have plain names, so that a text cannot
 * refer to files elsewhere. */
#include "ir/graph/side.h"

#include <fcntl.h>
#include <string.h>

#include "ir/base/mapping.h"

typedef struct fv_side_file {
    struct fv_side_file *next;
    const char *name;
    const fv_mapping *mapping;
} side_file;

static bool plain_name(const char *name) {
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static side_file *find_file(fv_side *s, const char *name, const char **error) {
    for (side_file *f = s->files; f; f = f->next)
        if (strcmp(f->name, name) == 0)
            return f;
    if (!plain_name(name)) {
        *error = fv_printf(s->arena,
                           "the name '%s' is not that of a file in the folder of the text", name);
        return NULL;
    }
    if (!s->folder) {
        *error = "this text has no folder with side files";
        return NULL;
    }
    const char *path = fv_printf(s->arena, "%s/%s", s->folder, name);
    side_file *f = FV_NEW(s->arena, side_file, 1);
    f->name = fv_strdup(s->arena, name);
    f->mapping = fv_map_file(fv_arena_session(s->arena), s->arena, path, O_NOFOLLOW, error);
    if (!f->mapping)
        return NULL;
    if (f->mapping->stat.st_nlink > 1) {
        *error = fv_printf(
            s->arena, "the file '%s' has other hard links, which may be anywhere; copy it", path);
        return NULL;
    }
    f->next = s->files;
    s->files = f;
    return f;
}

/* Converts data from a side file, which is little-endian, to the order of this machine. */
static const void *in_host_order(fv_arena *a, const fv_tensor *t, const char *bytes) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    size_t bits = (size_t)fv_elem_bits(t->elem), complex = t->elem == FV_C64 || t->elem == FV_C128;
    size_t word = (complex ? bits / 2 : bits) / 8;
    char *swapped = word > 1 ? fv_alloc(a, t->bytes, 1) : NULL;
    for (size_t i = 0; swapped && i < t->bytes; i++)
        swapped[i] = bytes[i / word * word + word - 1 - i % word];
    if (swapped)
        return swapped;
#endif
    (void)a;
    (void)t;
    return bytes;
}

bool fv_side_read(fv_side *s, fv_tensor *t, const char *name, int64_t offset, const char **error) {
    side_file *f = find_file(s, name, error);
    if (!f)
        return false;
    if (offset < 0 || (uint64_t)offset > f->mapping->size ||
        t->bytes > f->mapping->size - (size_t)offset) {
        *error = fv_printf(s->arena, "%zu bytes at offset %lld are outside the file '%s' of %zu",
                           t->bytes, (long long)offset, name, f->mapping->size);
        return false;
    }
    const char *bytes = f->mapping->start ? (const char *)f->mapping->start + offset : "";
    /* kernels rely on constants being aligned to 16 bytes, so copy it */
    if ((uintptr_t)bytes % 16) {
        char *copy = fv_alloc_aligned(s->arena, t->bytes, 64);
        memcpy(copy, bytes, t->bytes);
        bytes = copy;
    }
    t->data = in_host_order(s->arena, t, bytes);
    return true;
}
