/* Fourier transforms compared with sums in f64, for all short lengths and a sample of long ones,
 * with lengths that are known when the model is compiled and lengths that only the run knows. The
 * error is the norm of the difference divided by the norm of the true result. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "ops/spectral/fourier.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

enum { MOST_BINS = 97 }; /* that are compared */

TestSuite(fourier, .init = open_session, .fini = close_session);

typedef struct transform {
    const char *type;
    int64_t n, have, lines;
    int parts;
    bool inverse, onesided, at_run_time;
} transform;

static fv_program *lower(const char *text) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3"), .saves = FV_SAVES_LOWERING};
    fv_pipeline_options po = {.verify = true};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    fv_program_expand(p);
    return p;
}

static fv_program *program(const transform *f) {
    const char *rest = fv_printf(arena, "{inverse = %d, onesided = %d}\n  return %%y\n}\n",
                                 f->inverse, f->onesided);
    if (f->at_run_time)
        return lower(fv_printf(arena,
                               "fovea-ir 1\nmodule \"m\"\nsymbol n 1..1000000\nfunc @main(%%x: "
                               "%s[%lld, n, %d]) -> (%%y) {\n  %%y = DFT(%%x) %s",
                               f->type, (long long)f->lines, f->parts, rest));
    return lower(fv_printf(arena,
                           "fovea-ir 1\nmodule \"m\"\nconst @n: i64[] = %lld\nfunc @main(%%x: "
                           "%s[%lld, %lld, %d]) -> (%%y) {\n  %%y = DFT(%%x, @n) %s",
                           (long long)f->n, f->type, (long long)f->lines, (long long)f->have,
                           f->parts, rest));
}

static void run(const fv_program *p, const transform *f, const void *in, void *out) {
    size_t work;
    int64_t dims[16] = {f->n}, actual[16] = {0};
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert_eq(fv_interp_plan(interp, dims, &work, actual), FV_OK);
    int status = fv_interp_run(interp, dims, &in, &out, actual,
                               fv_alloc_aligned(arena, work + 64, 64), work, NULL);
    cr_assert_eq(status, FV_OK, "%s", fv_interp_fault(interp));
}

static double value(const transform *f, const void *x, int64_t i) {
    return strcmp(f->type, "f32") == 0 ? (double)((const float *)x)[i] : ((const double *)x)[i];
}

/* Part of element t of a line, as a whole spectrum has it. */
static double given(const transform *f, const void *x, int64_t line, int64_t t, int part) {
    bool half = f->inverse && f->onesided, mirrored = half && 2 * t > f->n;
    t = mirrored ? f->n - t : t;
    if (t >= f->have || part >= f->parts || (half && part && (t == 0 || 2 * t == f->n)))
        return 0;
    double v = value(f, x, (line * f->have + t) * f->parts + part);
    return mirrored && part ? -v : v;
}

static double error_of(const fv_program *p, const transform *f) {
    int pairs = f->inverse && f->onesided ? 1 : 2;
    int64_t bins = f->onesided && !f->inverse ? f->n / 2 + 1 : f->n, step = bins / MOST_BINS + 1;
    size_t bytes = strcmp(f->type, "f32") == 0 ? 4 : 8;
    void *x = fv_alloc_aligned(arena, (size_t)(f->lines * f->have * f->parts) * bytes + 64, 64);
    void *y = fv_alloc_aligned(arena, (size_t)(f->lines * bins * pairs) * bytes + 64, 64);
    uint64_t seed = (uint64_t)f->n * 2654435761u + 1;
    for (int64_t i = 0; i < f->lines * f->have * f->parts; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        double v = (double)(int64_t)(seed >> 33) / 1073741824.0 - 1;
        if (bytes == 4)
            ((float *)x)[i] = (float)v;
        else
            ((double *)x)[i] = v;
    }
    run(p, f, x, y);
    double off = 0, all = 0, *cosine = FV_NEW(arena, double, (size_t)f->n),
           *sine = FV_NEW(arena, double, (size_t)f->n);
    for (int64_t t = 0; t < f->n; t++)
        fv_unit_root(t, f->n, &cosine[t], &sine[t]);
    for (int64_t line = 0; line < f->lines; line++)
        for (int64_t k = line % step; k < bins; k += step) {
            long double sum[2] = {0, 0};
            for (int64_t t = 0; t < f->n; t++) {
                double re = given(f, x, line, t, 0), im = given(f, x, line, t, 1),
                       c = cosine[t * k % f->n];
                double s = f->inverse ? -sine[t * k % f->n] : sine[t * k % f->n];
                sum[0] += (long double)re * c + (long double)im * s;
                sum[1] += (long double)im * c - (long double)re * s;
            }
            for (int part = 0; part < pairs; part++) {
                double is = (double)(f->inverse ? sum[part] / f->n : sum[part]);
                double d = value(f, y, (line * bins + k) * pairs + part) - is;
                off += d * d;
                all += is * is;
            }
        }
    return sqrt(off / all);
}

static void check(const fv_program *p, transform f) {
    bool single = strcmp(f.type, "f32") == 0;
    double e = error_of(p, &f);
    cr_expect(e <= (single ? 2.5e-7 : 1e-15), "%s, %lld of %lld: %g", f.type, (long long)f.have,
              (long long)f.n, e);
}

static void is_exact(transform f) {
    f.have = f.have ? f.have : f.n;
    f.lines = f.lines ? f.lines : 1;
    f.parts = f.parts ? f.parts : 2;
    check(program(&f), f);
}

/* The same program does all lengths of the run. */
static void are_exact(const char *type, bool inverse, int count, const int64_t *n) {
    transform f = {
        .type = type, .n = n[0], .lines = 2, .parts = 2, .inverse = inverse, .at_run_time = true};
    const fv_program *p = program(&f);
    for (int i = 0; i < count; i++) {
        f.n = f.have = n[i];
        check(p, f);
    }
}

static const int64_t long_ones[] = {81,  97,  121,  128,  210,  243,  331,
                                    512, 625, 1009, 2048, 2310, 4096, 5003};
enum { LONG = sizeof long_ones / sizeof *long_ones };

Test(fourier, short_lengths) {
    for (int64_t n = 1; n <= 70; n++)
        is_exact((transform){.type = n % 2 ? "f32" : "f64", .n = n, .lines = 2});
}

Test(fourier, lengths_of_the_run) {
    int64_t n[70];
    for (int i = 0; i < 70; i++)
        n[i] = i + 1;
    are_exact("f32", false, 70, n);
    are_exact("f64", true, 70, n);
    are_exact("f32", true, LONG, long_ones);
    are_exact("f64", false, LONG, long_ones);
}

Test(fourier, long_lengths) {
    for (int i = 0; i < LONG; i++)
        is_exact(
            (transform){.type = i % 2 ? "f32" : "f64", .n = long_ones[i], .inverse = i % 3 == 0});
    is_exact((transform){.type = "f32", .n = 2048});
    is_exact((transform){.type = "f32", .n = 30030});
}

Test(fourier, a_length_without_constant_tables) {
    is_exact((transform){.type = "f32", .n = 65537, .have = 100});
}

Test(fourier, halves) {
    for (int i = 0; i < 16; i++) {
        int64_t n = i < 6 ? 14 + 3 * i : long_ones[i - 6];
        is_exact((transform){.type = "f32", .n = n, .parts = 1, .onesided = true, .lines = 3});
        is_exact((transform){.type = "f32",
                             .n = n,
                             .have = n / 2 + 1,
                             .onesided = true,
                             .inverse = true,
                             .lines = 18});
        is_exact((transform){
            .type = "f64", .n = n, .have = n / 2 - 1, .onesided = true, .inverse = true});
    }
}

Test(fourier, cut_and_padded) {
    for (int64_t n = 15; n < 50; n += 11) {
        is_exact((transform){.type = "f32", .n = n, .have = n - 5, .parts = 1});
        is_exact((transform){.type = "f32", .n = n, .have = n + 5, .inverse = true});
        is_exact((transform){.type = "f64", .n = n, .have = 2 * n, .parts = 1, .onesided = true});
    }
}
