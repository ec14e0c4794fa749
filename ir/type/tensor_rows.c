/* tensor_rows.c - large tensors, of which no copies are made in memory: writing them, and parts of
 * them. */
#include "ir/base/mapping.h"
#include "ir/type/tensor.h"

/* The most bytes that are read from a mapped file before they leave the memory. */
enum { BLOCK = 16 << 20 };

static fv_tensor_rows rows_of(const fv_tensor *t) {
    return t->rows ? *t->rows : (fv_tensor_rows){t->data, 1, t->bytes, t->bytes};
}

/* ---- writing ---- */

/* Writes bytes that are whole units of a swap. */
static bool write_swapped(const unsigned char *from, size_t n, size_t unit, FILE *f) {
    unsigned char swapped[4096];
    for (size_t piece; n; from += piece, n -= piece) {
        piece = n < sizeof swapped ? n : sizeof swapped;
        fv_copy_units(swapped, from, piece / unit, unit, true);
        if (fwrite(swapped, 1, piece, f) != piece)
            return false;
    }
    return true;
}

static bool write_bytes(const fv_tensor *t, const void *from, size_t n, FILE *f) {
    return fv_host_is_big_endian() ? write_swapped(from, n, fv_elem_unit(t->elem), f)
                                   : fwrite(from, 1, n, f) == n;
}

/* Writes a row in blocks, each of which leaves the memory. */
static bool write_row(fv_session *s, const fv_tensor *t, const char *from, size_t n, FILE *f) {
    for (size_t piece; n; from += piece, n -= piece) {
        piece = n < BLOCK ? n : BLOCK;
        if (!write_bytes(t, from, piece, f))
            return false;
        if (s && t->bytes >= BLOCK)
            fv_mapping_drop(s, from, piece);
    }
    return true;
}

bool fv_tensor_write_bytes(fv_session *s, const fv_tensor *t, FILE *f) {
    const fv_tensor_rows r = rows_of(t);
    const char *begin = r.first, *from = begin;
    for (size_t i = 0; i < r.n; i++, from += r.stride) {
        if (!write_row(s, t, from, r.bytes, f))
            return false;
        if (s && t->rows && (size_t)(from - begin) >= BLOCK) {
            fv_mapping_drop(s, begin, (size_t)(from - begin));
            begin = from;
        }
    }
    if (s && t->rows && r.n)
        fv_mapping_drop(s, begin, (size_t)(from - r.stride + r.bytes - begin));
    return true;
}

/* ---- parts ---- */

bool fv_tensor_part_rows(const fv_tensor *t, size_t n, size_t block, size_t begin, size_t bytes,
                         fv_tensor_rows *out) {
    const fv_tensor_rows r = rows_of(t);
    const char *first = r.first;
    if (!t->rows)
        *out = (fv_tensor_rows){first + begin, n, bytes, block};
    else if (block == r.bytes) /* of each row a piece */
        *out = (fv_tensor_rows){first + begin, n, bytes, r.stride};
    else if (n == 1 && begin % r.bytes == 0 && bytes % r.bytes == 0) /* some rows */
        *out = (fv_tensor_rows){first + begin / r.bytes * r.stride, bytes / r.bytes, r.bytes,
                                r.stride};
    else
        return false;
    return true;
}
