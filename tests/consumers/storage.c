/* storage.c - see storage.h.
 * Values pass as doubles, which hold all of them exactly. */
#include <math.h>
#include <string.h>

#include "tests/consumers/storage.h"

typedef struct format {
    int mantissa, bias; /* stored bits; exponent of 1.0 */
    uint32_t sign;      /* bit, 0: unsigned */
    uint32_t largest;   /* code of the largest finite value */
    uint32_t inf;       /* code, 0: none */
    uint32_t nan;       /* a code, 0: none */
} format;

/* f4 has neither infinity nor NaN: what is out of range becomes the largest, NaN -0, as in ONNX. */
static format format_of(fv_elem e) {
    switch (e) {
    case FV_F16: return (format){10, 15, 0x8000, 0x7bff, 0x7c00, 0x7e00};
    case FV_BF16: return (format){7, 127, 0x8000, 0x7f7f, 0x7f80, 0x7fc0};
    case FV_F8E4M3FN: return (format){3, 7, 0x80, 0x7e, 0, 0x7f};
    case FV_F8E4M3FNUZ: return (format){3, 8, 0x80, 0x7f, 0, 0x80};
    case FV_F8E5M2: return (format){2, 15, 0x80, 0x7b, 0x7c, 0x7e};
    case FV_F8E5M2FNUZ: return (format){2, 16, 0x80, 0x7f, 0, 0x80};
    case FV_F4E2M1: return (format){1, 1, 0x8, 0x7, 0, 0};
    case FV_F8E8M0: return (format){0, 127, 0, 0xfe, 0, 0xff};
    default: return (format){0, 0, 0, 0, 0, 0};
    }
}

bool is_narrow(fv_elem e) {
    return format_of(e).largest != 0;
}

/* The negative zero of a format without one is its NaN. */
static bool is_uz(const format *t) {
    return t->nan && t->nan == t->sign;
}

static bool is_nan_code(const format *t, uint32_t bits) {
    if (is_uz(t))
        return bits == t->nan;
    uint32_t magnitude = t->sign ? bits & (t->sign - 1) : bits;
    return t->inf ? magnitude > t->inf : magnitude > t->largest;
}

double widen(fv_elem e, uint32_t bits) {
    format t = format_of(e);
    if (is_nan_code(&t, bits))
        return NAN;
    bool negative = t.sign && (bits & t.sign);
    uint32_t magnitude = t.sign ? bits & (t.sign - 1) : bits;
    if (e == FV_F8E8M0)
        return ldexp(1, (int)bits - t.bias); /* no zero, no subnormals */
    double value;
    int exponent = (int)(magnitude >> t.mantissa);
    uint32_t one = 1u << t.mantissa, fraction = magnitude & (one - 1);
    if (t.inf && magnitude == t.inf)
        value = INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, 1 - t.bias - t.mantissa);
    else
        value = ldexp(one + fraction, exponent - t.bias - t.mantissa);
    return negative ? -value : value;
}

/* m / 2^shift, to nearest even. */
static uint64_t shift_rounding(uint64_t m, int shift) {
    if (shift > 64)
        return 0;
    if (shift == 64)
        return m > UINT64_C(1) << 63;
    uint64_t kept = m >> shift, half = UINT64_C(1) << (shift - 1);
    uint64_t rest = m & ((half << 1) - 1);
    return kept + (rest > half || (rest == half && (kept & 1)));
}

static uint32_t overflow(const format *t, bool saturate) {
    if (saturate)
        return t->largest;
    return t->inf ? t->inf : t->nan ? t->nan : t->largest;
}

/* Encodes a power of two: the sign is dropped, ties round up, numbers below the range become the
 * smallest one. */
static uint32_t encode_e8m0(uint64_t m, int e, bool saturate) {
    if (!m)
        return 0;
    int top = 63 - __builtin_clzll(m);
    int exponent = e + top + (top > 0 && (m >> (top - 1) & 1));
    if (exponent > 127)
        return saturate ? 0xfe : 0xff;
    return exponent < -127 ? 0 : (uint32_t)(exponent + 127);
}

/* The code of +-m * 2^e. The code of a magnitude counts the steps from zero, so adding a rounded
 * mantissa with its leading one to the exponent below carries as it should. */
static uint32_t encode(fv_elem elem, bool negative, uint64_t m, int e, bool saturate) {
    if (elem == FV_F8E8M0)
        return encode_e8m0(m, e, saturate);
    format t = format_of(elem);
    uint32_t magnitude = 0;
    if (m) {
        int exponent = e + 63 - __builtin_clzll(m);
        int least = 1 - t.bias;
        if (exponent < least)
            exponent = least;
        int shift = exponent - t.mantissa - e;
        uint64_t r = shift > 0 ? shift_rounding(m, shift) : m << -shift;
        int64_t steps = ((int64_t)(exponent - least) << t.mantissa) + (int64_t)r;
        magnitude = steps > t.largest ? overflow(&t, saturate) : (uint32_t)steps;
    }
    if (is_uz(&t) && (magnitude == 0 || magnitude == t.nan))
        return magnitude;
    return negative ? magnitude | t.sign : magnitude;
}

uint32_t narrow(fv_elem e, double value, bool saturate) {
    format t = format_of(e);
    if (isnan(value))
        return t.nan ? t.nan : 0x8;
    bool negative = signbit(value) != 0;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t m = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 0x7ff) { /* infinity: as what overflows */
        if (e == FV_F8E8M0)
            return t.nan; /* saturating or not */
        uint32_t largest = overflow(&t, saturate);
        return negative && !(is_uz(&t) && largest == t.nan) ? largest | t.sign : largest;
    }
    if (exponent)
        m |= UINT64_C(1) << 52;
    return encode(e, negative, m, (exponent ? exponent : 1) - 1075, saturate);
}
