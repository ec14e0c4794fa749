/* The kernel of attention leaves out hidden keys, whatever values these have. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "ir/kernel/print.h"
#include "ir/kernel/program_print.h"
#include "tests/kernel/support.h"
#include "tests/ops/attend.h"
#include "tests/sample.h"

TestSuite(hidden, .init = open_session, .fini = close_session, .timeout = 900);

#define FOLDED " < f32(inf)" /* where something is hidden: the maximum of the others is finite */

static bool folds(const char *body, const char *text) {
    const fv_program *p = lower(body, "%y", fv_target_find("x86-64-v3"));
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i]->schedule->kind == FV_SCHEDULE_attend)
            return strstr(p->kernels[i]->formula, text) != NULL;
    return false;
}

/* Whatever the mask hides, the bits are those of three kernels, which leave nothing out; and those
 * without what is hidden, of whatever it is. */
static void check_masks(const char *body, float with) {
    static const int sizes[][2] = {{70, 150}, {9, 64}, {13, 200}, {1, 150}, {1, 64}, {1, 5}};
    cr_assert(folds(body, FOLDED), "%s", body);
    fill = with;
    for (size_t t = 0; t < 3; t++) {
        if (!sample_has(body, t, 2, 6))
            continue;
        const fv_target target = tiled(t + 1);
        const fv_program *one = lower(body, "%y", &target),
                         *three = lower_apart(body, "%y, %p", &target);
        const pair both = lower_pair(body, &target);
        for (hides = SEVENTHS; hides < PATTERNS; hides++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                if (!sample_has(body, t + (size_t)hides + i, 2, 2))
                    continue;
                size_t a, b;
                const void *x = run(one, sizes[i][0], sizes[i][1], &a),
                           *y = run(three, sizes[i][0], sizes[i][1], &b);
                cr_assert(same(x, y, a, false), "tiling %zu, mask %d, n = %d, m = %d\n%s", t, hides,
                          sizes[i][0], sizes[i][1], body);
                if (i <= 1)
                    check_kept(&both, body, sizes[i][0], sizes[i][1]);
                if (hides != LATE || (with != 0 && !isinf(with)))
                    continue;
                poisoned = true;
                x = run(one, sizes[i][0], sizes[i][1], &a);
                poisoned = false;
                cr_assert(same(x, y, a, false), "hidden NaN: tiling %zu, n = %d, m = %d\n%s", t,
                          sizes[i][0], sizes[i][1], body);
            }
    }
    hides = SEVENTHS;
}

#define HEADS(mask) "func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 20], " mask ") -> (%y) {\n"

Test(hidden, by_a_choice, .timeout = 900) {
    check_masks("const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m]") SCORE
                "  %t = Where(%keep, %s, @low)\n" REST,
                0);
    check_masks(
        "const @low: f32[] = -3.4028235e+38\nconst @c: f32[] = 4\n" HEADS("%keep: bool[n, m]") SCORE
        "  %h = Not(%keep)\n  %u = Where(%h, @low, %s)\n  %t = Div(%u, @c)\n" REST,
        0);
    check_masks("const @low: f32[] = -10000\n" HEADS("%keep: bool[1, m]") SCORE
                "  %t = Where(%keep, %s, @low)\n" REST,
                0);
}

/* Keys that a condition on positions i and j of queries and keys hides: what is found out of the
 * first and the last of a part. */
static void check_positions(const char *condition) {
    static const int sizes[][2] = {{70, 150}, {9, 64}, {13, 200}, {200, 13}, {1, 330}};
    static const char before[] =
        "const @low: f32[] = -inf\nconst @zero: i64[] = 0\nconst @one: i64[] = 1\nconst @seven: "
        "i64[] = 7\n"
        "const @back: i64[] = -1\nconst @many: i64[] = 70\nconst @huge: i64[] = "
        "9223372036854775700\n"
        "const @left: i64[1] = [0]\nconst @right: i64[1] = [1]\n"
        "func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 20]) -> (%y) {\n" SCORE
        "  %is = fv.Range(@zero, @one) {dims = [n]}\n  %js = fv.Range(@zero, @one) {dims = [m]}\n"
        "  %i = Unsqueeze(%is, @right)\n  %j = Unsqueeze(%js, @left)\n";
    const char *body =
        fv_printf(arena, "%s%s%s", before, condition, "  %t = Where(%hidden, @low, %s)\n" REST);
    cr_assert(folds(body, FOLDED), "%s", body);
    for (size_t t = 0; t < 3; t++) {
        if (!sample_has(body, t, 2, 6))
            continue;
        const fv_target target = tiled(t + 1);
        const fv_program *one = lower(body, "%y", &target),
                         *three = lower_apart(body, "%y, %p", &target);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t a, b;
            const void *x = run(one, sizes[i][0], sizes[i][1], &a),
                       *y = run(three, sizes[i][0], sizes[i][1], &b);
            cr_assert(same(x, y, a, false), "tiling %zu, n = %d, m = %d\n%s", t, sizes[i][0],
                      sizes[i][1], body);
        }
    }
}

Test(hidden, by_positions_that_rise_or_fall, .timeout = 900) {
    check_positions("  %d = Sub(%i, %j)\n  %a = Greater(%d, @many)\n  %b = Less(%d, @zero)\n  "
                    "%hidden = Or(%a, %b)\n");
    check_positions("  %d = Sub(%j, %i)\n  %d1 = Abs(%d)\n  %hidden = Greater(%d1, @seven)\n");
    check_positions("  %a = Mul(%j, @back)\n  %b = Mul(%i, @back)\n  %hidden = Less(%a, %b)\n");
    check_positions("  %a = Div(%j, @seven)\n  %b = Div(%i, @seven)\n  %c = Equal(%a, %b)\n  "
                    "%hidden = Not(%c)\n");
    check_positions("  %a = Mod(%j, @seven)\n  %hidden = Greater(%a, %i)\n");
    check_positions("  %a = Min(%j, @many)\n  %b = Max(%i, @seven)\n  %hidden = Greater(%a, %b)\n");
    check_positions("  %hidden = Equal(%j, @many)\n");
}

/* Positions beyond 64 bits wrap, so the last key of a part does not decide the first one. */
Test(hidden, by_positions_that_wrap, .timeout = 900) {
    check_positions("  %a = Add(%j, @huge)\n  %hidden = Less(%a, %i)\n");
    check_positions("  %a = Sub(%j, @huge)\n  %b = Sub(%a, @huge)\n  %hidden = Greater(%b, %i)\n");
    check_positions("  %a = Mul(%j, @huge)\n  %hidden = Less(%a, %i)\n");
}

Test(hidden, by_an_addend, .timeout = 900) {
    static const char *const body = HEADS("%hide: f32[n, m]") SCORE "  %t = Add(%s, %hide)\n" REST;
    static const float fills[] = {-10000, -3.4028235e+38f, -1001};
    for (int i = 0; i < 3; i++)
        check_masks(body, fills[i]);
}

/* As in XLNet and in the first exports of GPT-2, which also multiply the scores by the mask. */
Test(hidden, by_a_subtrahend, .timeout = 900) {
    check_masks(HEADS("%hide: f32[n, m]") SCORE "  %t = Sub(%s, %hide)\n" REST, 10000);
    check_masks("const @high: f32[] = 10000\nconst @one: f32[] = 1\nconst @zero: f32[] = 0\n" HEADS(
                    "%keep: bool[n, m]") SCORE
                "  %b = Where(%keep, @one, @zero)\n  %c = Where(%keep, @zero, @high)\n"
                "  %r = Mul(%s, %b)\n  %t = Sub(%r, %c)\n" REST,
                10000);
}

Test(hidden, by_infinity_that_is_chosen_and_added, .timeout = 900) {
    check_masks("const @low: f32[] = -inf\nconst @zero: f32[] = 0\n" HEADS("%keep: bool[n, m]")
                    SCORE "  %h = Where(%keep, @zero, @low)\n  %t = Add(%s, %h)\n" REST,
                -INFINITY);
}

/* Where a query sees a score that is NaN, all of its weights are, those of hidden keys, too. */
Test(hidden, beside_what_is_not_a_number, .timeout = 900) {
    static const char *const bodies[] = {HEADS("%hide: f32[n, m]") SCORE
                                         "  %t = Add(%s, %hide)\n" REST,
                                         "const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m]")
                                             SCORE "  %t = Where(%keep, %s, @low)\n" REST};
    enum { N = 29, M = 150, WIDTH = 8 };
    fill = -10000;
    hides = LATE;
    for (size_t t = 0; t < 3; t++)
        for (size_t b = 0; b < sizeof bodies / sizeof *bodies; b++) {
            size_t size;
            const fv_target target = tiled(t + 1);
            const fv_program *one = lower(bodies[b], "%y", &target),
                             *three = lower_apart(bodies[b], "%y, %p", &target);
            const pair both = lower_pair(bodies[b], &target);
            for (int of_key = 0; of_key < 2; of_key++) {
                spoiled = (spoiled_element){of_key ? "k" : "q",
                                            of_key ? (M - 3) * WIDTH + 1 : 2 * WIDTH + 1, NAN};
                check_kept(&both, bodies[b], N, M);
                const void *x = run(one, N, M, &size), *y = run(three, N, M, &size);
                cr_assert(same(x, y, size, false), "tiling %zu, of key %d\n%s", t, of_key,
                          bodies[b]);
            }
        }
    spoiled.name = NULL;
    hides = SEVENTHS;
}

/* One more term of the sum, which is not weighted with anything. */
Test(hidden, beside_a_sink, .timeout = 900) {
    check_masks("const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m], %sink: f32[n, 1]") SCORE
                "  %t = Where(%keep, %s, @low)\n"
                "  %p = fv.SinkSoftmax(%t, %sink)\n  %y = MatMul(%p, %v)\n",
                0);
    check_masks("const @sink: f32[1, 1] = [0.5]\nconst @zeros: i64[1] = [0]\nconst @ones: i64[1] = "
                "[1]\n" HEADS("%hide: f32[n, m]") SCORE
                "  %t = Add(%s, %hide)\n"
                "  %d = Shape(%q)\n  %r = Slice(%d, @zeros, @ones)\n  %c = Concat(%r, @ones) {axis "
                "= 0}\n  %e = Expand(@sink, %c)\n"
                "  %p = fv.SinkSoftmax(%t, %e)\n  %y = MatMul(%p, %v)\n",
                -10000);
}

/* Products, masks and weights of a narrow type, whose number in ONNX that is; %mask is the one of
 * it that hides. */
static const char *narrow(const char *mask, int type, const char *masks) {
    return fv_printf(
        arena,
        "func @main(%%q: f32[n, 8], %%k: f32[m, 8], %%v: f32[m, 20], %s) -> (%%y) {\n"
        "  %%q1 = Cast(%%q) {to = %d}\n  %%k1 = Cast(%%k) {to = %d}\n  %%v1 = Cast(%%v) {to = %d}\n"
        "  %%kt = Transpose(%%k1) {perm = [1, 0]}\n  %%s = MatMul(%%q1, %%kt)\n%s"
        "  %%p = Softmax(%%t) {axis = -1}\n  %%y1 = MatMul(%%p, %%v1)\n  %%y = Cast(%%y1) {to = "
        "1}\n",
        mask, type, type, type, masks);
}

Test(hidden, in_narrow_types, .timeout = 900) {
    check_masks(fv_printf(arena, "const @low: f16[] = -inf\n%s",
                          narrow("%keep: bool[n, m]", 10, "  %t = Where(%keep, %s, @low)\n")),
                0);
    check_masks(fv_printf(arena, "const @low: bf16[] = -3.3895314e38\nconst @c: bf16[] = 0.3\n%s",
                          narrow("%keep: bool[1, m]", 16,
                                 "  %u = Where(%keep, %s, @low)\n  %t = Mul(%u, @c)\n")),
                0);
    check_masks(
        narrow("%hide: f32[n, m]", 10, "  %h = Cast(%hide) {to = 10}\n  %t = Add(%s, %h)\n"),
        -65504);
    check_masks(fv_printf(arena, "const @low: f16[] = -65504\nconst @zero: f16[] = 0\n%s",
                          narrow("%keep: bool[n, m]", 10,
                                 "  %h = Where(%keep, @zero, @low)\n  %t = Add(%s, %h)\n")),
                -65504);
}

/* Numbers that are added to all scores of a key. If all of them are 0, tiles do not add them; other
 * numbers than the least hide nothing. */
Test(hidden, by_an_addend_of_keys, .timeout = 900) {
    static const float fills[] = {-65504, -3.5f, NAN};
    const char *const bodies[] = {
        "const @two: f32[] = 2\n" HEADS("%hide: f32[1, m]") SCORE
        "  %h = Mul(%hide, @two)\n  %t = Add(%s, %h)\n" REST,
        narrow("%hide: f32[1, m]", 10, "  %h = Cast(%hide) {to = 10}\n  %t = Add(%s, %h)\n")};
    for (int i = 0; i < 2; i++) {
        const fv_program *p = lower(bodies[i], "%y", fv_target_find("x86-64-v3"));
        fv_text t = {.arena = arena};
        for (int k = 0; k < p->nkernels; k++)
            fv_kernel_print(&t, p->kernels[k]);
        cr_expect(strstr(t.s, " != splat8(0.0)"), "%s", bodies[i]);
        for (int k = 0; k < 3; k++)
            check_masks(bodies[i], fills[k]);
    }
}

/* A constant of n x m that says what the pattern hides: of bools, or of 0 and a fill. */
static const char *table(pattern p, int n, int m, bool flags) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @table: %s[%d, %d] = [", flags ? "bool" : "f32", n, m);
    hides = p;
    for (int e = 0; e < n * m; e++)
        fv_text_printf(&t, "%s%s", e ? "," : "",
                       flags              ? (is_seen(e, n, m) ? "true" : "false")
                       : is_seen(e, n, m) ? "0"
                                          : "-10000");
    fv_text_put(&t, "]\n");
    hides = SEVENTHS;
    return t.s;
}

/* The bits are those of the same mask as an input. */
Test(hidden, by_a_table, .timeout = 900) {
    static const char *const body =
        "const @low: f32[] = -inf\nfunc @main(%%q: f32[40, 8], %%k: f32[90, 8], %%v: f32[90, "
        "20]%s) -> (%%y) {\n"
        "  %%kt = Transpose(%%k) {perm = [1, 0]}\n  %%s = MatMul(%%q, %%kt)\n"
        "  %%t = %s\n  %%p = Softmax(%%t) {axis = -1}\n  %%y = MatMul(%%p, %%v)\n";
    const fv_target *target = fv_target_find("x86-64-v3");
    fill = -10000;
    for (pattern p = SEVENTHS; p < PATTERNS; p++)
        for (int flags = 0; flags < 2; flags++) {
            const char *text =
                fv_printf(arena, body, "", flags ? "Where(@table, %s, @low)" : "Add(%s, @table)");
            text = fv_printf(arena, "%s%s", table(p, 40, 90, flags), text);
            const char *as_input =
                fv_printf(arena, body, flags ? ", %keep: bool[40, 90]" : ", %hide: f32[40, 90]",
                          flags ? "Where(%keep, %s, @low)" : "Add(%s, %hide)");
            bool compares = p == CAUSAL || p == WINDOW || p == LATE || p == MIDDLE;
            cr_expect_eq(folds(text, "table["), !compares, "pattern %d", p);
            size_t a, b;
            hides = p;
            const void *x = run(lower(text, "%y", target), 40, 90, &a),
                       *y = run(lower(as_input, "%y", target), 40, 90, &b);
            cr_expect(same(x, y, a, false), "pattern %d, %s", p, flags ? "bools" : "floats");
            hides = SEVENTHS;
        }
}

static bool has_free_keys(const fv_program *p) {
    fv_text t = {.arena = arena};
    fv_program_print(&t, p);
    return strstr(t.s, "tile free_from") != NULL;
}

/* If a mask compares positions, blocks of keys that all queries of a block see are distinguished
 * from others; the bits must be those of three kernels. */
Test(hidden, by_positions, .timeout = 900) {
    static const int sizes[][2] = {{30, 260}, {13, 200}, {1, 200}, {1, 260}};
    static const char *const sees[] = {
        "  %c = LessOrEqual(%j, %i)\n", "  %c = GreaterOrEqual(%j, %i)\n",
        /* behind a past */
        "  %d = Sub(%cols, %rows)\n  %last = Add(%i, %d)\n  %c = LessOrEqual(%j, %last)\n",
        /* a window */
        "  %a = LessOrEqual(%j, %i)\n  %f = Sub(%i, @ninety)\n  %b = Greater(%j, %f)\n  %c = "
        "And(%a, %b)\n",
        /* free keys on both sides of a gap */
        "  %a = LessOrEqual(%j, @ninety)\n  %b = Greater(%j, @late)\n  %c = Or(%a, %b)\n",
        "  %e = Equal(%i, %j)\n  %c = Not(%e)\n"};
    for (size_t k = 0; k < sizeof sees / sizeof *sees; k++)
        for (size_t t = 0; t < 3; t++) {
            if (!sample_has(sees[k], t, 2, 6))
                continue;
            const fv_target target = tiled(t);
            const char *body = fv_printf(
                arena,
                "const @low: f32[] = -inf\nconst @zero: i64[] = 0\nconst @one: i64[] = 1\n"
                "const @axis: i64[1] = [1]\nconst @ninety: i64[] = 90\nconst @late: i64[] = 180\n"
                "func @main(%%q: f32[n, 8], %%k: f32[m, 8], %%v: f32[m, 20]) -> (%%y) {\n"
                "%s"
                "  %%qs = Shape(%%q)\n  %%rows = Gather(%%qs, @zero)\n  %%ks = Shape(%%k)\n  "
                "%%cols = Gather(%%ks, @zero)\n"
                "  %%j = Range(@zero, %%cols, @one)\n  %%r = Range(@zero, %%rows, @one)\n  %%i = "
                "Unsqueeze(%%r, @axis)\n%s"
                "  %%t = Where(%%c, %%s, @low)\n%s",
                SCORE, sees[k], REST);
            const fv_program *one = lower(body, "%y", &target),
                             *three = lower_apart(body, "%y, %p", &target);
            cr_assert_eq(attends(one), 1);
            cr_assert(has_free_keys(one), "%s", body);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                size_t a, b;
                const void *x = run(one, sizes[i][0], sizes[i][1], &a),
                           *y = run(three, sizes[i][0], sizes[i][1], &b);
                cr_assert(same(x, y, a, false), "tiling %zu, n = %d, m = %d\n%s", t, sizes[i][0],
                          sizes[i][1], body);
            }
        }
}

Test(hidden, from_heads_that_share_keys, .timeout = 900) {
    check_masks("const @low: f32[] = -inf\n" OF_GROUPS(
                    ", %keep: bool[n, m]") "  %s = MatMul(%q, %kt)\n"
                                           "  %t = Where(%keep, %s, @low)\n" REST_OF_GROUPS,
                0);
    check_masks(
        OF_GROUPS(
            ", %hide: f32[n, m]") "  %s = MatMul(%q, %kt)\n  %t = Add(%s, %hide)\n" REST_OF_GROUPS,
        -10000);
    check_masks("const @low: f32[] = -inf\n" OF_GROUPS(
                    ", %keep: bool[6, 1, m]") "  %s = MatMul(%q, %kt)\n"
                                              "  %t = Where(%keep, %s, @low)\n" REST_OF_GROUPS,
                0); /* from some heads */
}

/* Fills that may be no less than a score, masks made of scores, and weights that are not 0 where
 * the exponential is. */
Test(hidden, nothing_is_hidden) {
    static const char *const bodies[] = {
        "const @low: f32[] = -100\n" HEADS("%keep: bool[n, m]") SCORE
        "  %t = Where(%keep, %s, @low)\n" REST,
        HEADS("%hide: f32[n, 1]") SCORE "  %t = Add(%s, %hide)\n" REST,
        HEADS("%hide: f32[n, m]") SCORE "  %t = Sub(%hide, %s)\n" REST,
        HEADS("%a: f32[n, 8], %b: f32[8, m]") SCORE /* scores of positions, for instance */
        "  %r = MatMul(%a, %b)\n  %t = Add(%s, %r)\n" REST,
        HEADS("%a: f32[n, 8], %b: f32[8, m]") SCORE
        "  %r = MatMul(%a, %b)\n  %t = Sub(%s, %r)\n" REST,
        HEADS("%hide: f32[n, m], %a: f32[n, m]") SCORE
        "  %r = Mul(%s, %a)\n  %t = Add(%r, %hide)\n" REST,
        "const @low: f32[] = -inf\nconst @c: f32[] = 0.5\n" HEADS("%keep: bool[n, m]") SCORE
        "  %r = ReduceMax(%s, @axis)\n"
        "  %g = Greater(%r, @c)\n  %h = And(%keep, %g)\n  %t = Where(%h, %s, @low)\n" REST,
        "const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m]") SCORE
        "  %w = Where(%keep, %s, @low)\n  %r = ReduceMax(%s, @axis)\n"
        "  %u = Neg(%r)\n  %t = Add(%w, %u)\n" REST,
        "const @low: f16[] = -100\n" HEADS("%keep: bool[n, m]") SCORE
        "  %h = Cast(%s) {to = 10}\n  %u = Where(%keep, %h, @low)\n"
        "  %t = Cast(%u) {to = 1}\n" REST,
        "const @low: f64[] = -inf\n" HEADS("%keep: bool[n, m]") SCORE
        "  %h = Cast(%s) {to = 11}\n  %u = Where(%keep, %h, @low)\n"
        "  %t = Cast(%u) {to = 1}\n" REST,
        "const @low: f32[] = -inf\nconst @one: f32[] = 1\n" HEADS("%keep: bool[n, m]") SCORE
        "  %t = Where(%keep, %s, @low)\n"
        "  %r = Softmax(%t) {axis = -1}\n  %p = Add(%r, @one)\n  %y = MatMul(%p, %v)\n",
        "const @low: f32[] = -inf\nconst @half: f32[] = 0.5\n" HEADS("%keep: bool[n, m]") SCORE
        "  %t = Where(%keep, %s, @low)\n  %e = Exp(%t)\n  %a = ReduceSum(%e, @axis)\n"
        "  %b = Add(%a, @half)\n  %p = Div(%e, %b)\n  %y = MatMul(%p, %v)\n"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        cr_expect(!folds(fv_printf(arena, "const @axis: i64[1] = [-1]\n%s", bodies[i]), FOLDED),
                  "%s", bodies[i]);
}

Test(hidden, from_few_queries, .timeout = 900) {
    check_masks("const @low: f32[] = -inf\n" BROADCAST(
                    ", %keep: bool[n, m]") "  %t = Where(%keep, %s, @low)\n" REST_OF_BROADCAST,
                0);
    check_masks(BROADCAST(", %hide: f32[4, 1, m]") "  %t = Add(%s, %hide)\n" REST_OF_BROADCAST,
                -10000);
    check_masks("const @low: f32[] = -inf\n" FIVE(
                    ", %keep: bool[5, m]") "  %t = Where(%keep, %s, @low)\n" REST,
                0);
    check_masks(FIVE(", %hide: f32[2, 5, m]") "  %t = Add(%s, %hide)\n" REST, -10000);
}
