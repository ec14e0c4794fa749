/* test_quotient.c - quotients of narrow floats by a constant that are computed as products. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>

#include "backend/expand/quotient.h"
#include "ir/type/float_bits.h"

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
