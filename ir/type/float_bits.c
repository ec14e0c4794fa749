/* float_bits.c - decoding of float types, and rounding to them. */
#include "ir/type/float_bits.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* The fields of a float: sign, exponent, mantissa, from the top. Formats differ in the meaning of
 * the largest exponent. */
typedef struct float_format {
    int exponent, mantissa, bias; /* number of bits of exponent and mantissa */
    enum {
        IEEE,       /* IEEE 754: the largest exponent represents infinity and NaN */
        FINITE,     /* the type has no infinity; NaN has all bits set */
        FINITE_UZ,  /* the type has no infinity and no -0; NaN has the bits of -0 */
        NO_SPECIALS /* the type has no infinity and no NaN */
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

void fv_float_fraction(fv_elem e, int *bits, int *least) {
    float_format f = {11, 52, 1023, IEEE};
    bool narrow = format_of(e, &f);
    assert(narrow || e == FV_F64);
    (void)narrow;
    *bits = f.mantissa + 1;
    *least = 1 - f.bias - f.mantissa;
}

bool fv_float_is_finite(fv_elem e) {
    float_format f;
    return format_of(e, &f) && f.specials == NO_SPECIALS;
}

/* f8e8m0 has an exponent only: its value is 2^(bits - 127), and 255 is NaN. */
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

/* Rounds to an integer, ties to even, independently of the rounding mode. */
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
        exponent = 1 - f.bias; /* the result is denormal */
    if (isinf(a) || exponent + f.bias > (1 << f.exponent)) {
        magnitude = largest + 1;
    } else {
        /* exponent and mantissa are added as one integer, so that rounding up carries into the
         * exponent */
        magnitude = (uint64_t)round_even(ldexp(a, f.mantissa - exponent)) +
                    ((uint64_t)(exponent + f.bias - 1) << f.mantissa);
    }
    if (magnitude > largest)
        /* in IEEE formats larger values become infinity, in others the largest value */
        magnitude = f.specials == IEEE ? largest + 1 : largest;
    bool keeps_sign = magnitude || f.specials != FINITE_UZ;
    return magnitude | (uint64_t)(signbit(v) && keeps_sign) << (f.exponent + f.mantissa);
}
