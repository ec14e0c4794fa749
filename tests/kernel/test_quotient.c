/* test_quotient.c - quotients of narrow floats by a constant that are computed as products. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "backend/expand/quotient.h"
#include "ir/type/float_bits.h"
#include "tests/sample.h"

enum { CODES = 1 << 16 };

/* Zeros, infinities, NaN, denormal numbers of f32 and of the narrow types, divisors of models, and
 * numbers whose inverse overflows or is denormal. */
static const double divisors[] = {
    0,    -0.0,   INFINITY, -INFINITY, NAN,      1,       -1,   2,       3,       -3,      5,
    7,    10,     0.1,      8,         11.3137,  27.7128, 255,  0.3333,  65504,   -65504,  1e-3,
    6e-8, 6.1e-5, 1e-38,    0x1p-126,  0x1p-127, 1e-44,   1e38, FLT_MAX, 0x1p126, 0x1p127, -1e30,
};
static const fv_elem narrow[] = {FV_F16, FV_BF16};

static bool is_nan(fv_elem e, uint64_t code) {
    return isnan(fv_float_decode(e, code));
}

/* The results in f32 are computed in f64, which rounds a quotient or a product of two f32 to the
 * same f32 in the end. */
static uint64_t rounded(fv_elem to, double exact) {
    return fv_float_encode(to, (double)(float)exact);
}

/* A product is used if and only if it equals the quotient for all numerators. */
Test(quotient, equals_the_product) {
    for (int i = 0; i < 4; i++)
        for (size_t k = 0; k < sizeof divisors / sizeof *divisors; k++) {
            const fv_elem from = narrow[i / 2], to = narrow[i % 2];
            const double by = (double)(float)divisors[k];
            double factor = 0;
            bool is_product = fv_quotient_is_product(from, to, divisors[k], &factor), same = true;
            for (uint64_t code = 0; code < CODES && same; code++) {
                double x = fv_float_decode(from, code);
                uint64_t q = rounded(to, x / by), p = rounded(to, x * factor);
                same = p == q || (is_nan(to, p) && is_nan(to, q));
            }
            cr_expect_eq(is_product, same, "%s / %g to %s", fv_elem_name(from), divisors[k],
                         fv_elem_name(to));
        }
}

/* Divisors that are powers of two are always products, those of scaled scores in f16, too. */
Test(quotient, of_powers_of_two) {
    double factor;
    for (int i = 0; i < 4; i++)
        for (int k = -20; k <= 20; k++) {
            cr_expect(fv_quotient_is_product(narrow[i / 2], narrow[i % 2], ldexp(1, k), &factor));
            cr_expect_eq(factor, ldexp(1, -k));
        }
}

/* ---- quotients of f32 by an fma ---- */

/* Is the fma right for all numerators of 24 digits? Of other exponents it then is, too. */
static bool is_right_for_all(double divisor, double high, double low) {
    for (int32_t x = 1 << 23; x < 1 << 24; x++)
        if (fmaf((float)x, (float)high, (float)x * (float)low) != (float)x / (float)divisor)
            return false;
    return true;
}

static double divisor_of(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)(float)ldexp((double)((1 << 23) + (int32_t)(*state >> 41)), -30);
}

/* What is said of a divisor after a few trials holds for all numerators: of common scales, of those
 * near powers of two, and of random ones, those included for which there is no such fma. */
Test(quotient, by_an_fma_is_rounded_correctly) {
    static const double some[] = {0.1,  0.3,     1.0 / 255,   1 / 127.0,   3, 0.0078125,
                                  1e-3, 0.0173F, 1 - 0x1p-24, 1 + 0x1p-23, 7, 0.017};
    uint64_t state = 7;
    int refused = 0, tried = SAMPLE_HAS_ASAN ? 4 : 12;
    double high, low;
    for (int i = 0; i < tried; i++) {
        double by = (double)(float)some[i];
        bool is = fv_quotient_is_fma(by, &high, &low);
        cr_expect_eq(is, is_right_for_all(by, high, low), "%.9g", by);
    }
    for (int i = 0; i < 1 << 20 && refused < 3; i++) {
        double by = divisor_of(&state);
        if (fv_quotient_is_fma(by, &high, &low))
            continue;
        refused++;
        cr_expect_not(is_right_for_all(by, high, low), "%.9g", by);
    }
    cr_expect_eq(refused, 3);
}

Test(quotient, by_an_fma_has_a_range_of_divisors) {
    double high, low;
    cr_expect(fv_quotient_is_fma(0x1p-60, &high, &low) && high == 0x1p60 && low == 0);
    for (size_t k = 0; k < 9; k++)
        cr_expect_not(fv_quotient_is_fma(
            (const double[]){0, -0.0, INFINITY, -INFINITY, NAN, -1, 0x1p61, 0x1p-61, 1e-44}[k],
            &high, &low));
}
