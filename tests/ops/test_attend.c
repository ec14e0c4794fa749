/* Attention as one kernel: forms of attention, few queries, one row at a time, tasks that share
 * keys. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "ir/kernel/print.h"
#include "tests/kernel/support.h"
#include "tests/ops/attend.h"
#include "tests/sample.h"

TestSuite(attend, .init = open_session, .fini = close_session, .timeout = 900);

Test(attend, softmax_alone) {
    check(QKV("f32") ") -> (%y) {\n" SCORES
                     "  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, scaled_and_masked_heads_beside_each_other) {
    check(
        "const @c: f32[] = 0.35\n"
        "func @main(%q: f32[2, n, 3, 8], %k: f32[2, m, 3, 8], %v: f32[2, m, 3, 8], %mask: f32[2, "
        "1, 1, m]) -> (%y) {\n"
        "  %qt = Transpose(%q) {perm = [0, 2, 1, 3]}\n  %kt = Transpose(%k) {perm = [0, 2, 3, 1]}\n"
        "  %vt = Transpose(%v) {perm = [0, 2, 1, 3]}\n  %s = MatMul(%qt, %kt)\n  %t = Mul(%s, "
        "@c)\n  %u = Add(%t, %mask)\n"
        "  %p = Softmax(%u) {axis = -1}\n  %o = MatMul(%p, %vt)\n  %y = Transpose(%o) {perm = [0, "
        "2, 1, 3]}\n");
}

Test(attend, a_mask_of_keys_that_is_computed) { /* once a task */
    static const char *const body =
        "const @one: f32[] = 1\nconst @low: f32[] = -10000\nconst @axes: i64[2] = [1, 2]\n" QKV(
            "f32") ", %keep: bool[2, m]) -> (%y) {\n" SCORES
                   "  %f = Cast(%keep) {to = 1}\n  %g = Sub(@one, %f)\n  %h = Mul(%g, @low)\n  %i "
                   "= Unsqueeze(%h, @axes)\n"
                   "  %t = Add(%s, %i)\n  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %v)\n";
    check(body);
    const fv_program *p = lower(body, "%y", fv_target_find("x86-64-v3"));
    cr_expect_eq(
        p->nkernels, 6,
        "the keys are packed, tasks may share those of a single query, and that is all besides");
}

Test(attend, a_mask_of_each_score_that_may_hide_all) {
    check("const @low: f32[] = -inf\nconst @zero: f32[] = 0\n" QKV(
        "f32") ", %keep: bool[n, m]) -> (%y) {\n" SCORES "  %t = Where(%keep, %s, @low)\n"
               "  %r = Softmax(%t) {axis = -1}\n  %p = Where(%keep, %r, @zero)\n  %y = MatMul(%p, "
               "%v)\n");
}

Test(attend, a_mask_that_may_be_broadcast) {
    check("symbol r 1..4096\nsymbol s 1..4096\n" QKV(
        "f32") ", %mask: f32[r, s]) -> (%y) {\n" SCORES
               "  %t = Add(%s, %mask)\n  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, queries_and_keys_that_are_scaled) { /* and not the scores */
    check("const @c: f32[] = 0.6\n" QKV(
        "f32") ", %bias: f32[8]) -> (%y) {\n"
               "  %b = Add(%q, %bias)\n  %qs = Mul(%b, @c)\n  %ks = Mul(%k, @c)\n  %kt = "
               "Transpose(%ks) {perm = [0, 1, 3, 2]}\n"
               "  %s = MatMul(%qs, %kt)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, soft_cap) {
    check("const @c: f32[] = 5\n" QKV(
        "f32") ") -> (%y) {\n" SCORES "  %t = Div(%s, @c)\n  %u = Tanh(%t)\n  %w = Mul(%u, @c)\n  "
               "%p = Softmax(%w) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, spelled_out) {
    check("const @axis: i64[1] = [-1]\n" QKV(
        "f32") ") -> (%y) {\n" SCORES "  %m = ReduceMax(%s, @axis)\n  %d = Sub(%s, %m)\n  %e = "
               "Exp(%d)\n  %t = ReduceSum(%e, @axis)\n  %p = Div(%e, %t)\n"
               "  %y = MatMul(%p, %v)\n");
}

/* the row cannot hold the scores when these sums are computed */
Test(attend, sums_of_scores_after_exponentials) {
    check("const @axis: i64[1] = [-1]\n" QKV(
        "f32") ") -> (%y) {\n" SCORES "  %r = Softmax(%s) {axis = -1}\n  %a = ReduceMean(%s, "
               "@axis)\n  %b = Add(%r, %a)\n  %p = Add(%b, %s)\n"
               "  %y = MatMul(%p, %v)\n");
}

Test(attend, what_a_sum_keeps_beside_the_scores_themselves) {
    check("const @axis: i64[1] = [-1]\n" QKV(
        "f32") ") -> (%y) {\n" SCORES "  %e = Tanh(%s)\n  %b = Add(%e, %s)\n  %c = ReduceSum(%b, "
               "@axis)\n  %p = Mul(%e, %c)\n  %y = MatMul(%p, %v)\n");
}

Test(attend, doubles) {
    check(QKV("f64") ") -> (%y) {\n" SCORES
                     "  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
}

Test(attend, heads_that_share_keys) {
    check(
        "func @main(%q: f32[6, n, 8], %k: f32[2, m, 8], %v: f32[2, m, 12]) -> (%y) {\n"
        "  %a = fv.Reshape(%k) {dims = [2, 1, m, 8]}\n  %b = fv.Expand(%a) {dims = [2, 3, m, 8]}\n"
        "  %c = fv.Reshape(%b) {dims = [6, m, 8]}\n  %d = fv.Reshape(%v) {dims = [2, 1, m, 12]}\n"
        "  %e = fv.Expand(%d) {dims = [2, 3, m, 12]}\n  %f = fv.Reshape(%e) {dims = [6, m, 12]}\n"
        "  %t = Transpose(%c) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis "
        "= -1}\n"
        "  %y = MatMul(%p, %f)\n");
}

/* A bias of each head, of the key alone; queries that are scaled; keys that are. */
Test(attend, heads_that_share_keys_and_no_mask) {
    check(OF_GROUPS(
        ", %slope: f32[6, 1, 1], %at: f32[m]") "  %s = MatMul(%q, %kt)\n  %far = Mul(%slope, %at)\n"
                                               "  %t = Add(%s, %far)\n" REST_OF_GROUPS);
    check("const @by: f32[] = 0.6\n" OF_GROUPS(
        "") "  %x = Mul(%q, @by)\n  %z = Mul(%kt, @by)\n  %t = MatMul(%x, %z)\n" REST_OF_GROUPS);
    check(OF_GROUPS(", %mask: f32[2, 1, 1, m]") "  %s = MatMul(%q, %kt)\n  %t = Add(%s, "
                                                "%mask)\n" REST_OF_GROUPS);
}

Test(attend, batches_and_heads_in_one_axis) {
    /* which are two of the result: weights are not kept then */ /* as baddbmm leaves them, with a
     *    mask of the batch */
    check_either("func @main(%q: f32[6, n, 8], %k: f32[6, m, 8], %v: f32[6, m, 8], %mask: f32[2, "
                 "1, n, m]) -> (%y) {\n"
                 "  %t = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %t)\n  %a = "
                 "fv.Reshape(%s) {dims = [2, 3, n, m]}\n"
                 "  %b = Add(%a, %mask)\n  %c = fv.Reshape(%b) {dims = [6, n, m]}\n  %p = "
                 "Softmax(%c) {axis = -1}\n"
                 "  %o = MatMul(%p, %v)\n  %d = fv.Reshape(%o) {dims = [2, 3, n, 8]}\n  %y = "
                 "Transpose(%d) {perm = [0, 2, 1, 3]}\n",
                 false);
}

Test(attend, pixels_of_an_image) { /* v is transposed: its rows are the features */
    check("func @main(%q: f32[2, 8, n], %k: f32[2, 8, m], %v: f32[2, 20, m]) -> (%y) {\n"
          "  %qt = Transpose(%q) {perm = [0, 2, 1]}\n  %s = MatMul(%qt, %k)\n  %p = Softmax(%s) "
          "{axis = -1}\n"
          "  %pt = Transpose(%p) {perm = [0, 2, 1]}\n  %y = MatMul(%v, %pt)\n");
}

/* A tile of scores takes few steps, so not each of them is a function. */
Test(attend, panels_of_scores_are_one_function) {
    const char *body =
        "func @main(%q: f32[2, n, 64], %k: f32[2, m, 64], %v: f32[2, m, 64]) -> (%y) {\n"
        "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %t = MatMul(%q, %kt)\n" REST;
    const fv_target *zen4 = fv_target_for(arena, fv_target_find("x86-64-v4"), FV_PROCESSOR_zen4);
    const fv_program *p = lower(body, "%y", zen4);
    fv_text t = {.arena = arena};
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i]->schedule->kind == FV_SCHEDULE_attend)
            fv_kernel_print(&t, p->kernels[i]);
    bool found = false;
    for (const char *at = t.s; (at = strstr(at, "outline {\n")) && !found;) {
        at += strlen("outline {\n");
        found = !strncmp(at + strspn(at, " "), "for panel <", strlen("for panel <"));
    }
    cr_expect(found);
}

/* ---- few queries ---- */

static int shares(const fv_program *p) {
    int n = 0;
    for (int i = 0; i < p->nkernels; i++)
        n += p->kernels[i]->schedule->kind == FV_SCHEDULE_part;
    return n;
}

/* Does the kernel of attention transpose keys that it reads in their own layout? */
static bool turns_keys(const char *body) {
    const fv_program *p = lower(body, "%y", fv_target_find("x86-64-v3"));
    fv_text t = {.arena = arena};
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i]->schedule->kind == FV_SCHEDULE_attend)
            fv_kernel_print(&t, p->kernels[i]);
    return strstr(t.s, "tile rows: ") != NULL;
}

Test(attend, few_queries, .timeout = 900) {
    const char *const bodies[] = {
        "const @by: f32[] = 0.35\n" BROADCAST("") "  %t = Mul(%s, @by)\n" REST_OF_BROADCAST,
        "const @by: f32[] = 0.35\n" FIVE("") "  %t = Mul(%s, @by)\n" REST,
        FIVE(", %mask: f32[2, 1, m]") "  %t = Add(%s, %mask)\n" REST,
        /* and nothing else */
        "func @main(%q: f32[2, 5, 8], %k: f32[2, 40, 8], %v: f32[2, 40, 20]) -> (%y) {\n"
        "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %t = MatMul(%q, %kt)\n" REST};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        check(bodies[i]);
        cr_expect(turns_keys(bodies[i]), "%s", bodies[i]);
    }
    const char *many =
        "func @main(%q: f32[2, 64, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]) -> (%y) {\n"
        "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %t = MatMul(%q, %kt)\n" REST;
    cr_expect(!turns_keys(many), "panels are worth it");
}

/* The heads of one token have the same bits alone as among many tokens, for which blocks of queries
 * are large. */
Test(attend, few_queries_whose_keys_tasks_share) {
    static const int keys[] = {40, 512, 513, 1030, 1544};
    const char *body =
        "func @main(%q: f32[n, 4, 8], %k: f32[m, 8], %v: f32[m, 20], %mask: f32[m]) -> (%y) {\n"
        "  %kt = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %kt)\n  %t = Add(%s, "
        "%mask)\n" REST;
    for (size_t t = 0; t < TILINGS; t++) {
        if (!sample_has(body, t, 1, 4))
            continue;
        const fv_target target = tiled(t);
        const fv_program *p = lower(body, "%y", &target);
        cr_assert_geq(shares(p), 3, "tiling %zu", t);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            size_t one, two;
            const void *x = run(p, 1, keys[i], &one), *y = run(p, 2, keys[i], &two);
            cr_assert_eq(two, 2 * one);
            cr_assert(same(x, y, one, false), "tiling %zu, %d keys", t, keys[i]);
        }
    }
}

/* ---- a row at a time ---- */

/* Checks that the program has that number of kernels, one of which is attention, and that it gives
 * the bits of separate kernels: these are made if another result, z, is computed from the weights
 * as well. */
static void check_rows(int kernels, const char *body, const char *returned) {
    static const int sizes[][2] = {{29, 37}, {5, 64}, {3, 3}, {1, 17}, {13, 1}, {0, 5}, {4, 0}};
    for (size_t t = 0; t < TILINGS; t++) {
        if (!sample_has(body, t, 2, 6))
            continue;
        const fv_target target = tiled(t);
        const fv_program *one = lower(body, returned, &target);
        const fv_program *three = lower(body, fv_printf(arena, "%s, %%z", returned), &target);
        cr_assert_gt(three->nkernels, kernels);
        cr_assert_eq(one->nkernels, kernels, "tiling %zu, %d kernels: %s", t, one->nkernels, body);
        cr_assert_eq(attends(one), 0);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t a, b;
            const void *x = run(one, sizes[i][0], sizes[i][1], &a),
                       *y = run(three, sizes[i][0], sizes[i][1], &b);
            cr_assert_eq(a, b);
            cr_assert(same(x, y, a, one->outputs[0].elem == FV_F64),
                      "tiling %zu, n = %d, m = %d\n%s", t, sizes[i][0], sizes[i][1], body);
        }
    }
}

#define SCORE_OF_ROW "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n"
#define REST_OF_ROW  "  %p = Softmax(%t) {axis = -1}\n  %z = Neg(%p)\n  %y = MatMul(%p, %v)\n"

/* A step of a decoder: heads of one query each, with a mask; features of a vector, of odd ones, of
 * more than registers hold. */
Test(attend, one_query) {
    static const int features[] = {20, 64, 1, 700};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        check_rows(1,
                   fv_printf(arena,
                             "const @low: f32[] = -10000\nfunc @main(%%q: f32[3, 1, 8], %%k: "
                             "f32[3, m, 8], %%v: f32[3, m, %d], %%keep: bool[1, m]) "
                             "-> (%%y) {\n"
                             "%s  %%t = Where(%%keep, %%s, @low)\n%s",
                             features[i],
                             "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n",
                             REST_OF_ROW),
                   "%y");
    check_rows(
        1,
        "func @main(%q: f64[3, 1, 8], %k: f64[3, m, 8], %v: f64[3, m, 12]) -> (%y) {\n" SCORE_OF_ROW
        "  %t = Tanh(%s)\n" REST_OF_ROW,
        "%y");
    /* one row, and no heads */
    check_rows(1,
               "func @main(%q: f32[1, 8], %k: f32[m, 8], %v: f32[m, 20]) -> (%y) {\n  %kt = "
               "Transpose(%k) {perm = [1, 0]}\n"
               "  %s = MatMul(%q, %kt)\n  %t = Neg(%s)\n" REST_OF_ROW,
               "%y");
    /* features that the run knows; weights that are returned */
    check_rows(
        1,
        "func @main(%q: f32[3, 1, 8], %k: f32[3, m, 8], %v: f32[3, m, n]) -> (%y) {\n" SCORE_OF_ROW
        "  %t = Neg(%s)\n" REST_OF_ROW,
        "%y");
    check_rows(
        1,
        "func @main(%q: f32[3, 1, 8], %k: f32[3, m, 8], %v: f32[3, m, 20]) -> (%y) {\n" SCORE_OF_ROW
        "  %t = Neg(%s)\n" REST_OF_ROW,
        "%y, %p");
}

/* Scores that are no product of rows: tanh(q + k) w, of which the elements are a kernel of their
 * own; distances, of many queries. */
Test(attend, additive) {
    check_rows(1,
               "const @a: i64[1] = [-1]\nconst @one: i64[1] = [1]\nfunc @main(%q: f32[3, 1, 8], "
               "%k: f32[3, m, 8], %v: f32[3, m, 20], %w: f32[8]) -> (%y) {\n"
               "  %h = Add(%q, %k)\n  %g = Tanh(%h)\n  %x = Mul(%g, %w)\n  %r = ReduceSum(%x, @a) "
               "{keepdims = 0}\n"
               "  %p = Softmax(%r) {axis = -1}\n  %z = Neg(%p)\n  %u = Unsqueeze(%p, @one)\n  %y = "
               "MatMul(%u, %v)\n",
               "%y");
    check_rows(
        1,
        "const @a: i64[1] = [-1]\nconst @b: i64[1] = [2]\nconst @one: i64[1] = [1]\nfunc @main(%q: "
        "f32[2, n, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]) -> (%y) {\n"
        "  %i = Unsqueeze(%q, @b)\n  %c = Unsqueeze(%k, @one)\n  %h = Sub(%i, %c)\n  %g = Abs(%h)\n"
        "  %r = ReduceSum(%g, @a) {keepdims = 0}\n  %t = Neg(%r)\n" REST_OF_ROW,
        "%y");
}

/* Tasks share the keys of one row with very many keys, even if other ops read the scores, or the op
 * between. */
Test(attend, rows_that_tasks_share) {
    const fv_target *target = fv_target_find("x86-64-v3");
    const fv_program *p =
        lower("func @main(%q: f32[1, 1, 64], %k: f32[1, 90000, 64], %v: f32[1, 90000, 64]) -> (%y) "
              "{\n" SCORE_OF_ROW "  %t = Neg(%s)\n" REST_OF_ROW,
              "%y", target);
    cr_expect_geq(p->nkernels, 3);
}

/* What is no attention, or is not worth it. */
static void check_not(const char *body) {
    const fv_target *target = fv_target_find("x86-64-v3");
    cr_assert_eq(attends(lower(body, "%y", target)), 0, "%s", body);
}

/* The search for scores must not walk over definitions as trees: with a search at each load this
 * would take minutes. */
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
    check_not("func @main(%q: f32[1, 8], %k: f32[m, 8], %v: f32[m, 8]) -> (%y) {\n  %t = "
              "Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
    /* weights of a model on both sides of a norm */
    check_not("const @s: i64[2] = [16, 32]\nconst @t: i64[2] = [32, 16]\nfunc @main(%x: f32[n, "
              "16]) -> (%y) {\n"
              "  %a = ConstantOfShape(@s) {value = tensor f32[1] [0.5]}\n  %b = "
              "ConstantOfShape(@t) {value = tensor f32[1] [0.25]}\n"
              "  %h = MatMul(%x, %a)\n  %p = Softmax(%h) {axis = -1}\n  %y = MatMul(%p, %b)\n");
    /* summed along the other axis */
    check_not("func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 8]) -> (%y) {\n  %t = "
              "Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = 0}\n  %y = MatMul(%p, %v)\n");
    /* features that may be few */
    check_not("symbol d 0..1\nfunc @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, d]) -> (%y) {\n  "
              "%t = Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
    /* the scores would be computed for each of them */
    check_not("func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[32, m, 16]) -> (%y) {\n  %t = "
              "Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n");
    /* no sum along rows */
    check_not("func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 8]) -> (%y) {\n  %t = "
              "Transpose(%k) {perm = [1, 0]}\n"
              "  %s = MatMul(%q, %t)\n  %p = Relu(%s)\n  %y = MatMul(%p, %v)\n");
}

/* ---- tasks that share the keys of few queries ---- */

enum { SHARED_HEADS = 6, FEATURES = 20 };
/* [token, head, ..]: the results for a token must not depend on the number of tokens. Three heads
 * share keys, but cannot be rows of a task because their masks differ. */
#define SHARING(keys, mask)                                                                        \
    "func @main(%q: f32[n, 6, 8], %k: f32[m, " keys ", 8], %v: f32[m, " keys ", 20]" mask          \
    ") -> (%y) {\n"
#define BY_HEAD                                                                                    \
    "  %q1 = Transpose(%q) {perm = [1, 0, 2]}\n  %kt = Transpose(%k) {perm = [1, 2, 0]}\n  %v1 = " \
    "Transpose(%v) {perm = [1, 0, 2]}\n"
#define BY_GROUP                                                                                   \
    "  %q1 = Transpose(%q) {perm = [1, 0, 2]}\n  %k0 = Transpose(%k) {perm = [1, 2, 0]}\n  %v0 = " \
    "Transpose(%v) {perm = [1, 0, 2]}\n"                                                           \
    "  %k2 = fv.Reshape(%k0) {dims = [2, 1, 8, m]}\n  %k3 = fv.Expand(%k2) {dims = [2, 3, 8, "     \
    "m]}\n  %kt = fv.Reshape(%k3) {dims = [6, 8, m]}\n"                                            \
    "  %v2 = fv.Reshape(%v0) {dims = [2, 1, m, 20]}\n  %v3 = fv.Expand(%v2) {dims = [2, 3, m, "    \
    "20]}\n  %v1 = fv.Reshape(%v3) {dims = [6, m, 20]}\n"
#define SHARED_SCORES "  %s = MatMul(%q1, %kt)\n"
#define SHARED_REST                                                                                \
    "  %p = Softmax(%t) {axis = -1}\n  %o = MatMul(%p, %v1)\n  %y = Transpose(%o) {perm = [1, 0, " \
    "2]}\n"

static double at_of(const fv_program *p, int input, int64_t e, int m) {
    return (double)(float)element(&p->inputs[input], input, e, 1, m);
}

/* The first token's result in double precision; NaN where a weight is. `groups` of heads; `added`:
 * a mask that is %hide. */
static void attend_in_f64(const fv_program *p, int m, int groups, bool added, double scale,
                          double *y) {
    double *s = FV_NEW(arena, double, m + 1);
    for (int h = 0; h < SHARED_HEADS; h++) {
        int g = h / (SHARED_HEADS / groups);
        double most = -INFINITY, sum = 0;
        for (int j = 0; j < m; j++) {
            s[j] = 0;
            for (int c = 0; c < 8; c++)
                s[j] += at_of(p, 0, h * 8 + c, m) * at_of(p, 1, (j * groups + g) * 8 + c, m);
            s[j] = s[j] * scale + (added && !is_seen(j, 1, m) ? (double)fill : 0);
            most = s[j] > most ? s[j] : most;
        }
        for (int j = 0; j < m; j++)
            sum += s[j] = exp(s[j] - most);
        for (int d = 0; d < FEATURES; d++) {
            double *at = &y[h * FEATURES + d];
            *at = 0;
            for (int j = 0; j < m; j++)
                *at += s[j] / sum * at_of(p, 2, (j * groups + g) * FEATURES + d, m);
        }
    }
}

static bool is_near(const float *x, const double *y) {
    for (int i = 0; i < SHARED_HEADS * FEATURES; i++)
        if (!(isnan(x[i]) && isnan(y[i])) && (double)x[i] != y[i] &&
            !(fabs((double)x[i] - y[i]) <= 2e-6))
            return false;
    return true;
}

/* A step has the bits of the first row of a prompt, which one task computes: two, three and four
 * parts, the last one of a single key and of many, and one of 512, which is not shared. */
static void check_shared(const char *body, const double *expected_scale, int groups, bool added) {
    static const int keys[] = {40, 512, 513, 1030, 1544};
    for (size_t t = 0; t < TILINGS; t += 2) {
        if (!sample_has(body, t / 2, 1, 6))
            continue;
        const fv_target target = tiled(t);
        const fv_program *p = lower(body, "%y", &target);
        cr_assert_geq(shares(p), 3, "%s", body);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            size_t one, two, three;
            double want[SHARED_HEADS * FEATURES];
            /* as a group has heads */
            const float *x = run(p, 1, keys[i], &one), *y = run(p, 2, keys[i], &two),
                        *z = run(p, 3, keys[i], &three);
            cr_assert_eq(one, SHARED_HEADS * FEATURES * sizeof *x);
            cr_assert_eq(two, 2 * one);
            cr_assert(same(x, y, one, false), "tiling %zu, mask %d, %d keys\n%s", t, hides, keys[i],
                      body);
            cr_assert(same(y, z, two, false), "three queries: tiling %zu, mask %d, %d keys\n%s", t,
                      hides, keys[i], body);
            if (!expected_scale)
                continue;
            attend_in_f64(p, keys[i], groups, added, *expected_scale, want);
            cr_assert(is_near(x, want), "tiling %zu, mask %d, %d keys\n%s", t, hides, keys[i],
                      body);
        }
    }
}

Test(attend, keys_that_tasks_share, .timeout = 900) {
    const double one = 1, third = (double)(1 / 3.0f);
    check_shared(SHARING("6", "") BY_HEAD SHARED_SCORES "  %t = Identity(%s)\n" SHARED_REST, &one,
                 6, false);
    check_shared("const @c: f32[] = 0.33333334\n" SHARING("6", "") BY_HEAD
                 "  %q2 = Mul(%q1, @c)\n  %t = MatMul(%q2, %kt)\n" SHARED_REST,
                 &third, 6, false);
    check_shared("const @c: f32[] = 5\n" SHARING("6", "") BY_HEAD SHARED_SCORES
                 "  %a = Div(%s, @c)\n  %b = Tanh(%a)\n  %t = Mul(%b, @c)\n" SHARED_REST,
                 NULL, 6, false);
    check_shared(SHARING("6", ", %sink: f32[n, 6, 1]") BY_HEAD SHARED_SCORES
                 "  %z = Transpose(%sink) {perm = [1, 0, 2]}\n  %p = fv.SinkSoftmax(%s, %z)\n  %o "
                 "= MatMul(%p, %v1)\n  %y = Transpose(%o) {perm = [1, 0, 2]}\n",
                 NULL, 6, false);
}

/* Parts that are hidden as a whole, the first or the last ones; rows of which all is hidden. */
Test(attend, keys_that_tasks_share_and_a_mask, .timeout = 900) {
    static const float fills[] = {-10000, -INFINITY, -3.4028235e+38f};
    static const pattern patterns[] = {SEVENTHS, LATE, MIDDLE, NONE, ALL};
    const double one = 1;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        hides = patterns[i];
        for (int f = 0; f < 3; f++) {
            fill = fills[f];
            bool lost = hides == ALL && f != 1; /* of scores, beside it */
            check_shared(SHARING("2", ", %hide: f32[n, m]") BY_GROUP SHARED_SCORES
                         "  %t = Add(%s, %hide)\n" SHARED_REST,
                         lost ? NULL : &one, 2, true);
        }
        check_shared("const @low: f32[] = -inf\nconst @zero: f32[] = 0\n" SHARING(
                         "6", ", %keep: bool[n, m]") BY_HEAD SHARED_SCORES
                     "  %t = Where(%keep, %s, @low)\n  %r = Softmax(%t) {axis = -1}\n  %p = "
                     "Where(%keep, %r, @zero)\n"
                     "  %o = MatMul(%p, %v1)\n  %y = Transpose(%o) {perm = [1, 0, 2]}\n",
                     NULL, 6, false);
    }
    hides = SEVENTHS;
}

/* What is infinite or NaN in one part is so in the sum, and nowhere else. */
Test(attend, keys_that_tasks_share_and_no_numbers, .timeout = 900) {
    static const double values[] = {INFINITY, -INFINITY, NAN};
    static const char *const body =
        SHARING("6", "") BY_HEAD SHARED_SCORES "  %t = Identity(%s)\n" SHARED_REST;
    const double one = 1;
    for (int i = 0; i < 6; i++) {
        spoiled.name = i % 2 ? "k" : "v";
        spoiled.at = (i < 3 ? 30 : 600) * 6 * (i % 2 ? 8 : FEATURES) + 3;
        spoiled.is = values[i / 2];
        check_shared(body, i % 2 ? NULL : &one, 6, false);
    }
    spoiled.name = NULL;
}

/* Heads that are tasks enough; keys that are known to be one part. */
Test(attend, keys_that_no_tasks_share) {
    const fv_target *target = fv_target_find("x86-64-v3");
    cr_expect_eq(
        shares(
            lower("func @main(%q: f32[16, n, 8], %k: f32[16, m, 8], %v: f32[16, m, 20]) -> (%y) {\n"
                  "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n  %p = "
                  "Softmax(%s) {axis = -1}\n"
                  "  %y = MatMul(%p, %v)\n",
                  "%y", target)),
        0);
    cr_expect_eq(shares(lower("symbol few 0..512\nfunc @main(%q: f32[n, 8], %k: f32[few, 8], %v: "
                              "f32[few, 20]) -> (%y) {\n" SCORE
                              "  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n",
                              "%y", target)),
                 0);
}
