/* Running sums along each axis, compared bit for bit with additions in f64 in their order: of as
 * many columns as fill blocks of vectors, and of others, known and unknown when the model is
 * compiled, on targets with masks, without them, and without vectors. */
#include <criterion/criterion.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(running, .init = open_session, .fini = close_session);

typedef struct sums {
    int64_t dims[3]; /* of x */
    int axis;
    bool exclusive, reverse, known;
} sums;

static fv_program *lower(const char *target, const char *text) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_lower_options lo = {.target = fv_target_find(target), .verify = true};
    fv_pipeline_options po = {.verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s\n%s", said(), text);
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s\n%s", said(), text);
    fv_program_expand(p);
    return p;
}

static const char *text_of(const sums *s) {
    const char *last = s->known ? fv_printf(arena, "%lld", (long long)s->dims[2]) : "n";
    return fv_printf(arena,
                     "fovea-ir 1\nmodule \"m\"\n%sconst @axis: i64[] = %d\nfunc @main(%%x: "
                     "f32[%lld, %lld, %s]) -> (%%y) {\n  %%y = CumSum(%%x, @axis) {exclusive = %d, "
                     "reverse = %d}\n  return %%y\n}\n",
                     s->known ? "" : "symbol n 0..4096\n", s->axis, (long long)s->dims[0],
                     (long long)s->dims[1], last, s->exclusive, s->reverse);
}

/* Adds the elements of each line in the order of the steps, in f64. */
static void reference(const sums *s, const float *x, float *y) {
    const int axis = s->axis < 0 ? s->axis + 3 : s->axis;
    int64_t before = 1, after = 1;
    for (int i = 0; i < 3; i++)
        *(i < axis ? &before : &after) *= i == axis ? 1 : s->dims[i];
    const int64_t n = s->dims[axis];
    for (int64_t i = 0; i < before; i++)
        for (int64_t j = 0; j < after; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++) {
                const int64_t at = (i * n + (s->reverse ? n - 1 - k : k)) * after + j;
                const double with = sum + (double)x[at];
                y[at] = (float)(s->exclusive ? sum : with);
                sum = with;
            }
        }
}

static void check(const sums *s, const char *target, const fv_program *p) {
    const size_t n = (size_t)(s->dims[0] * s->dims[1] * s->dims[2]);
    float *x = fv_alloc_aligned(arena, (n + 16) * sizeof *x, 64);
    float *y = fv_alloc_aligned(arena, (n + 16) * sizeof *y, 64);
    float *expected = FV_NEW(arena, float, n + 1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((int)(i * 2654435761u >> 20 & 2047) - 1000) / 7;
    memset(y, 0xff, (n + 16) * sizeof *y);
    reference(s, x, expected);
    size_t work;
    int64_t actual[16] = {0};
    const void *in = x;
    void *out = y;
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert_eq(fv_interp_plan(interp, &s->dims[2], &work, actual), FV_OK);
    int status = fv_interp_run(interp, &s->dims[2], &in, &out, actual,
                               fv_alloc_aligned(arena, work + 64, 64), work, NULL);
    cr_assert_eq(status, FV_OK, "%s", fv_interp_fault(interp));
    cr_assert(n == 0 || memcmp(y, expected, n * sizeof *y) == 0, "%s, axis %d of %d x %d x %d",
              target, s->axis, (int)s->dims[0], (int)s->dims[1], (int)s->dims[2]);
}

/* The error of a sum does not grow with its length: 0.1 in f32, added in f32, would be off by
 * hundreds of ulp after 65536 additions. */
Test(running, long_sums) {
    enum { N = 1 << 16 };
    const fv_program *p = lower("x86-64-v3", "fovea-ir 1\nmodule \"m\"\nconst @axis: i64[] = 0\n"
                                             "func @main(%x: f32[65536]) -> (%y) {\n"
                                             "  %y = CumSum(%x, @axis)\n  return %y\n}\n");
    float *x = fv_alloc_aligned(arena, N * sizeof *x, 64);
    float *y = fv_alloc_aligned(arena, N * sizeof *y, 64);
    for (int i = 0; i < N; i++)
        x[i] = 0.1f;
    size_t work;
    const void *in = x;
    void *out = y;
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert_eq(fv_interp_plan(interp, NULL, &work, NULL), FV_OK);
    int status = fv_interp_run(interp, NULL, &in, &out, NULL,
                               fv_alloc_aligned(arena, work + 64, 64), work, NULL);
    cr_assert_eq(status, FV_OK, "%s", fv_interp_fault(interp));
    for (int i = 0; i < N; i++)
        cr_assert_eq(y[i], (float)((double)0.1f * (i + 1)), "sum of %d elements", i + 1);
}

Test(running, columns) {
    static const char *const targets[] = {"x86-64-v4", "x86-64-v3", "aarch64", "generic"};
    static const int64_t columns[] = {0,  1,  2,  5,  15,  16,  17,  31,  32,  36,
                                      63, 64, 65, 77, 100, 112, 127, 128, 129, 200};
    enum { NCOLUMNS = sizeof columns / sizeof *columns };
    for (int i = 0; i < 4 * 3 * 4; i++) {
        sums s = {{2, 5, 0}, i % 3, i / 3 & 1, i / 6 & 1, .known = false};
        const char *target = targets[i / 12];
        const fv_program *p = lower(target, text_of(&s));
        for (int c = 0; c < NCOLUMNS; c++) {
            s.dims[2] = columns[c];
            check(&s, target, p);
        }
    }
    for (int c = 0; c < NCOLUMNS; c++) {
        sums s = {{2, 5, columns[c]}, c % 4 ? 1 : -3, c & 1, c >> 1 & 1, .known = true};
        for (int t = 0; t < 4; t++)
            check(&s, targets[t], lower(targets[t], text_of(&s)));
    }
}
