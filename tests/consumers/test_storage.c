/* test_storage.c - the reference of the narrow floats, checked by search: the nearest of all codes.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/math/math.h"
#include "tests/consumers/eval.h"
#include "tests/consumers/gen.h"
#include "tests/consumers/storage.h"

static const fv_elem all[] = {FV_F16,    FV_BF16,       FV_F8E4M3FN, FV_F8E4M3FNUZ,
                              FV_F8E5M2, FV_F8E5M2FNUZ, FV_F4E2M1};
enum { NALL = sizeof all / sizeof *all };

static uint32_t codes(fv_elem e) {
    return 1u << fv_elem_bits(e);
}

Test(storage, known_values) {
    cr_expect_eq(widen(FV_F16, 0x3c00), 1.0);
    cr_expect_eq(widen(FV_F16, 1), 0x1p-24);
    cr_expect_eq(widen(FV_BF16, 0xc040), -3.0);
    cr_expect_eq(widen(FV_F8E4M3FN, 0x7e), 448.0);
    cr_expect_eq(widen(FV_F8E4M3FNUZ, 0x7f), 240.0);
    cr_expect_eq(widen(FV_F8E5M2, 0x7b), 57344.0);
    cr_expect_eq(widen(FV_F8E5M2FNUZ, 0x7f), 57344.0);
    cr_expect_eq(widen(FV_F8E5M2FNUZ, 0x01), 0x1p-17);
    cr_expect_eq(widen(FV_F4E2M1, 0x7), 6.0);
    cr_expect_eq(widen(FV_F4E2M1, 0x9), -0.5);
    cr_expect_eq(widen(FV_F8E8M0, 0), 0x1p-127);
    cr_expect_eq(widen(FV_F8E8M0, 127), 1.0);
    cr_expect(isnan(widen(FV_F8E8M0, 255)));
}

Test(storage, every_code_comes_back) {
    for (int k = 0; k < NALL; k++)
        for (uint32_t code = 0; code < codes(all[k]); code++) {
            double x = widen(all[k], code);
            uint32_t back = narrow(all[k], x, false);
            cr_assert(isnan(x) ? isnan(widen(all[k], back)) : back == code, "%s %x: %x",
                      fv_elem_name(all[k]), code, back);
        }
}

/* The nearest finite value, the one with an even code of two; ignoring signs of zero. */
static double nearest(fv_elem e, double x) {
    double best = NAN;
    uint32_t best_code = 0;
    for (uint32_t code = 0; code < codes(e); code++) {
        double y = widen(e, code);
        if (!isfinite(y))
            continue;
        double d = fabs(y - x), least = fabs(best - x); /* exact: few bits, near each other */
        if (isnan(best) || d < least || (d == least && code % 2 == 0 && best_code % 2)) {
            best = y;
            best_code = code;
        }
    }
    return best;
}

Test(storage, rounds_to_the_nearest) {
    rng r = {7};
    for (int k = 0; k < NALL; k++) {
        double largest = fabs(nearest(all[k], 1e300));
        int n = fv_elem_bits(all[k]) == 16 ? 60 : 3000;
        for (int i = 0; i < n; i++) {
            uint32_t code = (uint32_t)(rng_next(&r) % codes(all[k]));
            double a = widen(all[k], code), b = widen(all[k], (code + 1) % codes(all[k]));
            double x = i % 3 == 0   ? (a + b) / 2
                       : i % 3 == 1 ? a + (b - a) * 0.501
                                    : (float)(a * 1.1);
            if (!isfinite(x) || fabs(x) > largest)
                continue;
            double y = widen(all[k], narrow(all[k], x, false));
            cr_assert_eq(y, nearest(all[k], x), "%s: %a gives %a, not %a", fv_elem_name(all[k]), x,
                         y, nearest(all[k], x));
        }
    }
}

Test(storage, beyond_the_largest) {
    cr_expect_eq(narrow(FV_F16, 65519.9, false), 0x7bff);
    cr_expect_eq(narrow(FV_F16, 65520, false), 0x7c00);
    /* a tie with 480, which the type does not have */
    cr_expect_eq(narrow(FV_F8E4M3FN, 464, false), 0x7e);
    cr_expect_eq(narrow(FV_F8E4M3FN, 464.1, false), 0x7f);
    cr_expect_eq(narrow(FV_F8E4M3FN, 464.1, true), 0x7e);
    cr_expect_eq(narrow(FV_F8E4M3FN, -INFINITY, true), 0xfe);
    cr_expect_eq(narrow(FV_F8E4M3FN, INFINITY, false), 0x7f);
    cr_expect_eq(narrow(FV_F8E5M2, 61440, false), 0x7c);
    cr_expect_eq(narrow(FV_F8E5M2, INFINITY, true), 0x7b);
    cr_expect_eq(narrow(FV_F8E4M3FNUZ, -0.0, false), 0);
    cr_expect_eq(narrow(FV_F8E4M3FNUZ, -1000, false), 0x80);
    cr_expect_eq(narrow(FV_F8E4M3FNUZ, -1000, true), 0xff);
}

/* ---- the functions that expansion uses ---- */

static const fv_elem with_functions[] = {FV_F16,    FV_BF16,       FV_F8E4M3FN, FV_F8E4M3FNUZ,
                                         FV_F8E5M2, FV_F8E5M2FNUZ, FV_F4E2M1,   FV_F8E8M0};

static float interesting(rng *r, fv_elem e) {
    uint32_t bits = (uint32_t)rng_next(r);
    double a = widen(e, bits % codes(e)), b = widen(e, (bits + 1) % codes(e));
    float x;
    switch (rng_below(r, 5)) {
    case 0: memcpy(&x, &bits, sizeof x); return x;
    case 1: return (float)((a + b) / 2);
    case 2: return nextafterf((float)((a + b) / 2), (float)a);
    case 3: return nextafterf((float)((a + b) / 2), (float)b);
    default: return (float)rng_float(r);
    }
}

static bool same_code(fv_elem e, uint32_t a, uint32_t b) {
    return a == b || (isnan(widen(e, a)) && isnan(widen(e, b)));
}

static void check_from_f32(fv_session *s, fv_elem e, const char *how, bool saturate) {
    eval_options o = {s, false, false};
    char name[40];
    rng r = {3};
    snprintf(name, sizeof name, "%s_%s_f32", fv_elem_name(e), how);
    const fv_kfunc *fn = fv_exact_find(s, name);
    if (!fn)
        return;
    for (int i = 0; i < 10000; i++) {
        float x = interesting(&r, e);
        scalar arg = {0, x};
        uint32_t code = (uint32_t)eval_function(&o, fn, &arg).i;
        cr_assert(same_code(e, code, narrow(e, x, saturate)), "%s(%a) is %x, expected %x", name,
                  (double)x, code, narrow(e, x, saturate));
    }
}

static void check_to_f32(fv_session *s, fv_elem e) {
    eval_options o = {s, false, false};
    char name[40];
    snprintf(name, sizeof name, "f32_from_%s", fv_elem_name(e));
    const fv_kfunc *fn = fv_exact_find(s, name);
    cr_assert(fn, "%s", name);
    for (uint32_t code = 0; code < codes(e); code++) {
        scalar arg = {code, 0};
        double x = eval_function(&o, fn, &arg).f, y = widen(e, code);
        cr_assert(x == y || (isnan(x) && isnan(y)), "%s(%x) is %a, expected %a", name, code, x, y);
        cr_assert(isnan(x) || signbit(x) == signbit(y), "%s(%x)", name, code);
    }
}

/* f32(bf16(x)) as one function. */
static void check_in_bf16(fv_session *s) {
    eval_options o = {s, false, false};
    rng r = {5};
    const fv_kfunc *fn = fv_exact_find(s, "f32_in_bf16");
    cr_assert(fn);
    for (int i = 0; i < 20000; i++) {
        float x = interesting(&r, FV_BF16);
        if (i < 4) /* NaNs whose bits the rounding would carry into the sign, or clear */
            memcpy(&x, (uint32_t[]){0x7fffffff, 0xffff8000, 0x7f800001, 0xff800001} + i, sizeof x);
        scalar arg = {0, x};
        double is = eval_function(&o, fn, &arg).f, want = widen(FV_BF16, narrow(FV_BF16, x, false));
        cr_assert((is == want && signbit(is) == signbit(want)) || (isnan(is) && isnan(want)),
                  "%a becomes %a, expected %a", (double)x, is, want);
    }
}

Test(storage, functions_of_the_kernel_notation) {
    fv_session *s = fv_session_new();
    check_in_bf16(s);
    for (size_t k = 0; k < sizeof with_functions / sizeof *with_functions; k++) {
        check_to_f32(s, with_functions[k]);
        check_from_f32(s, with_functions[k], "from", false);
        check_from_f32(s, with_functions[k], "sat", true);
    }
    fv_session_free(s);
}
