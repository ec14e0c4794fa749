/* Tiles, caches and vector widths change no bit: products of all kinds, lowered for targets that
 * differ only in registers, vectors and caches, give the same bits; and, within an error, the
 * results of the naive schedule. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/verify.h"
#include "ir/target/machine.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"

/* Vector bits, registers, second-level cache, processor: 4 x 4, 6 x 8, 6 x 16, 8 x 12, 12 x 16, 12
 * x 32 tiles, blocks of one tile to ten; 16 sums in flight. */
static const struct tiling {
    int bits, registers, l2_bytes;
    fv_processor_id processor;
} tilings[] = {
    {512, 32, 1 << 20},   {512, 32, 1 << 10},
    {256, 16, 256 << 10}, {256, 16, 1 << 12},
    {256, 32, 1 << 20},   {128, 16, 256 << 10},
    {128, 32, 512 << 10}, {128, 32, 1 << 20, FV_PROCESSOR_neoverse_v1},
    {0, 16, 1 << 16},
};

static int seq; /* the symbol n in the run; 29: two tiles of 12 and 5, a prime for edges */

static double value(int64_t i, int k) {
    return sin((double)(i * 7 + k * 131) * 0.7) * 1.25;
}

/* A constant in graph IR text. */
static const char *constant(const char *name, int rows, int columns) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @%s: f32[%d, %d] = [", name, rows, columns);
    for (int i = 0; i < rows * columns; i++)
        fv_text_printf(&t, "%s%.9g", i ? ", " : "", (double)(float)value(i, name[0]));
    fv_text_put(&t, "]\n");
    return t.s;
}

static fv_program *lower(const char *text, const fv_target *target, bool naive) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = target, .naive = naive};
    cr_assert(m && fv_run_passes(m, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    fv_program_expand(p);
    return p;
}

/* All results behind each other. */
static float *run(const fv_program *p, int64_t *count) {
    int64_t dims[8], out_dims[64];
    const void *in[8];
    void *out[8];
    size_t bytes;
    for (int i = 0; i < p->symbols.n; i++)
        dims[i] = seq;
    for (int i = 0; i < p->ninputs; i++) {
        int64_t n = 1;
        for (int k = 0; k < p->inputs[i].rank; k++)
            n *= fv_dim_is_const(p->inputs[i].dims[k]) ? p->inputs[i].dims[k]->value : seq;
        float *x = FV_NEW(arena, float, n + 1);
        for (int64_t e = 0; e < n; e++)
            x[e] = (float)value(e, i);
        in[i] = x;
    }
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert(interp && fv_interp_plan(interp, dims, &bytes, out_dims) == 0);
    enum { MOST = 1 << 17 };
    float *all = FV_NEW(arena, float, MOST);
    *count = 0;
    for (int i = 0; i < p->noutputs; i++) {
        const int64_t *d = out_dims + fv_out_dims_at(p, i) + 1; /* behind the capacity */
        int64_t n = 1;
        for (int k = 0; k < p->outputs[i].rank; k++)
            n *= d[k];
        out[i] = all + *count;
        *count += n;
        cr_assert_lt(*count, MOST);
    }
    int status = fv_interp_run(interp, dims, in, out, out_dims,
                               fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "%s", fv_interp_fault(interp));
    return all;
}

static void check_at(const char *text, const char *schedule) {
    int64_t n, count;
    float *first = NULL;
    fv_target target = *fv_target_find("x86-64-v3");
    float *naive = run(lower(text, &target, true), &n);
    for (size_t i = 0; i < sizeof tilings / sizeof *tilings; i++) {
        if (i > 0 && !sample_has(text, i, 1, 3))
            continue;
        target.vector_bits = tilings[i].bits;
        target.vector_registers = tilings[i].registers;
        target.caches.l2_bytes = tilings[i].l2_bytes;
        target.processor = tilings[i].processor;
        fv_program *p = lower(text, &target, false);
        bool found = false;
        fv_text all = {.arena = arena};
        for (int k = 0; k < p->nkernels; k++) {
            const char *how = fv_schedule_brief(arena, p->kernels[k]->schedule);
            found |= strstr(how, schedule) != NULL;
            fv_text_printf(&all, "; %s", how);
        }
        cr_assert(found || i > 0, "no kernel is a '%s'%s", schedule, all.s);
        float *now = run(p, &count);
        cr_assert_eq(count, n);
        first = first ? first : now;
        for (int64_t e = 0; e < n; e++) {
            if (isnan(now[e]) && isnan(first[e]) && isnan(naive[e]))
                continue; /* the mean of nothing */
            cr_assert(memcmp(&now[e], &first[e], sizeof *now) == 0,
                      "%s: tiling %zu: element %lld is %a, not %a", text, i, (long long)e,
                      (double)now[e], (double)first[e]);
            cr_assert(now[e] == naive[e] ||
                          fabsf(now[e] - naive[e]) <= 1e-4f + 1e-4f * fabsf(naive[e]),
                      "%s: n = %d, tiling %zu: element %lld is %g, naive %g", text, seq, i,
                      (long long)e, (double)now[e], (double)naive[e]);
        }
    }
}

/* schedule: what the largest tiles are called in the kernels' text. */
static void check(const char *text, const char *schedule) {
    static const int all[] = {29, 1, 0};
    for (int i = 0; i < 3; i++) {
        seq = all[i];
        check_at(text, schedule);
    }
}

#define TILINGS(name)                                                                              \
    Test(tilings, name, .init = open_session, .fini = close_session, .timeout = 900)
#define HEAD "fovea-ir 1\nmodule \"m\"\nsymbol n 0..4096\n"

TILINGS(weights_with_an_epilogue) {
    check(fv_printf(arena,
                    HEAD "%s%sfunc @main(%%x: f32[2, n, 40]) -> (%%y) {\n"
                         "  %%a = MatMul(%%x, @w)\n  %%b = Add(%%a, @bias)\n  %%s = Sigmoid(%%b)\n "
                         " %%y = Mul(%%b, %%s)\n"
                         "  return %%y\n}\n",
                    constant("w", 40, 70), constant("bias", 1, 70)),
          "contract 12 x 32, packed");
}

TILINGS(weights_that_lie_across) {
    check(fv_printf(arena,
                    HEAD "%sfunc @main(%%x: f32[n, 33]) -> (%%y) {\n"
                         "  %%y = Gemm(%%x, @w) {transB = 1, alpha = 0.5}\n  return %%y\n}\n",
                    constant("w", 50, 33)),
          "contract 12 x 32, packed");
}

/* Does a kernel of p contain these words? */
static bool contains(const fv_program *p, const char *words) {
    bool found = false;
    for (int i = 0; i < p->nkernels; i++) {
        fv_text t = {.arena = arena};
        fv_kernel_print(&t, p->kernels[i]);
        found |= strstr(t.s, words) != NULL;
    }
    return found;
}

/* A product with weights in fewer bits than f32. */
static const char *narrow_weights(const char *type, int steps) {
    fv_text w = {.arena = arena};
    for (int i = 0; i < steps * 70; i++)
        fv_text_printf(&w, "%s%d", i ? ", " : "", (int)(value(i, 'w') * 6));
    return fv_printf(arena,
                     HEAD "const @w: %s[%d, 70] = [%s]\n"
                          "func @main(%%x: f32[n, %d]) -> (%%y) {\n"
                          "  %%f = Cast(@w) {to = 1}\n  %%y = MatMul(%%x, %%f)\n"
                          "  return %%y\n}\n",
                     type, steps, w.s, steps);
}

/* Weights with steps that are converted for all tiles of a block (`expected`), in several parts, or
 * that each tile converts. */
static void check_narrow(const char *type, int steps, bool expected) {
    const char *text = narrow_weights(type, steps);
    fv_program *p = lower(text, fv_target_find("x86-64-v3"), false);
    cr_assert_eq(contains(p, "tile unpacked: f32"), expected, "%s, %d steps", type, steps);
    check(text, "contract 12 x 32, packed");
}

TILINGS(weights_in_f16) {
    check_narrow("f16", 300, true);
    check_narrow("f16", 16, false);
}

TILINGS(weights_in_bf16) {
    check_narrow("bf16", 300, false); /* two steps share a word, which each tile converts */
    check_narrow("bf16", 301, true);
}

/* The last part of the steps has fewer of them, but whole pairs. */
TILINGS(parts_of_pairs) {
    const char *text = narrow_weights("bf16", 1400);
    fv_target target = *fv_target_find("x86-64-v4");
    int64_t n;
    seq = 29;
    float *whole = run(lower(text, &target, false), &n);
    target.caches.l2_bytes = 1 << 10;
    const fv_program *p = lower(text, &target, false);
    cr_assert(contains(p, "for from = 0 to 1400 step 480"));
    cr_assert_arr_eq(run(p, &n), whole, (size_t)n * sizeof *whole);
}

TILINGS(weights_in_bytes) {
    check_narrow("f8e4m3fn", 300, true);
    check_narrow("i8", 300, true);
    check_narrow("i8", 150, false); /* all panels fill less than half of the first-level cache */
}

TILINGS(one_row) {
    check(fv_printf(arena,
                    HEAD "%sfunc @main(%%x: f32[1, 64]) -> (%%y) {\n  %%y = MatMul(%%x, @w)\n"
                         "  return %%y\n}\n",
                    constant("w", 64, 150)),
          "contract 1 x 80, packed");
}

/* Up to four tiles of a block convert their panels themselves, with prefetches of their own or
 * shared ones; more tiles share a converted panel. */
TILINGS(tiles_that_convert) {
    static const int all[] = {0, 1, 12, 13, 29, 48, 49, 60, 190};
    fv_measure speeds[FV_NMEASURES] = {[FV_MEASURE_last_level] = {.value = 1, .known = true}};
    const char *text = narrow_weights("f16", 300);
    fv_target target = *fv_target_find("x86-64-v4");
    fv_program *old = lower(text, &target, false);
    target.processor = FV_PROCESSOR_sapphire_rapids;
    fv_program *few = lower(text, &target, false);
    target.caches = (fv_caches){4 << 10, 24 << 10, 40 << 10, 8};
    target.own.speeds = speeds;
    fv_program *shared = lower(text, &target, false);
    cr_assert(contains(old, "tile unpacked: f32") && !contains(old, "<= 48"));
    cr_assert(contains(few, "tile unpacked: f32") && contains(few, "<= 48"));
    cr_assert(contains(shared, "let shift"));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t n, count;
        seq = all[i];
        float *expected = run(old, &n);
        cr_assert_arr_eq(run(few, &count), expected, (size_t)n * sizeof *expected, "%d rows", seq);
        cr_assert_arr_eq(run(shared, &count), expected, (size_t)n * sizeof *expected, "%d rows",
                         seq);
    }
}

/* The first tile of a block converts a panel for the other ones, in each of several parts of the
 * steps, where one instruction does so. Results are those of panels that are converted before. */
TILINGS(first_tile_converts) {
    static const int all[] = {0, 1, 12, 13, 24, 29, 190};
    const char *text = narrow_weights("f16", 1400), *later = "for `tile` = 12 to";
    const fv_target *with = fv_target_find("x86-64-v4");
    fv_target without = *with;
    without.level = fv_target_find("x86-64-v2")->level; /* without conversions of f16 */
    fv_program *first = lower(text, with, false), *before = lower(text, &without, false);
    cr_assert(contains(first, later));
    cr_assert(contains(first, "for from = 0 to 1400"));
    cr_assert(!contains(before, later) && contains(before, "tile unpacked: f32"));
    cr_assert(!contains(lower(narrow_weights("i8", 300), with, false), later));
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t n, count;
        seq = all[i];
        float *expected = run(before, &n);
        cr_assert_arr_eq(run(first, &count), expected, (size_t)n * sizeof *expected, "%d rows",
                         seq);
        cr_assert_eq(count, n);
    }
}

/* All tiles of a block of rows share the prefetches of the next panel, also those of the rows that
 * fill no complete tile: one tile, two of one number of rows or of several, five of 12 rows. */
TILINGS(shared_prefetches) {
    static const int all[] = {0, 1, 7, 8, 12, 16, 23, 29, 36, 60};
    fv_measure speeds[FV_NMEASURES] = {[FV_MEASURE_last_level] = {.value = 1, .known = true}};
    const char *text = fv_printf(arena,
                                 HEAD "%sfunc @main(%%x: f32[n, 90]) -> (%%y) {\n"
                                      "  %%y = MatMul(%%x, @w)\n  return %%y\n}\n",
                                 constant("w", 90, 70));
    fv_target shared = *fv_target_find("x86-64-v4"), apart = shared;
    shared.caches = apart.caches = (fv_caches){4 << 10, 24 << 10, 24 << 10, 8};
    shared.processor = apart.processor = FV_PROCESSOR_sapphire_rapids;
    shared.own.speeds = speeds;
    fv_program *p = lower(text, &shared, false), *q = lower(text, &apart, false);
    fv_text t = {.arena = arena}, u = {.arena = arena};
    fv_kernel_print(&t, p->kernels[0]);
    fv_kernel_print(&u, q->kernels[0]);
    cr_assert(strstr(t.s, "let shift") && !strstr(u.s, "let shift"), "%s%s", t.s, u.s);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t n, count;
        seq = all[i];
        float *one = run(p, &n), *two = run(q, &count);
        cr_assert_eq(count, n);
        cr_assert_arr_eq(one, two, (size_t)n * sizeof *one, "%d rows", seq);
    }
}

TILINGS(attention) {
    check(HEAD
          "const @c: f32[] = 0.25\n"
          "func @main(%q: f32[3, n, 16], %k: f32[3, n, 16], %v: f32[3, n, 16]) -> (%y) {\n"
          "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %kc = Mul(%kt, @c)\n  %s = MatMul(%q, %kc)\n"
          "  %p = Softmax(%s) {axis = -1}\n  %o = MatMul(%p, %v)\n  %y = Transpose(%o) {perm = [1, "
          "0, 2]}\n"
          "  return %y\n}\n",
          "attend 12 x 16");
}

TILINGS(grouped_heads) {
    check(HEAD
          "func @main(%q: f32[4, n, 16], %k: f32[2, n, 16]) -> (%y) {\n"
          "  %a = fv.Reshape(%k) {dims = [2, 1, n, 16]}\n  %b = fv.Expand(%a) {dims = [2, 2, n, "
          "16]}\n"
          "  %c = fv.Reshape(%b) {dims = [4, n, 16]}\n  %t = Transpose(%c) {perm = [0, 2, 1]}\n"
          "  %y = MatMul(%q, %t)\n  return %y\n}\n",
          "contract 12 x 32, packs");
}

TILINGS(columns_that_may_be_none) {
    check("fovea-ir 1\nmodule \"m\"\nsymbol n 0..30\n"
          "func @main(%x: f32[20, 16], %w: f32[n, 16]) -> (%y) {\n  %t = Transpose(%w) {perm = [1, "
          "0]}\n"
          "  %y = MatMul(%x, %t)\n  return %y\n}\n",
          "contract 12 x 32, packs");
}

/* Axes with no block of 4 to 16 elements, one block, complete blocks, and a last block that
 * overlaps the one before it. */
static void check_across(const char *text) {
    static const int all[] = {0, 1, 3, 4, 15, 16, 17, 33, 64, 101};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        seq = all[i];
        check_at(text, "transpose");
    }
}

TILINGS(across) {
    check_across(HEAD "func @main(%x: f32[n, 45]) -> (%y) {\n  %y = Transpose(%x) {perm = [1, "
                      "0]}\n  return %y\n}\n");
}

TILINGS(across_within_few_columns) {
    check_across(HEAD "func @main(%x: f32[7, n, 4]) -> (%y) {\n  %y = Transpose(%x) {perm = [0, 2, "
                      "1]}\n  return %y\n}\n");
}

TILINGS(across_both_symbolic) {
    check_across(HEAD "func @main(%x: f32[n, n]) -> (%y) {\n  %y = Transpose(%x) {perm = [1, 0]}\n "
                      " return %y\n}\n");
}

TILINGS(across_without_bound) {
    check("fovea-ir 1\nmodule \"m\"\nsymbol n 0..1099511627776\n"
          "func @main(%x: f32[64, n, n]) -> (%y) {\n  %y = Transpose(%x) {perm = [1, 2, 0]}\n  "
          "return %y\n}\n",
          "transpose");
}

/* To channels last, padded, with what is computed of the element: along rows, along columns, twice
 * of it. */
TILINGS(across_with_work) {
    check_across(fv_printf(
        arena,
        HEAD
        "%s%sconst @p: i64[6] = [0, 0, 1, 0, 0, 2]\n"
        "func @main(%%x: f32[2, 20, n]) -> (%%y) {\n  %%a = Pad(%%x, @p) {mode = \"constant\"}\n"
        "  %%t = Transpose(%%a) {perm = [0, 2, 1]}\n  %%b = Mul(%%t, @w)\n  %%c = Add(%%b, @bias)\n"
        "  %%r = Relu(%%c)\n  %%d = Cast(%%r) {to = 11}\n  %%y = Cast(%%d) {to = 1}\n  return "
        "%%y\n}\n",
        constant("w", 1, 20), constant("bias", 1, 20)));
}

TILINGS(convolution) {
    check(fv_printf(arena,
                    HEAD
                    "%sconst @d: i64[4] = [14, 3, 3, 3]\n"
                    "func @main(%%x: f32[2, 3, 9, 37]) -> (%%y, %%z) {\n  %%f = Reshape(@w, @d)\n"
                    "  %%y = Conv(%%x, %%f) {pads = [1, 1, 1, 1]}\n  %%z = Conv(%%x, %%f) {strides "
                    "= [2, 2]}\n"
                    "  return %%y, %%z\n}\n",
                    constant("w", 14, 27)),
          "contract 10 x 32");
}

/* Channels come last in memory where 16 or more are computed: a window, a block with a residual, a
 * filter of each channel, a pool, and what is reshaped in between, which keeps its order. */
TILINGS(channels_last) {
    check(
        fv_printf(arena,
                  HEAD
                  "%s%s%sconst @d: i64[4] = [20, 3, 3, 3]\nconst @e: i64[4] = [20, 20, 1, 3]\n"
                  "const @g: i64[4] = [20, 1, 3, 3]\nconst @rows: i64[3] = [0, 0, -1]\nconst @one: "
                  "i64[1] = [1]\nconst @two: i64[1] = [2]\nconst @small: f32[] = 0.03\n"
                  "func @main(%%x: f32[1, 3, n, 14]) -> (%%y, %%p, %%q, %%r, %%s) {\n"
                  "  %%f = Reshape(@a, @d)\n  %%m = Mul(@b, @small)\n  %%h = Reshape(%%m, @e)\n  "
                  "%%k = Reshape(@c, @g)\n"
                  "  %%v1 = Conv(%%x, %%f) {pads = [1, 1, 1, 1]}\n  %%v2 = Relu(%%v1)\n"
                  "  %%v3 = Conv(%%v2, %%h) {pads = [0, 1, 0, 1]}\n  %%v4 = Add(%%v3, %%v2)\n"
                  "  %%v5 = Conv(%%v4, %%k) {pads = [1, 1, 1, 1], group = 20}\n"
                  "  %%v6 = Conv(%%v5, %%k) {pads = [2, 2, 2, 2], dilations = [2, 2], group = 20}\n"
                  "  %%v7 = MaxPool(%%v6) {kernel_shape = [3, 2], pads = [1, 0, 1, 0], strides = "
                  "[1, 2]}\n"
                  "  %%p = GlobalAveragePool(%%v7)\n  %%v8 = Mul(%%v7, %%p)\n  %%q = "
                  "ReduceMax(%%v8, @one)\n"
                  "  %%v9 = Reshape(%%v4, @rows)\n  %%r = ReduceMin(%%v9, @two)\n  %%s = "
                  "Softmax(%%v8) {axis = 1}\n"
                  "  %%y = Conv(%%v4, %%h) {pads = [0, 1, 0, 1], strides = [1, 1]}\n"
                  "  return %%y, %%p, %%q, %%r, %%s\n}\n",
                  constant("a", 20, 27), constant("b", 20, 60), constant("c", 20, 9)),
        "packed");
}

/* Windows that stay inside along one axis and not along the other, of sizes that may be too small
 * for any. */
TILINGS(windows_of_symbolic_size) {
    check(fv_printf(arena,
                    HEAD "%sconst @d: i64[4] = [18, 5, 3, 2]\nconst @e: i64[4] = [18, 18, 3, 2]\n"
                         "func @main(%%x: f32[1, 5, n, 7]) -> (%%y, %%z) {\n"
                         "  %%f = Reshape(@w, @d)\n  %%g = Reshape(@v, @e)\n"
                         "  %%a = Conv(%%x, %%f) {pads = [0, 1, 0, 1]}\n"
                         "  %%y = Conv(%%a, %%g) {pads = [0, 2, 0, 0]}\n"
                         "  %%b = MaxPool(%%a) {kernel_shape = [2, 2], strides = [3, 2]}\n"
                         "  %%z = Conv(%%b, %%g) {pads = [2, 0, 1, 0], dilations = [2, 1]}\n"
                         "  return %%y, %%z\n}\n",
                    fv_printf(arena, "%s%s", constant("w", 18, 30), constant("v", 18, 108))),
          "packed");
}

TILINGS(transposed_convolution) {
    check(fv_printf(
              arena,
              HEAD
              "%sconst @d: i64[4] = [5, 18, 3, 4]\nconst @e: i64[4] = [30, 3, 3, 4]\nconst @k: "
              "i64[4] = [20, 18, 1, 3]\n"
              "func @main(%%x: f32[1, 5, n, 6], %%z: f32[1, 30, 3, n]) -> (%%y, %%a, %%b) {\n"
              "  %%f = Reshape(@w, @d)\n  %%g = Reshape(@w, @e)\n  %%h = Reshape(@w, @k)\n"
              "  %%v1 = ConvTranspose(%%x, %%f) {strides = [2, 3], pads = [1, 0, 0, 2], "
              "output_padding = [1, 0]}\n"
              "  %%y = Tanh(%%v1)\n  %%a = Conv(%%v1, %%h)\n"
              "  %%b = ConvTranspose(%%z, %%g) {strides = [2, 1], dilations = [1, 2], group = 3}\n"
              "  return %%y, %%a, %%b\n}\n",
              constant("w", 30, 36)),
          "packed");
}

/* Groups of few and of many channels, with either order of axes in the factor, and with a
 * stride. */
TILINGS(filters_in_groups) {
    check(fv_printf(arena,
                    HEAD
                    "%s%sconst @d: i64[4] = [36, 6, 3, 1]\nconst @e: i64[4] = [36, 18, 1, "
                    "2]\nconst @f: i64[4] = [36, 36, 1, 1]\n"
                    "func @main(%%x: f32[1, 36, n, 9]) -> (%%y, %%z, %%u, %%w) {\n"
                    "  %%fa = Reshape(@a, @d)\n  %%fb = Reshape(@b, @e)\n  %%fc = Reshape(@b, @f)\n"
                    "  %%p = Conv(%%x, %%fc)\n  %%q = Conv(%%p, %%fa) {pads = [1, 0, 1, 0], group "
                    "= 6}\n  %%y = Relu(%%q)\n"
                    "  %%r = Conv(%%q, %%fb) {group = 2}\n  %%z = Sigmoid(%%r)\n"
                    "  %%u = Conv(%%p, %%fa) {strides = [1, 2], pads = [1, 0, 1, 0], group = 6}\n"
                    "  %%s = fv.Reshape(%%q) {dims = [1, 6, 6, n, 9]}\n  %%t = Transpose(%%s) "
                    "{perm = [0, 2, 1, 3, 4]}\n"
                    "  %%v = fv.Reshape(%%t) {dims = [1, 36, n, 9]}\n  %%w = Relu(%%v)\n"
                    "  return %%y, %%z, %%u, %%w\n}\n",
                    constant("a", 36, 18), constant("b", 36, 36)),
          "packed");
}
