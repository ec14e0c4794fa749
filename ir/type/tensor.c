/* tensor.c - contents of tensors: elements of every type. */
#include "ir/type/tensor.h"

#include "ir/base/limits.h"
#include "ir/type/float_bits.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- tensors ---- */

bool fv_tensor_size(fv_elem e, int rank, const int64_t *dims, size_t *count, size_t *bytes) {
    size_t n = 1;
    bool fits = rank >= 0 && rank <= FV_MAX_RANK, empty = false;
    for (int i = 0; fits && i < rank; i++) {
        empty |= dims[i] == 0;
        fits = dims[i] >= 0 && (dims[i] == 0 || fv_mul_size(n, (size_t)dims[i], &n));
    }
    *count = empty ? 0 : n;
    return fits &&
           (e == FV_STRING ? fv_mul_size(*count, sizeof(fv_string), bytes)
                           : fv_elem_bytes(e, *count, bytes)) &&
           *bytes <= SIZE_MAX / 4;
}

fv_tensor *fv_tensor_new(fv_arena *a, fv_elem e, int rank, const int64_t *dims) {
    size_t count, bytes;
    if (!fv_tensor_size(e, rank, dims, &count, &bytes))
        return NULL;
    fv_tensor *t = FV_NEW(a, fv_tensor, 1);
    int64_t *copy = FV_NEW(a, int64_t, rank);
    if (rank)
        memcpy(copy, dims, (size_t)rank * sizeof *dims);
    *t = (fv_tensor){.elem = e, .rank = rank, .dims = copy, .count = count, .bytes = bytes};
    t->data = fv_alloc_aligned(a, bytes, 64);
    return t;
}

/* The bits of element i. */
static uint64_t get_bits(const fv_tensor *t, size_t i) {
    const unsigned char *p = t->data;
    int bits = fv_elem_bits(t->elem);
    uint16_t b16;
    uint32_t b32;
    uint64_t b64;
    assert(i < t->count);
    switch (bits) {
    case 8: return p[i];
    case 16: memcpy(&b16, p + 2 * i, 2); return b16;
    case 32: memcpy(&b32, p + 4 * i, 4); return b32;
    case 64: memcpy(&b64, p + 8 * i, 8); return b64;
    default: break; /* elements of less than a byte are packed from the lowest bits on */
    }
    size_t per_byte = 8 / (size_t)bits;
    return (unsigned)(p[i / per_byte] >> (i % per_byte * (size_t)bits)) & ((1u << bits) - 1);
}

static void set_bits(fv_tensor *t, size_t i, uint64_t v) {
    /* the tensor owns its data, since it was made by fv_tensor_new */
    unsigned char *p = (unsigned char *)(uintptr_t)t->data;
    int bits = fv_elem_bits(t->elem);
    uint16_t b16 = (uint16_t)v;
    uint32_t b32 = (uint32_t)v;
    assert(i < t->count);
    switch (bits) {
    case 8: p[i] = (unsigned char)v; return;
    case 16: memcpy(p + 2 * i, &b16, 2); return;
    case 32: memcpy(p + 4 * i, &b32, 4); return;
    case 64: memcpy(p + 8 * i, &v, 8); return;
    default: break;
    }
    size_t per_byte = 8 / (size_t)bits;
    unsigned shift = (unsigned)(i % per_byte) * (unsigned)bits, mask = ((1u << bits) - 1) << shift;
    unsigned byte = p[i / per_byte];
    p[i / per_byte] = (unsigned char)((byte & ~mask) | ((unsigned)v << shift & mask));
}

int64_t fv_tensor_int(const fv_tensor *t, size_t i) {
    int bits = fv_elem_bits(t->elem);
    uint64_t v = get_bits(t, i);
    assert(fv_elem_is_int(t->elem) || t->elem == FV_BOOL);
    if (t->elem == FV_BOOL)
        return v != 0;
    if (fv_elem_is_signed(t->elem) && bits < 64 && v >> (bits - 1))
        v -= UINT64_C(1) << bits;
    return (int64_t)v;
}

double fv_tensor_float(const fv_tensor *t, size_t i) {
    if (fv_elem_is_float(t->elem))
        return fv_float_decode(t->elem, get_bits(t, i));
    int64_t v = fv_tensor_int(t, i);
    return t->elem == FV_U64 ? (double)(uint64_t)v : (double)v;
}

void fv_tensor_set_int(fv_tensor *t, size_t i, int64_t v) {
    assert(fv_elem_is_int(t->elem) || t->elem == FV_BOOL);
    set_bits(t, i, t->elem == FV_BOOL ? v != 0 : (uint64_t)v);
}

void fv_tensor_set_float(fv_tensor *t, size_t i, double v) {
    assert(fv_elem_is_float(t->elem));
    set_bits(t, i, fv_float_encode(t->elem, v));
}

int fv_string_compare(fv_string a, fv_string b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.s, b.s, n) : 0;
    return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

static bool same_content(const fv_tensor *a, const fv_tensor *b) {
    if (a->elem == FV_STRING) {
        const fv_string *s = a->data, *t = b->data;
        for (size_t i = 0; i < a->count; i++)
            if (fv_string_compare(s[i], t[i]) != 0)
                return false;
        return true;
    }
    /* unused bits of the last byte may differ */
    if (fv_elem_is_packed(a->elem)) {
        for (size_t i = 0; i < a->count; i++)
            if (get_bits(a, i) != get_bits(b, i))
                return false;
        return true;
    }
    return a->bytes == 0 || memcmp(a->data, b->data, a->bytes) == 0;
}

bool fv_tensor_equal(const fv_tensor *a, const fv_tensor *b) {
    if (a == b)
        return true;
    if (a->elem != b->elem || a->rank != b->rank || a->count != b->count || a->bytes != b->bytes)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return same_content(a, b);
}

/* ---- byte order ---- */

/* The elements of less than a byte each; copies whole bytes where both positions begin one. */
static void copy_packed(unsigned char *to, size_t at, const unsigned char *from, size_t first,
                        size_t n, size_t bits) {
    size_t per = 8 / bits, whole = at % per == 0 && first % per == 0 ? n / per : 0;
    unsigned mask = (1u << bits) - 1;
    if (whole)
        memcpy(to + at / per, from + first / per, whole);
    for (size_t i = whole * per; i < n; i++) {
        size_t in = (first + i) / per, out = (at + i) / per;
        unsigned x = (unsigned)from[in] >> (first + i) % per * bits & mask;
        size_t shift = (at + i) % per * bits;
        to[out] = (unsigned char)((to[out] & ~(mask << shift)) | x << shift);
    }
}

void fv_copy_elements(void *to, size_t at, const void *from, size_t first, size_t n, size_t bits) {
    if (bits < 8)
        copy_packed(to, at, from, first, n, bits);
    else if (n)
        memcpy((char *)to + at * (bits / 8), (const char *)from + first * (bits / 8),
               n * (bits / 8));
}

bool fv_host_is_big_endian(void) {
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
}

void fv_copy_units(void *to, const void *from, size_t n, size_t unit, bool swap) {
    unsigned char *d = to;
    const unsigned char *s = from;
    if (!swap) {
        if (n)
            memcpy(d, s, n * unit);
        return;
    }
    for (size_t i = 0; i < n; i++, d += unit, s += unit)
        for (size_t b = 0; b < unit; b++)
            d[b] = s[unit - 1 - b];
}

size_t fv_elem_unit(fv_elem e) {
    int bits = fv_elem_bits(e);
    if (e == FV_C64 || e == FV_C128)
        bits /= 2;
    return bits < 8 ? 1 : (size_t)bits / 8;
}

const fv_tensor *fv_tensor_whole(fv_arena *a, const fv_tensor *t) {
    if (!t->rows)
        return t;
    fv_tensor *whole = fv_tensor_new(a, t->elem, t->rank, t->dims);
    const fv_tensor_rows *r = t->rows;
    for (size_t i = 0; i < r->n; i++)
        memcpy((char *)(uintptr_t)whole->data + i * r->bytes,
               (const char *)r->first + i * r->stride, r->bytes);
    return whole;
}

const void *fv_tensor_little_endian(fv_arena *a, const fv_tensor *t) {
    t = fv_tensor_whole(a, t);
    if (!fv_host_is_big_endian())
        return t->data;
    size_t unit = fv_elem_unit(t->elem);
    void *swapped = fv_alloc(a, t->bytes ? t->bytes : 1, 1);
    fv_copy_units(swapped, t->data, t->bytes / unit, unit, true);
    return swapped;
}
