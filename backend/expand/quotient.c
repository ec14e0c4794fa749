/* quotient.c - see quotient.h.
 *
 * The product differs from the quotient by a few units in the last
 * place of f32. That matters only if a number half-way between two narrow floats is between the
 * product and the quotient. A narrow float divided by a number of few digits is seldom so near to a
 * half-way number.
 *
 * Of the quotient of two f32 by an fma: N. Brisebarre, J.-M. Muller, S. K. Raina: Accelerating
 * correctly rounded floating-point division when the divisor is known in advance, IEEE Transactions
 * on Computers 53(8), 2004. */
#include "backend/expand/quotient.h"

#include <math.h>

#include "ir/type/float_bits.h"

enum { POSITIVE = 1 << 15 }; /* codes of f16 and bf16 without sign */

bool fv_quotient_is_product(fv_elem from, fv_elem to, double divisor, double *factor) {
    const float by = (float)divisor, inverse = 1.0F / by;
    bool same = true;
    *factor = (double)inverse;
    /* the sign of x is that of both results, so positive x are enough */
    for (uint32_t code = 0; code < POSITIVE && same; code++) {
        const float x = (float)fv_float_decode(from, code), q = x / by, p = x * inverse;
        same = q == p || (isnan(q) && isnan(p)) ||
               fv_float_encode(to, (double)q) == fv_float_encode(to, (double)p);
    }
    return same;
}

/* ---- by a fused multiply-add ---- */

/* digits of an f32; largest remainder that is tried: 3 suffices, see below */
enum { DIGITS = 24, MOST_REST = 8 };

typedef struct corrected {
    float divisor, high, low;
} corrected;

static bool is_right(const corrected *c, float x) {
    return fmaf(x, c->high, x * c->low) == x / c->divisor;
}

/* The inverse of an odd number modulo 2^32, by Newton's method: each step doubles the correct bits,
 * of which there are three at first. */
static uint32_t inverse_of(uint32_t odd) {
    uint32_t y = odd;
    for (int i = 0; i < 4; i++)
        y *= 2 - odd * y;
    return y;
}

/* Tries all x for which `rest` = X * 2^shift - M * S, where x and the divisor are X and S, integers
 * of 24 digits, times powers of two, and M, an odd integer of 25 digits, is halfway between two
 * quotients. Modulo 2^shift, M is then -rest / S. */
static bool is_right_near(const corrected *c, uint32_t s, int shift, int64_t rest) {
    int zeros = 0;
    while (!(s >> zeros & 1))
        zeros++;
    if (zeros > 3 || rest % (INT64_C(1) << zeros))
        return true;
    const int64_t turn = INT64_C(1) << (shift - zeros), half = INT64_C(1) << DIGITS;
    uint32_t m = (uint32_t)(-rest / (INT64_C(1) << zeros)) * inverse_of(s >> zeros);
    int64_t first = (int64_t)m & (turn - 1);
    for (int64_t at = first + (half - first + turn - 1) / turn * turn; at < 2 * half; at += turn) {
        int64_t x = (at * s + rest) >> shift;
        if (at % 2 && x >= half / 2 && x < half && !is_right(c, (float)x))
            return false;
    }
    return true;
}

/* The sum before the last rounding differs from the quotient by less than 2^-47 of it: `low` is off
 * by 2^-48 / divisor at most, its product is rounded by as much. So only for quotients as near as
 * that to a number M halfway between two floats the results can differ. In integers, as above,
 * such a distance is a rest of less than 4; a rest of 0 is impossible, since M has one digit more
 * than X. Results only depend on the digits of x and of the divisor where nothing overflows or
 * vanishes. */
bool fv_quotient_is_fma(double divisor, double *high, double *low) {
    int exponent;
    divisor = (double)(float)divisor;
    const double digits = ldexp(frexp(divisor, &exponent), DIGITS);
    if (!(divisor >= 0x1p-60 && divisor <= 0x1p60))
        return false;
    corrected c = {(float)divisor, (float)(1 / divisor), 0};
    /* the rest 1 - divisor * high is exact in f64, and a multiple of 2^-60 of it at least */
    c.low = (float)((1 - divisor * (double)c.high) / divisor);
    *high = (double)c.high;
    *low = (double)c.low;
    bool right = true;
    const corrected scaled = {(float)digits, ldexpf(c.high, exponent - DIGITS),
                              ldexpf(c.low, exponent - DIGITS)};
    for (int rest = 1; rest <= MOST_REST && right; rest++)
        for (int shift = DIGITS; shift <= DIGITS + 1 && right; shift++)
            right = is_right_near(&scaled, (uint32_t)digits, shift, rest) &&
                    is_right_near(&scaled, (uint32_t)digits, shift, -rest);
    return right;
}
