/* tensor.c - contents of tensors: elements of every type, and the bits of narrow floats. */
#include "ir/base/limits.h"
#include "ir/graph/graph.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- floats of any width ---- */

/* Sign, exponent, mantissa from the top; what the largest exponent means differs. */
typedef struct float_format {
    int exponent, mantissa, bias; /* bits, bits */
    enum {
        IEEE,       /* the largest exponent: inf and NaN */
        FINITE,     /* no inf; NaN is all ones */
        FINITE_UZ,  /* no inf, no -0; NaN is the bits of -0 */
        NO_SPECIALS /* neither inf nor NaN */
    } specials;
} float_format;

static bool format_of(fv_elem e, float_format *out) {
    switch ((int)e) {
    case FV_F16: *out = (float_format){5, 10, 15, IEEE}; return true;
    case FV_BF16: *out = (float_format){8, 7, 127, IEEE}; return true;
    case FV_F32: *out = (float_format){8, 23, 127, IEEE}; return true;
    case FV_F8E4M3FN: *out = (float_format){4, 3, 7, FINITE}; return true;
    case FV_F8E4M3FNUZ: *out = (float_format){4, 3, 8, FINITE_UZ}; return true;
    case FV_F8E5M2: *out = (float_format){5, 2, 15, IEEE}; return true;
    case FV_F8E5M2FNUZ: *out = (float_format){5, 2, 16, FINITE_UZ}; return true;
    case FV_F4E2M1: *out = (float_format){2, 1, 1, NO_SPECIALS}; return true;
    default: return false;
    }
}

/* f8e8m0 is a bare exponent: 2^(bits - 127), 255 is NaN. */
static double e8m0_decode(uint64_t bits) {
    return bits == 255 ? (double)NAN : ldexp(1, (int)bits - 127);
}

static uint64_t e8m0_encode(double v) {
    if (isnan(v))
        return 255;
    if (!(v > 0))
        return 0;
    if (isinf(v))
        return 254;
    int exponent;
    double fraction = frexp(v, &exponent); /* v = fraction * 2^exponent, fraction in [0.5, 1) */
    int bits = exponent - 1 + 127 + (fraction > 0.75 || (fraction == 0.75 && (exponent & 1)));
    return (uint64_t)(bits < 0 ? 0 : bits > 254 ? 254 : bits);
}

double fv_float_decode(fv_elem e, uint64_t bits) {
    float_format f;
    if (e == FV_F8E8M0)
        return e8m0_decode(bits & 255);
    if (!format_of(e, &f)) {
        double d;
        assert(e == FV_F64);
        memcpy(&d, &bits, sizeof d);
        return d;
    }
    int all = f.exponent + f.mantissa;
    bool negative = bits >> all & 1;
    uint64_t magnitude = bits & ((UINT64_C(1) << all) - 1);
    uint64_t mantissa = bits & ((UINT64_C(1) << f.mantissa) - 1);
    int exponent = (int)(magnitude >> f.mantissa), top = (1 << f.exponent) - 1;
    if (f.specials == IEEE && exponent == top)
        return mantissa ? (double)NAN : negative ? -(double)INFINITY : (double)INFINITY;
    if (f.specials == FINITE && magnitude == (UINT64_C(1) << all) - 1)
        return (double)NAN;
    if (f.specials == FINITE_UZ && negative && !magnitude)
        return (double)NAN;
    double v = exponent ? ldexp((double)(mantissa | UINT64_C(1) << f.mantissa),
                                exponent - f.bias - f.mantissa)
                        : ldexp((double)mantissa, 1 - f.bias - f.mantissa);
    return negative ? -v : v;
}

static uint64_t largest_finite(const float_format *f) {
    uint64_t ones = (UINT64_C(1) << (f->exponent + f->mantissa)) - 1;
    switch (f->specials) {
    case IEEE: return ones - (UINT64_C(1) << f->mantissa);
    case FINITE: return ones - 1;
    case FINITE_UZ:
    case NO_SPECIALS: return ones;
    }
    return 0;
}

static uint64_t nan_bits(const float_format *f) {
    int all = f->exponent + f->mantissa;
    switch (f->specials) {
    case IEEE: return largest_finite(f) + 1 + (UINT64_C(1) << (f->mantissa - 1));
    case FINITE: return (UINT64_C(1) << all) - 1;
    case FINITE_UZ: return UINT64_C(1) << all;
    case NO_SPECIALS: break;
    }
    return largest_finite(f);
}

/* Rounds to an integer, ties to even, whatever the rounding mode. */
static double round_even(double v) {
    double down = floor(v), rest = v - down;
    return rest > 0.5 || (rest == 0.5 && fmod(down, 2) != 0) ? down + 1 : down;
}

uint64_t fv_float_encode(fv_elem e, double v) {
    float_format f;
    if (e == FV_F8E8M0)
        return e8m0_encode(v);
    if (!format_of(e, &f)) {
        uint64_t bits;
        assert(e == FV_F64);
        memcpy(&bits, &v, sizeof bits);
        return bits;
    }
    if (isnan(v))
        return nan_bits(&f);
    uint64_t largest = largest_finite(&f), magnitude;
    double a = fabs(v);
    int exponent = 0;
    (void)frexp(isinf(a) ? 1 : a, &exponent);
    exponent--;
    if (a == 0 || exponent < 1 - f.bias)
        exponent = 1 - f.bias; /* a denormal */
    if (isinf(a) || exponent + f.bias > (1 << f.exponent)) {
        magnitude = largest + 1;
    } else {
        /* In units of the last place, the exponent field simply adds up; rounding carries into it.
         */
        magnitude = (uint64_t)round_even(ldexp(a, f.mantissa - exponent)) +
                    ((uint64_t)(exponent + f.bias - 1) << f.mantissa);
    }
    if (magnitude > largest)
        magnitude = f.specials == IEEE ? largest + 1 : largest; /* behind the largest is inf */
    bool keeps_sign = magnitude || f.specials != FINITE_UZ;
    return magnitude | (uint64_t)(signbit(v) && keeps_sign) << (f.exponent + f.mantissa);
}

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
    default: break; /* packed from the low bits on */
    }
    size_t per_byte = 8 / (size_t)bits;
    return (unsigned)(p[i / per_byte] >> (i % per_byte * (size_t)bits)) & ((1u << bits) - 1);
}

static void set_bits(fv_tensor *t, size_t i, uint64_t v) {
    unsigned char *p = (unsigned char *)(uintptr_t)t->data; /* our own, from fv_tensor_new */
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

static bool same_content(const fv_tensor *a, const fv_tensor *b) {
    if (a->elem == FV_STRING) {
        const fv_string *s = a->data, *t = b->data;
        for (size_t i = 0; i < a->count; i++)
            if (s[i].n != t[i].n || (s[i].n && memcmp(s[i].s, t[i].s, s[i].n) != 0))
                return false;
        return true;
    }
    if (fv_elem_is_packed(a->elem)) { /* the last byte may hold anything behind the last element */
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

const void *fv_tensor_little_endian(fv_arena *a, const fv_tensor *t) {
    if (!fv_host_is_big_endian())
        return t->data;
    size_t unit = fv_elem_unit(t->elem);
    void *swapped = fv_alloc(a, t->bytes ? t->bytes : 1, 1);
    fv_copy_units(swapped, t->data, t->bytes / unit, unit, true);
    return swapped;
}
