/* Attention as one kernel gives the bits of three, where these have the scores in rows as well: each case is compiled as
 * it is, which has an `attend` kernel, and with its weights returned besides, which has none. For all tilings, and for
 * sizes that leave edges everywhere. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/lower.h"
#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

TestSuite(attend, .init = open_session, .fini = close_session, .timeout = 60);

/* Vector bits, registers, second-level cache: blocks of one tile to four. */
static const struct tiling {
    int bits, registers, l2_bytes;
} tilings[] = {{512, 32, 1 << 20}, {512, 32, 1 << 10}, {256, 16, 1 << 15}, {128, 16, 1 << 12}, {0, 16, 1 << 16}};

static fv_program *lower(const char *body, const char *returned, const fv_target *target) {
    const char *at = strstr(body, "(%y)");
    cr_assert(at);
    const char *text = fv_printf(arena, "fovea-ir 1\nmodule \"m\"\nsymbol n 0..4096\nsymbol m 0..4096\n%.*s(%s)%s  return %s\n}\n",
                                 (int)(at - body), body, returned, at + 4, returned);
    fv_module *g = fv_module_parse(session, text, NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = target};
    cr_assert(g && fv_run_passes(g, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(g, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    fv_program_expand(p);
    return p;
}

static int attends(const fv_program *p) {
    int n = 0;
    for (int i = 0; i < p->nkernels; i++)
        n += p->kernels[i]->schedule->kind == FV_SCHEDULE_attend;
    return n;
}

static int64_t count_of(const fv_program *p, const fv_port *port, const int64_t *dims) {
    int64_t n = 1;
    for (int i = 0; i < port->rank; i++) {
        int64_t d = port->dims[i]->value;
        for (int k = 0; k < p->nsymbols; k++)
            d = port->dims[i] == p->symbols[k] ? dims[k] : d;
        n *= d;
    }
    return n;
}

/* The first result. Every seventh element of a boolean is false. */
static void *run(const fv_program *p, int n, int m, size_t *size) {
    int64_t dims[4], out_dims[16];
    const void *in[8];
    void *out[4];
    size_t bytes;
    for (int i = 0; i < p->nsymbols; i++) /* r and s: of a mask that may be broadcast along n or m */
        switch (p->symbols[i]->name[0]) {
        case 'n': dims[i] = n; break;
        case 'm': dims[i] = m; break;
        case 'r': dims[i] = n % 2 ? n : 1; break;
        default: dims[i] = m % 5 && m ? m : 1; break;
        }
    for (int i = 0; i < p->ninputs; i++) {
        int64_t count = count_of(p, &p->inputs[i], dims);
        bool wide = p->inputs[i].elem == FV_F64, flag = p->inputs[i].elem == FV_BOOL;
        in[i] = FV_NEW(arena, double, count + 1);
        for (int64_t e = 0; e < count; e++) {
            double x = sin((double)(e * 7 + i * 131) * 0.7) * 1.25;
            if (flag)
                ((bool *)in[i])[e] = e % 7 != 0;
            else if (wide)
                ((double *)in[i])[e] = x;
            else
                ((float *)in[i])[e] = (float)x;
        }
    }
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert(interp && fv_interp_plan(interp, dims, &bytes, out_dims) == 0);
    for (int i = 0, d = 0; i < p->noutputs; i++) {
        int64_t count = 1;
        for (int k = 0; k < p->outputs[i].rank; k++)
            count *= out_dims[d++];
        out[i] = FV_NEW(arena, double, count + 1);
        if (i == 0)
            *size = (size_t)(count * fv_elem_storage_bytes(p->outputs[i].elem));
    }
    int status = fv_interp_run(interp, dims, in, out, out_dims, fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "%s", fv_interp_fault(interp));
    return out[0];
}

static bool same(const void *a, const void *b, size_t size, bool wide) {
    for (size_t i = 0; i < size; i += wide ? 8 : 4) {
        const char *x = (const char *)a + i, *y = (const char *)b + i;
        double u = wide ? *(const double *)x : (double)*(const float *)x, v = wide ? *(const double *)y : (double)*(const float *)y;
        if (!(isnan(u) && isnan(v)) && memcmp(x, y, wide ? 8 : 4) != 0)
            return false;
    }
    return true;
}

/* y is the result, p what the graph has between its two products. */
static void check(const char *body) {
    static const int sizes[][2] = {{29, 37}, {5, 64}, {50, 3}, {1, 17}, {13, 1}, {0, 5}, {4, 0}};
    for (size_t t = 0; t < sizeof tilings / sizeof *tilings; t++) {
        fv_target target = *fv_target_find("x86-64-v3");
        target.vector_bits = tilings[t].bits;
        target.vector_registers = tilings[t].registers;
        target.l2_bytes = tilings[t].l2_bytes;
        const fv_program *one = lower(body, "%y", &target), *three = lower(body, "%y, %p", &target);
        cr_assert_eq(attends(one), 1, "tiling %zu", t);
        cr_assert_eq(attends(three), 0);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t a, b;
            const void *x = run(one, sizes[i][0], sizes[i][1], &a), *y = run(three, sizes[i][0], sizes[i][1], &b);
            cr_assert_eq(a, b);
            cr_assert(same(x, y, a, one->outputs[0].elem == FV_F64), "tiling %zu, n = %d, m = %d", t, sizes[i][0], sizes[i][1]);
        }
    }
}

#define QKV(type) "func @main(%q: " type "[2, 3, n, 8], %k: " type "[2, 3, m, 8], %v: " type "[2, 3, m, 20]"
#define SCORES "  %kt = Transpose(%k) {perm = [0, 1, 3, 2]}\n  %s = MatMul(%q, %kt)\n"

Test(attend, softmax_alone) {
    check(QKV("f32") ") -> (%y) {\n" SCORES "  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, scaled_and_masked_heads_beside_each_other) {
    check("const @c: f32[] = 0.35\n"
          "func @main(%q: f32[2, n, 3, 8], %k: f32[2, m, 3, 8], %v: f32[2, m, 3, 8], %mask: f32[2, 1, 1, m]) -> (%y) {\n"
          "  %qt = Transpose(%q) {perm = [0, 2, 1, 3]}\n  %kt = Transpose(%k) {perm = [0, 2, 3, 1]}\n"
          "  %vt = Transpose(%v) {perm = [0, 2, 1, 3]}\n  %s = MatMul(%qt, %kt)\n  %t = Mul(%s, @c)\n  %u = Add(%t, %mask)\n"
          "  %p = Softmax(%u) {axis = -1}\n  %o = MatMul(%p, %vt)\n  %y = Transpose(%o) {perm = [0, 2, 1, 3]}\n");
}

Test(attend, a_mask_of_keys_that_is_computed) { /* once a task */
    static const char *const body =
        "const @one: f32[] = 1\nconst @low: f32[] = -10000\nconst @axes: i64[2] = [1, 2]\n"
        QKV("f32") ", %keep: bool[2, m]) -> (%y) {\n" SCORES
        "  %f = Cast(%keep) {to = 1}\n  %g = Sub(@one, %f)\n  %h = Mul(%g, @low)\n  %i = Unsqueeze(%h, @axes)\n"
        "  %t = Add(%s, %i)\n  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %v)\n";
    check(body);
    const fv_program *p = lower(body, "%y", fv_target_find("x86-64-v3"));
    cr_expect_eq(p->nkernels, 2, "the keys are packed, and that is all besides");
}

Test(attend, a_mask_of_each_score_that_may_hide_all) {
    check("const @low: f32[] = -inf\nconst @zero: f32[] = 0\n"
          QKV("f32") ", %keep: bool[n, m]) -> (%y) {\n" SCORES "  %t = Where(%keep, %s, @low)\n"
          "  %r = Softmax(%t) {axis = -1}\n  %p = Where(%keep, %r, @zero)\n  %y = MatMul(%p, %v)\n");
}

Test(attend, a_mask_that_may_be_broadcast) {
    check("symbol r 1..4096\nsymbol s 1..4096\n" QKV("f32") ", %mask: f32[r, s]) -> (%y) {\n" SCORES
          "  %t = Add(%s, %mask)\n  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, queries_and_keys_that_are_scaled) { /* and not the scores */
    check("const @c: f32[] = 0.6\n" QKV("f32") ", %bias: f32[8]) -> (%y) {\n"
          "  %b = Add(%q, %bias)\n  %qs = Mul(%b, @c)\n  %ks = Mul(%k, @c)\n  %kt = Transpose(%ks) {perm = [0, 1, 3, 2]}\n"
          "  %s = MatMul(%qs, %kt)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, soft_cap) {
    check("const @c: f32[] = 5\n" QKV("f32") ") -> (%y) {\n" SCORES
          "  %t = Div(%s, @c)\n  %u = Tanh(%t)\n  %w = Mul(%u, @c)\n  %p = Softmax(%w) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, spelled_out) {
    check("const @axis: i64[1] = [-1]\n" QKV("f32") ") -> (%y) {\n" SCORES
          "  %m = ReduceMax(%s, @axis)\n  %d = Sub(%s, %m)\n  %e = Exp(%d)\n  %t = ReduceSum(%e, @axis)\n  %p = Div(%e, %t)\n"
          "  %y = MatMul(%p, %v)\n");
}

Test(attend, sums_of_scores_after_exponentials) { /* what was kept is not there for them */
    check("const @axis: i64[1] = [-1]\n" QKV("f32") ") -> (%y) {\n" SCORES
          "  %r = Softmax(%s) {axis = -1}\n  %a = ReduceMean(%s, @axis)\n  %b = Add(%r, %a)\n  %p = Add(%b, %s)\n"
          "  %y = MatMul(%p, %v)\n");
}

Test(attend, what_a_sum_keeps_beside_the_scores_themselves) {
    check("const @axis: i64[1] = [-1]\n" QKV("f32") ") -> (%y) {\n" SCORES
          "  %e = Tanh(%s)\n  %b = Add(%e, %s)\n  %c = ReduceSum(%b, @axis)\n  %p = Mul(%e, %c)\n  %y = MatMul(%p, %v)\n");
}

Test(attend, doubles) {
    check(QKV("f64") ") -> (%y) {\n" SCORES "  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, heads_that_share_keys) {
    check("func @main(%q: f32[6, n, 8], %k: f32[2, m, 8], %v: f32[2, m, 12]) -> (%y) {\n"
          "  %a = fv.Reshape(%k) {dims = [2, 1, m, 8]}\n  %b = fv.Expand(%a) {dims = [2, 3, m, 8]}\n"
          "  %c = fv.Reshape(%b) {dims = [6, m, 8]}\n  %d = fv.Reshape(%v) {dims = [2, 1, m, 12]}\n"
          "  %e = fv.Expand(%d) {dims = [2, 3, m, 12]}\n  %f = fv.Reshape(%e) {dims = [6, m, 12]}\n"
          "  %t = Transpose(%c) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = -1}\n"
          "  %y = MatMul(%p, %f)\n");
}

Test(attend, batches_and_heads_in_one_axis) { /* as baddbmm leaves them, with a mask of the batch */
    check("func @main(%q: f32[6, n, 8], %k: f32[6, m, 8], %v: f32[6, m, 8], %mask: f32[2, 1, n, m]) -> (%y) {\n"
          "  %t = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %t)\n  %a = fv.Reshape(%s) {dims = [2, 3, n, m]}\n"
          "  %b = Add(%a, %mask)\n  %c = fv.Reshape(%b) {dims = [6, n, m]}\n  %p = Softmax(%c) {axis = -1}\n"
          "  %o = MatMul(%p, %v)\n  %d = fv.Reshape(%o) {dims = [2, 3, n, 8]}\n  %y = Transpose(%d) {perm = [0, 2, 1, 3]}\n");
}

Test(attend, pixels_of_an_image) { /* v is transposed: its rows are the features */
    check("func @main(%q: f32[2, 8, n], %k: f32[2, 8, m], %v: f32[2, 20, m]) -> (%y) {\n"
          "  %qt = Transpose(%q) {perm = [0, 2, 1]}\n  %s = MatMul(%qt, %k)\n  %p = Softmax(%s) {axis = -1}\n"
          "  %pt = Transpose(%p) {perm = [0, 2, 1]}\n  %y = MatMul(%v, %pt)\n");
}

/* What is no attention, or is not worth it. */
static void check_not(const char *body) {
    const fv_target *target = fv_target_find("x86-64-v3");
    cr_assert_eq(attends(lower(body, "%y", target)), 0, "%s", body);
}

/* Definitions are trees where they are walked: asked about each place where something is read, this takes minutes. */
Test(attend, many_ways_to_a_product) {
    fv_text t = {.arena = arena};
    fv_text_put(&t, "func @main(%t0: f32[n, n], %v: f32[n, 8]) -> (%y) {\n");
    for (int i = 0; i < 33; i++)
        fv_text_printf(&t, "  %%t%d = Mul(%%t%d, %%t%d)\n", i + 1, i, i);
    fv_text_put(&t, "  %y = MatMul(%t33, %v)\n");
    check_not(t.s);
}

Test(attend, what_is_none) {
    /* one row */
    check_not("func @main(%q: f32[1, 8], %k: f32[m, 8], %v: f32[m, 8]) -> (%y) {\n  %t = Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
    /* weights of a model on both sides of a norm */
    check_not("const @s: i64[2] = [16, 32]\nconst @t: i64[2] = [32, 16]\nfunc @main(%x: f32[n, 16]) -> (%y) {\n"
              "  %a = ConstantOfShape(@s) {value = tensor f32[1] [0.5]}\n  %b = ConstantOfShape(@t) {value = tensor f32[1] [0.25]}\n"
              "  %h = MatMul(%x, %a)\n  %p = Softmax(%h) {axis = -1}\n  %y = MatMul(%p, %b)\n");
    /* summed along the other axis */
    check_not("func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 8]) -> (%y) {\n  %t = Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = 0}\n  %y = MatMul(%p, %v)\n");
    /* features that may be few */
    check_not("symbol d 0..1\nfunc @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, d]) -> (%y) {\n  %t = Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
    /* the scores would be computed for each of them */
    check_not("func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[32, m, 16]) -> (%y) {\n  %t = Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
    /* no sum along rows */
    check_not("func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 8]) -> (%y) {\n  %t = Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Relu(%s)\n  %y = MatMul(%p, %v)\n");
}
