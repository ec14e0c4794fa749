/* Confining kernels whose author is not trusted. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "ir/kernel/confine.h"
#include "ir/kernel/parse.h"
#include "tests/kernel/support.h"

TestSuite(confine, .init = open_session, .fini = close_session);

/* The option is the number of loop iterations that a launch may execute. */
static const char *confined(const char *options, const char *input) {
    long long turns = strtoll(options, NULL, 10);
    fv_kernel *k = fv_kernel_parse(arena, input);
    return k && fv_kernel_confine(session, k, turns ? turns : 1 << 30) ? kernel_text(k) : said();
}

Test(confine, texts) {
    check_golden("text/confine.txt", confined);
}

/* Runs the kernel for n = 4. The memory of each f32[n] has 8 elements, the last four of which must
 * not change. */
static int run(const char *text, int64_t turns, float *x, float *y, const char **fault) {
    fv_kernel *k = fv_kernel_parse(arena, text);
    cr_assert(k && fv_kernel_confine(session, k, turns), "%s", said());
    fv_kernel *e = fv_kernel_expand(arena, k, fv_target_find("generic"));
    fv_span spans[] = {{x, 4 * sizeof *x}, {y, 4 * sizeof *y}};
    return fv_interp_kernel(arena, e, (int64_t[]){4}, spans, NULL, fault);
}

static void ends(const char *body, int64_t turns, int expected) {
    float x[8] = {1, 2, 3, 4, 5, 6, 7, 8}, y[8] = {0};
    const char *fault,
        *text = fv_printf(arena, "kernel k(X: f32[n], out Y: f32[n]; n in 0..100) { %s }", body);
    int status = run(text, turns, x, y, &fault);
    cr_expect_eq(status, expected, "%s: status %d, %s", body, status, fault ? fault : "");
    for (int i = 4; i < 8; i++)
        cr_expect_eq(y[i], 0, "%s", body);
}

/* The interpreter looks at each index: what gets to it is a fault. */
Test(confine, never_outside) {
    enum { TURNS = 1000 };
    ends("for i < n { Y[i] = X[i] }", TURNS, FV_OK);
    ends("for i < n { Y[i + 1] = X[i] }", TURNS, FV_BAD_INDEX);
    ends("for i < n { Y[i] = X[n - 2 - i] }", TURNS, FV_BAD_INDEX);
    ends("for i < n { Y[i] = X[i - 1] if i > 0 else 0.0 }", TURNS, FV_OK);
    ends("for i < n { Y[i] = X[i + 3] if i > 0 else 0.0 }", TURNS, FV_BAD_INDEX);
    ends("for i < n { Y[i + 3] = 1.0 if i == 0 }", TURNS, FV_OK);
    ends("for i < n { Y[i + 3] = 1.0 if i == 1 }", TURNS, FV_BAD_INDEX);
    ends("for i < n { let at = i64(X[i]) - 1 Y[at] = X[at] }", TURNS, FV_OK);
    ends("for i < n { let at = i64(X[i]) Y[i] = X[at] }", TURNS, FV_BAD_INDEX);
    ends("for i < n { let at = i64(X[i] * 1.0e18) * 4611686018427387904 Y[i] = X[at + 9] }", TURNS,
         FV_BAD_INDEX);
    ends("tile t: f32[4] for i < n { let at = i64(X[i]) t[at] = 1.0 }", TURNS, FV_BAD_INDEX);
    ends("tile t: i64[4] for i < n { Y[t[i + 3 - n]] = 1.0 }", TURNS, FV_BAD_INDEX);
    ends("vector i < n { Y[i + n] = X[i] }", TURNS, FV_BAD_INDEX);
    ends("for i < n { Y[i + n * 4611686018427387904] = X[i] }", TURNS, FV_OK); /* it wraps to i */
    ends("for i < n { Y[i + n * 4611686018427387903] = X[i] }", TURNS, FV_BAD_INDEX);
}

Test(confine, never_endless) {
    ends("while true { Y[0] = 1.0 }", 1000, FV_BAD_INDEX);
    ends("tile t: i64 = 10 while t > 0 { t = t - 1 Y[0] = 1.0 }", 1000, FV_OK);
    ends("tile t: i64 = 10 while t > 0 { t = t - 1 Y[0] = 1.0 }", 10, FV_OK);
    ends("tile t: i64 = 10 while t > 0 { t = t - 1 Y[0] = 1.0 }", 9, FV_BAD_INDEX);
    ends("for i < 1 << 62 { Y[0] = 1.0 }", 1 << 20, FV_BAD_INDEX);
    ends("for i < 1 << 40 { for j < 1 << 40 { Y[0] = 1.0 } }", 1 << 20, FV_BAD_INDEX);
    ends("for i < 1 << 18 { for j < n { Y[j] = 1.0 } }", 1 << 26, FV_OK);
    ends("for i < 1 << 18 { for j < n * 100000 { Y[0] = 1.0 } }", 1 << 20, FV_BAD_INDEX);
    ends("for i = 9223372036854775800 to 9223372036854775807 step 100 { Y[0] = 1.0 }", 1000,
         FV_BAD_INDEX);
    ends("for i < n * 100000 { while false { } }", 1 << 20, FV_OK);
    ends("parallel i < n { tile t: i64 = 1 while t > 0 { t = t + 1 } }", 1 << 12, FV_BAD_INDEX);
    ends("outline { for i < n * 100000 { Y[0] = 1.0 } }", 1 << 12, FV_BAD_INDEX);
    ends("vector i < n { for j < 100000 + n { Y[i] = 1.0 } }", 1 << 12, FV_BAD_INDEX);
}
