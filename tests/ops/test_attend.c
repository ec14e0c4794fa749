/* Attention as one kernel gives the bits of three, where these have the scores in rows as well: each case is compiled as
 * it is, which has an `attend` kernel; with its weights returned besides, which has one, too, of two results; and so without the
 * step that makes these one, which has none. For tilings in turn (all of them with FOVEA_ALL), and for sizes that leave edges
 * everywhere. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "backend/lower.h"
#include "backend/expand/expand.h"
#include "backend/consumer/consumer.h"
#include "backend/interp/interp.h"
#include "ir/graph/parse.h"
#include "ir/kernel/print.h"
#include "ir/kernel/program_print.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"
#include "tests/sample.h"

TestSuite(attend, .init = open_session, .fini = close_session, .timeout = 60);

/* Vector bits, registers, second-level cache: blocks of one tile to four. */
static const struct tiling {
    int bits, registers, l2_bytes;
} tilings[] = {{512, 32, 1 << 20}, {512, 32, 1 << 10}, {256, 16, 1 << 15}, {128, 16, 1 << 12}, {0, 16, 1 << 16}};

static fv_target tiled(size_t t) {
    fv_target target = *fv_target_find("x86-64-v3");
    target.vector_bits = tilings[t].bits;
    target.vector_registers = tilings[t].registers;
    target.l2_bytes = tilings[t].l2_bytes;
    return target;
}

static fv_program *lower_without(const char *const *steps, const char *body, const char *returned, const fv_target *target) {
    const char *at = strstr(body, "(%y)");
    cr_assert(at);
    const char *text = fv_printf(arena, "fovea-ir 1\nmodule \"m\"\nsymbol n 0..4096\nsymbol m 0..4096\n%.*s(%s)%s  return %s\n}\n",
                                 (int)(at - body), body, returned, at + 4, returned);
    fv_module *g = fv_module_parse(session, text, NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = target, .without = steps};
    cr_assert(g && fv_run_passes(g, fv_pipeline('2'), &po), "%s", said());
    fv_program *p = fv_lower(g, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s", said());
    fv_program_expand(p);
    return p;
}

static fv_program *lower(const char *body, const char *returned, const fv_target *target) {
    return lower_without(NULL, body, returned, target);
}

/* In kernels of their own. */
static fv_program *lower_apart(const char *body, const char *returned, const fv_target *target) {
    static const char *const steps[] = {"join", NULL};
    return lower_without(steps, body, returned, target);
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

/* What masks hide: of query i of n and key j of m. */
typedef enum { SEVENTHS, CAUSAL, WINDOW, LATE, MIDDLE, NONE, ALL, ROWS, PATTERNS } pattern;
static pattern hides;
static float fill;    /* of a mask of floats that is called `hide`, where it hides */
static bool poisoned; /* keys and values that no query sees are NaN and infinite */

static bool is_seen(int64_t e, int64_t n, int64_t m) {
    int64_t i = m ? e / m % (n ? n : 1) : 0, j = m ? e % m : 0;
    switch (hides) {
    case SEVENTHS: return e % 7 != 0;
    case CAUSAL: return j <= i + (m > n ? m - n : 0);
    case WINDOW: return j <= i && j > i - 9;
    case LATE: return j >= m - 10;
    case MIDDLE: return j >= m / 3 && j < m / 2;
    case NONE: return true;
    case ALL: return false;
    case ROWS: return j <= i && i % 5 != 3;
    case PATTERNS: break;
    }
    return true;
}

static struct { /* an element of k or v, and what it is */
    const char *name;
    int64_t at;
    double is;
} spoiled;

static double element(const fv_port *port, int i, int64_t e, int64_t n, int64_t m) {
    if (spoiled.name && !strcmp(port->name, spoiled.name) && e == spoiled.at)
        return spoiled.is;
    if (!strcmp(port->name, "hide"))
        return is_seen(e, n, m) ? 0 : (double)fill;
    bool of_key = !strcmp(port->name, "k") || !strcmp(port->name, "v");
    if (poisoned && of_key && hides == LATE && e / port->dims[port->rank - 1]->value < m - 10)
        return e % 3 ? NAN : INFINITY;
    return sin((double)(e * 7 + i * 131) * 0.7) * 1.25;
}

/* That result. */
static void *run_for(int result, const fv_program *p, int n, int m, size_t *size) {
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
            double x = flag ? 0 : element(&p->inputs[i], i, e, n, m);
            if (flag)
                ((bool *)in[i])[e] = is_seen(e, n, m);
            else if (wide)
                ((double *)in[i])[e] = x;
            else
                ((float *)in[i])[e] = (float)x;
        }
    }
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert(interp && fv_interp_plan(interp, dims, &bytes, out_dims) == 0);
    for (int i = 0; i < p->noutputs; i++) {
        int64_t count = 1;
        const int64_t *d = out_dims + fv_out_dims_at(p, i) + 1; /* behind the capacity */
        for (int k = 0; k < p->outputs[i].rank; k++)
            count *= d[k];
        out[i] = FV_NEW(arena, double, count + 1);
        if (i == result)
            *size = (size_t)(count * fv_elem_storage_bytes(p->outputs[i].elem));
    }
    int status = fv_interp_run(interp, dims, in, out, out_dims, fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "%s", fv_interp_fault(interp));
    return out[result];
}

static void *run(const fv_program *p, int n, int m, size_t *size) { return run_for(0, p, n, m, size); }

static bool same(const void *a, const void *b, size_t size, bool wide) {
    for (size_t i = 0; i < size; i += wide ? 8 : 4) {
        const char *x = (const char *)a + i, *y = (const char *)b + i;
        double u = wide ? *(const double *)x : (double)*(const float *)x, v = wide ? *(const double *)y : (double)*(const float *)y;
        if (!(isnan(u) && isnan(v)) && memcmp(x, y, wide ? 8 : 4) != 0)
            return false;
    }
    return true;
}

/* Weights that are returned beside what is made of them: a program with one kernel of two results, and one without that step. */
typedef struct pair {
    const fv_program *kept, *apart;
} pair;

static pair lower_pair(const char *body, const fv_target *target) {
    pair p = {lower(body, "%y, %p", target), lower_apart(body, "%y, %p", target)};
    cr_assert_eq(attends(p.kept), 1, "%s", body);
    cr_assert_eq(attends(p.apart), 0);
    return p;
}

/* Both results are the same. */
static void check_kept(const pair *p, const char *body, int n, int m) {
    for (int i = 0; i < 2; i++) {
        size_t a, b;
        const void *x = run_for(i, p->kept, n, m, &a), *y = run_for(i, p->apart, n, m, &b);
        cr_assert_eq(a, b);
        cr_assert(same(x, y, a, p->kept->outputs[i].elem == FV_F64), "result %d, n = %d, m = %d\n%s", i, n, m, body);
    }
}

/* y is the result, p what the graph has between its two products; `kept`: where it is returned, too, it is a result of one kernel. */
static void check_either(const char *body, bool kept) {
    static const int sizes[][2] = {{29, 37}, {5, 64}, {50, 3}, {1, 17}, {1, 130}, {1, 3}, {13, 1}, {0, 5}, {4, 0}, {1, 0}};
    for (size_t t = 0; t < sizeof tilings / sizeof *tilings; t++) {
        if (!sample_has(body, t, 2, 5))
            continue;
        const fv_target target = tiled(t);
        const fv_program *one = lower(body, "%y", &target), *three = lower_apart(body, "%y, %p", &target);
        cr_assert_eq(attends(one), 1, "tiling %zu", t);
        cr_assert_eq(attends(three), 0);
        pair both = kept ? lower_pair(body, &target) : (pair){NULL, NULL};
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes && kept; i++)
            check_kept(&both, body, sizes[i][0], sizes[i][1]);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t a, b;
            const void *x = run(one, sizes[i][0], sizes[i][1], &a), *y = run(three, sizes[i][0], sizes[i][1], &b);
            cr_assert_eq(a, b);
            cr_assert(same(x, y, a, one->outputs[0].elem == FV_F64), "tiling %zu, n = %d, m = %d", t, sizes[i][0], sizes[i][1]);
        }
    }
}

static void check(const char *body) { check_either(body, true); }

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
    cr_expect_eq(p->nkernels, 6, "the keys are packed, tasks may share those of a single query, and that is all besides");
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

#define SHARED                                                                                                           \
    "  %a = fv.Reshape(%k) {dims = [2, 2, 1, m, 8]}\n  %b = fv.Expand(%a) {dims = [2, 2, 3, m, 8]}\n"                      \
    "  %c = fv.Reshape(%b) {dims = [2, 6, m, 8]}\n  %d = fv.Reshape(%v) {dims = [2, 2, 1, m, 12]}\n"                      \
    "  %e = fv.Expand(%d) {dims = [2, 2, 3, m, 12]}\n  %f = fv.Reshape(%e) {dims = [2, 6, m, 12]}\n"                      \
    "  %kt = Transpose(%c) {perm = [0, 1, 3, 2]}\n"
#define OF_GROUPS(more) "func @main(%q: f32[2, 6, n, 8], %k: f32[2, 2, m, 8], %v: f32[2, 2, m, 12]" more ") -> (%y) {\n" SHARED
#define REST_OF_GROUPS "  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %f)\n"

/* A bias of each head, of the key alone; queries that are scaled; keys that are. */
Test(attend, heads_that_share_keys_and_no_mask) {
    check(OF_GROUPS(", %slope: f32[6, 1, 1], %at: f32[m]") "  %s = MatMul(%q, %kt)\n  %far = Mul(%slope, %at)\n"
          "  %t = Add(%s, %far)\n" REST_OF_GROUPS);
    check("const @by: f32[] = 0.6\n" OF_GROUPS("") "  %x = Mul(%q, @by)\n  %z = Mul(%kt, @by)\n  %t = MatMul(%x, %z)\n" REST_OF_GROUPS);
    check(OF_GROUPS(", %mask: f32[2, 1, 1, m]") "  %s = MatMul(%q, %kt)\n  %t = Add(%s, %mask)\n" REST_OF_GROUPS);
}

Test(attend, batches_and_heads_in_one_axis) { /* which are two of the result: weights are not kept then */ /* as baddbmm leaves them, with a mask of the batch */
    check_either("func @main(%q: f32[6, n, 8], %k: f32[6, m, 8], %v: f32[6, m, 8], %mask: f32[2, 1, n, m]) -> (%y) {\n"
          "  %t = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %t)\n  %a = fv.Reshape(%s) {dims = [2, 3, n, m]}\n"
          "  %b = Add(%a, %mask)\n  %c = fv.Reshape(%b) {dims = [6, n, m]}\n  %p = Softmax(%c) {axis = -1}\n"
          "  %o = MatMul(%p, %v)\n  %d = fv.Reshape(%o) {dims = [2, 3, n, 8]}\n  %y = Transpose(%d) {perm = [0, 2, 1, 3]}\n", false);
}

Test(attend, pixels_of_an_image) { /* v is transposed: its rows are the features */
    check("func @main(%q: f32[2, 8, n], %k: f32[2, 8, m], %v: f32[2, 20, m]) -> (%y) {\n"
          "  %qt = Transpose(%q) {perm = [0, 2, 1]}\n  %s = MatMul(%qt, %k)\n  %p = Softmax(%s) {axis = -1}\n"
          "  %pt = Transpose(%p) {perm = [0, 2, 1]}\n  %y = MatMul(%v, %pt)\n");
}

/* ---- what masks hide is left out ---- */

#define FOLDED " < f32(inf)" /* where something is hidden: the maximum of the others is finite */

static bool folds(const char *body, const char *text) {
    const fv_program *p = lower(body, "%y", fv_target_find("x86-64-v3"));
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i]->schedule->kind == FV_SCHEDULE_attend)
            return strstr(p->kernels[i]->formula, text) != NULL;
    return false;
}

/* Whatever the mask hides, the bits are those of three kernels, which leave nothing out; and those without what is hidden, of
 * whatever it is. */
static void check_masks(const char *body, float with) {
    static const int sizes[][2] = {{70, 150}, {9, 64}, {13, 200}, {1, 150}, {1, 64}, {1, 5}};
    cr_assert(folds(body, FOLDED), "%s", body);
    fill = with;
    for (size_t t = 0; t < 3; t++) {
        if (!sample_has(body, t, 2, 3))
            continue;
        const fv_target target = tiled(t + 1);
        const fv_program *one = lower(body, "%y", &target), *three = lower_apart(body, "%y, %p", &target);
        const pair both = lower_pair(body, &target);
        for (hides = SEVENTHS; hides < PATTERNS; hides++)
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                if (!sample_has(body, t + (size_t)hides + i, 2, 2))
                    continue;
                size_t a, b;
                const void *x = run(one, sizes[i][0], sizes[i][1], &a), *y = run(three, sizes[i][0], sizes[i][1], &b);
                cr_assert(same(x, y, a, false), "tiling %zu, mask %d, n = %d, m = %d\n%s", t, hides, sizes[i][0], sizes[i][1], body);
                if (i <= 1)
                    check_kept(&both, body, sizes[i][0], sizes[i][1]);
                if (hides != LATE || (with < 0 && !isinf(with)))
                    continue;
                poisoned = true;
                x = run(one, sizes[i][0], sizes[i][1], &a);
                poisoned = false;
                cr_assert(same(x, y, a, false), "hidden NaN: tiling %zu, n = %d, m = %d\n%s", t, sizes[i][0], sizes[i][1], body);
            }
    }
    hides = SEVENTHS;
}

#define HEADS(mask) "func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 20], " mask ") -> (%y) {\n"
#define SCORE "  %kt = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %kt)\n"
#define REST "  %p = Softmax(%t) {axis = -1}\n  %y = MatMul(%p, %v)\n"

Test(attend, hidden_by_a_choice, .timeout = 240) {
    check_masks("const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m]") SCORE "  %t = Where(%keep, %s, @low)\n" REST, 0);
    check_masks("const @low: f32[] = -3.4028235e+38\nconst @c: f32[] = 4\n" HEADS("%keep: bool[n, m]") SCORE
                "  %h = Not(%keep)\n  %u = Where(%h, @low, %s)\n  %t = Div(%u, @c)\n" REST, 0);
    check_masks("const @low: f32[] = -10000\n" HEADS("%keep: bool[1, m]") SCORE "  %t = Where(%keep, %s, @low)\n" REST, 0);
}

/* Keys that a condition on positions i and j of queries and keys hides: what is found out of the first and the last of a part. */
static void check_positions(const char *condition) {
    static const int sizes[][2] = {{70, 150}, {9, 64}, {13, 200}, {200, 13}, {1, 330}};
    static const char before[] = "const @low: f32[] = -inf\nconst @zero: i64[] = 0\nconst @one: i64[] = 1\nconst @seven: i64[] = 7\n"
                                 "const @back: i64[] = -1\nconst @many: i64[] = 70\nconst @huge: i64[] = 9223372036854775700\n"
                                 "const @left: i64[1] = [0]\nconst @right: i64[1] = [1]\n"
                                 "func @main(%q: f32[n, 8], %k: f32[m, 8], %v: f32[m, 20]) -> (%y) {\n" SCORE
                                 "  %is = fv.Range(@zero, @one) {dims = [n]}\n  %js = fv.Range(@zero, @one) {dims = [m]}\n"
                                 "  %i = Unsqueeze(%is, @right)\n  %j = Unsqueeze(%js, @left)\n";
    const char *body = fv_printf(arena, "%s%s%s", before, condition, "  %t = Where(%hidden, @low, %s)\n" REST);
    cr_assert(folds(body, FOLDED), "%s", body);
    for (size_t t = 0; t < 3; t++) {
        if (!sample_has(body, t, 2, 3))
            continue;
        const fv_target target = tiled(t + 1);
        const fv_program *one = lower(body, "%y", &target), *three = lower_apart(body, "%y, %p", &target);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t a, b;
            const void *x = run(one, sizes[i][0], sizes[i][1], &a), *y = run(three, sizes[i][0], sizes[i][1], &b);
            cr_assert(same(x, y, a, false), "tiling %zu, n = %d, m = %d\n%s", t, sizes[i][0], sizes[i][1], body);
        }
    }
}

Test(attend, hidden_by_positions_that_rise_or_fall, .timeout = 240) {
    check_positions("  %d = Sub(%i, %j)\n  %a = Greater(%d, @many)\n  %b = Less(%d, @zero)\n  %hidden = Or(%a, %b)\n");
    check_positions("  %d = Sub(%j, %i)\n  %d1 = Abs(%d)\n  %hidden = Greater(%d1, @seven)\n");
    check_positions("  %a = Mul(%j, @back)\n  %b = Mul(%i, @back)\n  %hidden = Less(%a, %b)\n");
    check_positions("  %a = Div(%j, @seven)\n  %b = Div(%i, @seven)\n  %c = Equal(%a, %b)\n  %hidden = Not(%c)\n");
    check_positions("  %a = Mod(%j, @seven)\n  %hidden = Greater(%a, %i)\n");
    check_positions("  %a = Min(%j, @many)\n  %b = Max(%i, @seven)\n  %hidden = Greater(%a, %b)\n");
    check_positions("  %hidden = Equal(%j, @many)\n");
}

/* Positions beyond 64 bits wrap: the last of a part does not tell what the first is. */
Test(attend, hidden_by_positions_that_wrap, .timeout = 240) {
    check_positions("  %a = Add(%j, @huge)\n  %hidden = Less(%a, %i)\n");
    check_positions("  %a = Sub(%j, @huge)\n  %b = Sub(%a, @huge)\n  %hidden = Greater(%b, %i)\n");
    check_positions("  %a = Mul(%j, @huge)\n  %hidden = Less(%a, %i)\n");
}

Test(attend, hidden_by_an_addend, .timeout = 240) {
    static const char *const body = HEADS("%hide: f32[n, m]") SCORE "  %t = Add(%s, %hide)\n" REST;
    static const float fills[] = {-10000, -3.4028235e+38f, -1001};
    for (int i = 0; i < 3; i++)
        check_masks(body, fills[i]);
}

Test(attend, hidden_by_infinity_that_is_chosen_and_added, .timeout = 240) {
    check_masks("const @low: f32[] = -inf\nconst @zero: f32[] = 0\n" HEADS("%keep: bool[n, m]") SCORE
                "  %h = Where(%keep, @zero, @low)\n  %t = Add(%s, %h)\n" REST, -INFINITY);
}

/* One more term of the sum, which is not weighted with anything. */
Test(attend, hidden_beside_a_sink, .timeout = 240) {
    check_masks("const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m], %sink: f32[n, 1]") SCORE "  %t = Where(%keep, %s, @low)\n"
                "  %p = fv.SinkSoftmax(%t, %sink)\n  %y = MatMul(%p, %v)\n", 0);
    check_masks("const @sink: f32[1, 1] = [0.5]\nconst @zeros: i64[1] = [0]\nconst @ones: i64[1] = [1]\n" HEADS("%hide: f32[n, m]") SCORE "  %t = Add(%s, %hide)\n"
                "  %d = Shape(%q)\n  %r = Slice(%d, @zeros, @ones)\n  %c = Concat(%r, @ones) {axis = 0}\n  %e = Expand(@sink, %c)\n"
                "  %p = fv.SinkSoftmax(%t, %e)\n  %y = MatMul(%p, %v)\n", -10000);
}

/* Products, masks and weights of a narrow type, whose number in ONNX that is; %mask is the one of it that hides. */
static const char *narrow(const char *mask, int type, const char *masks) {
    return fv_printf(arena, "func @main(%%q: f32[n, 8], %%k: f32[m, 8], %%v: f32[m, 20], %s) -> (%%y) {\n"
                     "  %%q1 = Cast(%%q) {to = %d}\n  %%k1 = Cast(%%k) {to = %d}\n  %%v1 = Cast(%%v) {to = %d}\n"
                     "  %%kt = Transpose(%%k1) {perm = [1, 0]}\n  %%s = MatMul(%%q1, %%kt)\n%s"
                     "  %%p = Softmax(%%t) {axis = -1}\n  %%y1 = MatMul(%%p, %%v1)\n  %%y = Cast(%%y1) {to = 1}\n",
                     mask, type, type, type, masks);
}

Test(attend, hidden_in_narrow_types, .timeout = 240) {
    check_masks(fv_printf(arena, "const @low: f16[] = -inf\n%s", narrow("%keep: bool[n, m]", 10, "  %t = Where(%keep, %s, @low)\n")), 0);
    check_masks(fv_printf(arena, "const @low: bf16[] = -3.3895314e38\nconst @c: bf16[] = 0.3\n%s",
                          narrow("%keep: bool[1, m]", 16, "  %u = Where(%keep, %s, @low)\n  %t = Mul(%u, @c)\n")), 0);
    check_masks(narrow("%hide: f32[n, m]", 10, "  %h = Cast(%hide) {to = 10}\n  %t = Add(%s, %h)\n"), -65504);
    check_masks(fv_printf(arena, "const @low: f16[] = -65504\nconst @zero: f16[] = 0\n%s",
                          narrow("%keep: bool[n, m]", 10, "  %h = Where(%keep, @zero, @low)\n  %t = Add(%s, %h)\n")), -65504);
}

/* A constant of n x m that says what the pattern hides: of bools, or of 0 and a fill. */
static const char *table(pattern p, int n, int m, bool flags) {
    fv_text t = {.arena = arena};
    fv_text_printf(&t, "const @table: %s[%d, %d] = [", flags ? "bool" : "f32", n, m);
    hides = p;
    for (int e = 0; e < n * m; e++)
        fv_text_printf(&t, "%s%s", e ? "," : "", flags ? (is_seen(e, n, m) ? "true" : "false") : is_seen(e, n, m) ? "0" : "-10000");
    fv_text_put(&t, "]\n");
    hides = SEVENTHS;
    return t.s;
}

/* The bits are those of the same mask as an input. */
Test(attend, hidden_by_a_table, .timeout = 240) {
    static const char *const body = "const @low: f32[] = -inf\nfunc @main(%%q: f32[40, 8], %%k: f32[90, 8], %%v: f32[90, 20]%s) -> (%%y) {\n"
                                    "  %%kt = Transpose(%%k) {perm = [1, 0]}\n  %%s = MatMul(%%q, %%kt)\n"
                                    "  %%t = %s\n  %%p = Softmax(%%t) {axis = -1}\n  %%y = MatMul(%%p, %%v)\n";
    const fv_target *target = fv_target_find("x86-64-v3");
    fill = -10000;
    for (pattern p = SEVENTHS; p < PATTERNS; p++)
        for (int flags = 0; flags < 2; flags++) {
            const char *text = fv_printf(arena, body, "", flags ? "Where(@table, %s, @low)" : "Add(%s, @table)");
            text = fv_printf(arena, "%s%s", table(p, 40, 90, flags), text);
            const char *as_input = fv_printf(arena, body, flags ? ", %keep: bool[40, 90]" : ", %hide: f32[40, 90]",
                                             flags ? "Where(%keep, %s, @low)" : "Add(%s, %hide)");
            bool compares = p == CAUSAL || p == WINDOW || p == LATE || p == MIDDLE;
            cr_expect_eq(folds(text, "table["), !compares, "pattern %d", p);
            size_t a, b;
            hides = p;
            const void *x = run(lower(text, "%y", target), 40, 90, &a), *y = run(lower(as_input, "%y", target), 40, 90, &b);
            cr_expect(same(x, y, a, false), "pattern %d, %s", p, flags ? "bools" : "floats");
            hides = SEVENTHS;
        }
}

static bool has_free_keys(const fv_program *p) {
    fv_text t = {.arena = arena};
    fv_program_print(&t, p);
    return strstr(t.s, "tile free_from") != NULL;
}

/* Where positions decide, blocks of keys that all queries of a block see are told from those that a mask goes through: the bits
 * are those of three kernels. */
Test(attend, hidden_by_positions, .timeout = 240) {
    static const int sizes[][2] = {{30, 260}, {13, 200}, {1, 200}, {1, 260}};
    static const char *const sees[] = {
        "  %c = LessOrEqual(%j, %i)\n", "  %c = GreaterOrEqual(%j, %i)\n",
        "  %d = Sub(%cols, %rows)\n  %last = Add(%i, %d)\n  %c = LessOrEqual(%j, %last)\n", /* behind a past */
        "  %a = LessOrEqual(%j, %i)\n  %f = Sub(%i, @ninety)\n  %b = Greater(%j, %f)\n  %c = And(%a, %b)\n", /* a window */
        "  %a = LessOrEqual(%j, @ninety)\n  %b = Greater(%j, @late)\n  %c = Or(%a, %b)\n", /* free keys on both sides of a gap */
        "  %e = Equal(%i, %j)\n  %c = Not(%e)\n"};
    for (size_t k = 0; k < sizeof sees / sizeof *sees; k++)
        for (size_t t = 0; t < 3; t++) {
            if (!sample_has(sees[k], t, 2, 3))
                continue;
            const fv_target target = tiled(t);
            const char *body = fv_printf(arena, "const @low: f32[] = -inf\nconst @zero: i64[] = 0\nconst @one: i64[] = 1\n"
                "const @axis: i64[1] = [1]\nconst @ninety: i64[] = 90\nconst @late: i64[] = 180\n"
                "func @main(%%q: f32[n, 8], %%k: f32[m, 8], %%v: f32[m, 20]) -> (%%y) {\n" "%s"
                "  %%qs = Shape(%%q)\n  %%rows = Gather(%%qs, @zero)\n  %%ks = Shape(%%k)\n  %%cols = Gather(%%ks, @zero)\n"
                "  %%j = Range(@zero, %%cols, @one)\n  %%r = Range(@zero, %%rows, @one)\n  %%i = Unsqueeze(%%r, @axis)\n%s"
                "  %%t = Where(%%c, %%s, @low)\n%s", SCORE, sees[k], REST);
            const fv_program *one = lower(body, "%y", &target), *three = lower_apart(body, "%y, %p", &target);
            cr_assert_eq(attends(one), 1);
            cr_assert(has_free_keys(one), "%s", body);
            for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                size_t a, b;
                const void *x = run(one, sizes[i][0], sizes[i][1], &a), *y = run(three, sizes[i][0], sizes[i][1], &b);
                cr_assert(same(x, y, a, false), "tiling %zu, n = %d, m = %d\n%s", t, sizes[i][0], sizes[i][1], body);
            }
        }
}

Test(attend, hidden_from_heads_that_share_keys, .timeout = 240) {
    check_masks("const @low: f32[] = -inf\n" OF_GROUPS(", %keep: bool[n, m]") "  %s = MatMul(%q, %kt)\n"
                "  %t = Where(%keep, %s, @low)\n" REST_OF_GROUPS, 0);
    check_masks(OF_GROUPS(", %hide: f32[n, m]") "  %s = MatMul(%q, %kt)\n  %t = Add(%s, %hide)\n" REST_OF_GROUPS, -10000);
    check_masks("const @low: f32[] = -inf\n" OF_GROUPS(", %keep: bool[6, 1, m]") "  %s = MatMul(%q, %kt)\n"
                "  %t = Where(%keep, %s, @low)\n" REST_OF_GROUPS, 0); /* from some heads */
}

/* Fills that may be no less than a score, masks made of scores, and weights that are not 0 where the exponential is. */
Test(attend, nothing_is_hidden) {
    static const char *const bodies[] = {
        "const @low: f32[] = -100\n" HEADS("%keep: bool[n, m]") SCORE "  %t = Where(%keep, %s, @low)\n" REST,
        HEADS("%hide: f32[n, 1]") SCORE "  %t = Add(%s, %hide)\n" REST,
        HEADS("%hide: f32[n, m], %a: f32[n, m]") SCORE "  %r = Mul(%s, %a)\n  %t = Add(%r, %hide)\n" REST,
        "const @low: f32[] = -inf\nconst @c: f32[] = 0.5\n" HEADS("%keep: bool[n, m]") SCORE "  %r = ReduceMax(%s, @axis)\n"
        "  %g = Greater(%r, @c)\n  %h = And(%keep, %g)\n  %t = Where(%h, %s, @low)\n" REST,
        "const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m]") SCORE "  %w = Where(%keep, %s, @low)\n  %r = ReduceMax(%s, @axis)\n"
        "  %u = Neg(%r)\n  %t = Add(%w, %u)\n" REST,
        "const @low: f16[] = -100\n" HEADS("%keep: bool[n, m]") SCORE "  %h = Cast(%s) {to = 10}\n  %u = Where(%keep, %h, @low)\n"
        "  %t = Cast(%u) {to = 1}\n" REST,
        "const @low: f64[] = -inf\n" HEADS("%keep: bool[n, m]") SCORE "  %h = Cast(%s) {to = 11}\n  %u = Where(%keep, %h, @low)\n"
        "  %t = Cast(%u) {to = 1}\n" REST,
        "const @low: f32[] = -inf\nconst @one: f32[] = 1\n" HEADS("%keep: bool[n, m]") SCORE "  %t = Where(%keep, %s, @low)\n"
        "  %r = Softmax(%t) {axis = -1}\n  %p = Add(%r, @one)\n  %y = MatMul(%p, %v)\n",
        "const @low: f32[] = -inf\n" HEADS("%keep: bool[n, m]") SCORE "  %t = Where(%keep, %s, @low)\n"
        "  %e = Exp(%t)\n  %a = ReduceSum(%e, @axis)\n  %p = Div(%e, %a)\n  %y = MatMul(%p, %v)\n"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        cr_expect(!folds(fv_printf(arena, "const @axis: i64[1] = [-1]\n%s", bodies[i]), FOLDED), "%s", bodies[i]);
}

/* ---- few queries ---- */

static int shares(const fv_program *p) {
    int n = 0;
    for (int i = 0; i < p->nkernels; i++)
        n += p->kernels[i]->schedule->kind == FV_SCHEDULE_part;
    return n;
}

/* Does the kernel of attention turn round keys that it reads where they lie? */
static bool turns_keys(const char *body) {
    const fv_program *p = lower(body, "%y", fv_target_find("x86-64-v3"));
    fv_text t = {.arena = arena};
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i]->schedule->kind == FV_SCHEDULE_attend)
            fv_kernel_print(&t, p->kernels[i]);
    return strstr(t.s, "tile rows: ") != NULL;
}

/* Heads that keys are broadcast to: with one query, their rows are as many as there are heads. */
#define BROADCAST(mask) "func @main(%q: f32[2, 4, n, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]" mask ") -> (%y) {\n" \
    "  %a = Transpose(%k) {perm = [0, 2, 1]}\n  %b = fv.Reshape(%a) {dims = [2, 1, 8, m]}\n  %s = MatMul(%q, %b)\n"
#define REST_OF_BROADCAST "  %p = Softmax(%t) {axis = -1}\n  %c = fv.Reshape(%v) {dims = [2, 1, m, 20]}\n  %y = MatMul(%p, %c)\n"
#define FIVE(mask) "func @main(%q: f32[2, 5, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]" mask ") -> (%y) {\n" \
    "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n"

Test(attend, few_queries, .timeout = 240) {
    const char *const bodies[] = {"const @by: f32[] = 0.35\n" BROADCAST("") "  %t = Mul(%s, @by)\n" REST_OF_BROADCAST,
                                  "const @by: f32[] = 0.35\n" FIVE("") "  %t = Mul(%s, @by)\n" REST,
                                  FIVE(", %mask: f32[2, 1, m]") "  %t = Add(%s, %mask)\n" REST,
                                  "func @main(%q: f32[2, 5, 8], %k: f32[2, 40, 8], %v: f32[2, 40, 20]) -> (%y) {\n" /* and nothing else */
                                  "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %t = MatMul(%q, %kt)\n" REST};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        check(bodies[i]);
        cr_expect(turns_keys(bodies[i]), "%s", bodies[i]);
    }
    const char *many = "func @main(%q: f32[2, 64, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]) -> (%y) {\n"
                       "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %t = MatMul(%q, %kt)\n" REST;
    cr_expect(!turns_keys(many), "panels are worth it");
}

/* Heads of one token have the bits that they have beside those of others, where blocks of queries are no few. */
Test(attend, few_queries_whose_keys_tasks_share) {
    static const int keys[] = {40, 512, 513, 1030, 1544};
    const char *body = "func @main(%q: f32[n, 4, 8], %k: f32[m, 8], %v: f32[m, 20], %mask: f32[m]) -> (%y) {\n"
                       "  %kt = Transpose(%k) {perm = [1, 0]}\n  %s = MatMul(%q, %kt)\n  %t = Add(%s, %mask)\n" REST;
    for (size_t t = 0; t < sizeof tilings / sizeof *tilings; t++) {
        if (!sample_has(body, t, 1, 2))
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

Test(attend, hidden_from_few_queries, .timeout = 240) {
    check_masks("const @low: f32[] = -inf\n" BROADCAST(", %keep: bool[n, m]") "  %t = Where(%keep, %s, @low)\n" REST_OF_BROADCAST, 0);
    check_masks(BROADCAST(", %hide: f32[4, 1, m]") "  %t = Add(%s, %hide)\n" REST_OF_BROADCAST, -10000);
    check_masks("const @low: f32[] = -inf\n" FIVE(", %keep: bool[5, m]") "  %t = Where(%keep, %s, @low)\n" REST, 0);
    check_masks(FIVE(", %hide: f32[2, 5, m]") "  %t = Add(%s, %hide)\n" REST, -10000);
}

/* ---- a row at a time ---- */

/* So many kernels make the whole of it; one of them is attention, which gives the bits of several: those where another value, z, is made of the weights beside them. */
static void check_rows(int kernels, const char *body, const char *returned) {
    static const int sizes[][2] = {{29, 37}, {5, 64}, {3, 3}, {1, 17}, {13, 1}, {0, 5}, {4, 0}};
    for (size_t t = 0; t < sizeof tilings / sizeof *tilings; t++) {
        if (!sample_has(body, t, 2, 3))
            continue;
        const fv_target target = tiled(t);
        const fv_program *one = lower(body, returned, &target);
        const fv_program *three = lower(body, fv_printf(arena, "%s, %%z", returned), &target);
        cr_assert_gt(three->nkernels, kernels);
        cr_assert_eq(one->nkernels, kernels, "tiling %zu, %d kernels: %s", t, one->nkernels, body);
        cr_assert_eq(attends(one), 0);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            size_t a, b;
            const void *x = run(one, sizes[i][0], sizes[i][1], &a), *y = run(three, sizes[i][0], sizes[i][1], &b);
            cr_assert_eq(a, b);
            cr_assert(same(x, y, a, one->outputs[0].elem == FV_F64), "tiling %zu, n = %d, m = %d\n%s", t, sizes[i][0], sizes[i][1], body);
        }
    }
}

#define SCORE_OF_ROW "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n"
#define REST_OF_ROW "  %p = Softmax(%t) {axis = -1}\n  %z = Neg(%p)\n  %y = MatMul(%p, %v)\n"

/* A step of a decoder: heads of one query each, with a mask; features of a vector, of odd ones, of more than registers hold. */
Test(attend, one_query) {
    static const int features[] = {20, 64, 1, 700};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        check_rows(1, fv_printf(arena, "const @low: f32[] = -10000\nfunc @main(%%q: f32[3, 1, 8], %%k: f32[3, m, 8], %%v: f32[3, m, %d], %%keep: bool[1, m]) "
                                    "-> (%%y) {\n" "%s  %%t = Where(%%keep, %%s, @low)\n%s", features[i],
                             "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n", REST_OF_ROW), "%y");
    check_rows(1, "func @main(%q: f64[3, 1, 8], %k: f64[3, m, 8], %v: f64[3, m, 12]) -> (%y) {\n" SCORE_OF_ROW
               "  %t = Tanh(%s)\n" REST_OF_ROW, "%y");
    /* one row, and no heads */
    check_rows(1, "func @main(%q: f32[1, 8], %k: f32[m, 8], %v: f32[m, 20]) -> (%y) {\n  %kt = Transpose(%k) {perm = [1, 0]}\n"
               "  %s = MatMul(%q, %kt)\n  %t = Neg(%s)\n" REST_OF_ROW, "%y");
    /* features that the run knows; weights that are returned */
    check_rows(1, "func @main(%q: f32[3, 1, 8], %k: f32[3, m, 8], %v: f32[3, m, n]) -> (%y) {\n" SCORE_OF_ROW
               "  %t = Neg(%s)\n" REST_OF_ROW, "%y");
    check_rows(1, "func @main(%q: f32[3, 1, 8], %k: f32[3, m, 8], %v: f32[3, m, 20]) -> (%y) {\n" SCORE_OF_ROW
               "  %t = Neg(%s)\n" REST_OF_ROW, "%y, %p");
}

/* Scores that are no product of rows: tanh(q + k) w, of which the elements are a kernel of their own; distances, of many queries. */
Test(attend, additive) {
    check_rows(2, "const @a: i64[1] = [-1]\nconst @one: i64[1] = [1]\nfunc @main(%q: f32[3, 1, 8], %k: f32[3, m, 8], %v: f32[3, m, 20], %w: f32[8]) -> (%y) {\n"
               "  %h = Add(%q, %k)\n  %g = Tanh(%h)\n  %x = Mul(%g, %w)\n  %r = ReduceSum(%x, @a) {keepdims = 0}\n"
               "  %p = Softmax(%r) {axis = -1}\n  %z = Neg(%p)\n  %u = Unsqueeze(%p, @one)\n  %y = MatMul(%u, %v)\n", "%y");
    check_rows(1, "const @a: i64[1] = [-1]\nconst @b: i64[1] = [2]\nconst @one: i64[1] = [1]\nfunc @main(%q: f32[2, n, 8], %k: f32[2, m, 8], %v: f32[2, m, 20]) -> (%y) {\n"
               "  %i = Unsqueeze(%q, @b)\n  %c = Unsqueeze(%k, @one)\n  %h = Sub(%i, %c)\n  %g = Abs(%h)\n"
               "  %r = ReduceSum(%g, @a) {keepdims = 0}\n  %t = Neg(%r)\n" REST_OF_ROW, "%y");
}

/* One row of very many keys is shared among tasks; what else reads scores, and what stands between, is in the way of none. */
Test(attend, rows_that_tasks_share) {
    const fv_target *target = fv_target_find("x86-64-v3");
    const fv_program *p = lower("func @main(%q: f32[1, 1, 64], %k: f32[1, 90000, 64], %v: f32[1, 90000, 64]) -> (%y) {\n" SCORE_OF_ROW
                                "  %t = Neg(%s)\n" REST_OF_ROW, "%y", target);
    cr_expect_geq(p->nkernels, 3);
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

/* ---- tasks that share the keys of few queries ---- */

enum { SHARED_HEADS = 6, FEATURES = 20 };
/* [token, head, ..]: what a token is does not depend on how many there are. Three heads share keys, where a mask keeps them apart from
 * being rows. */
#define SHARING(keys, mask) "func @main(%q: f32[n, 6, 8], %k: f32[m, " keys ", 8], %v: f32[m, " keys ", 20]" mask ") -> (%y) {\n"
#define BY_HEAD "  %q1 = Transpose(%q) {perm = [1, 0, 2]}\n  %kt = Transpose(%k) {perm = [1, 2, 0]}\n  %v1 = Transpose(%v) {perm = [1, 0, 2]}\n"
#define BY_GROUP                                                                                                                    \
    "  %q1 = Transpose(%q) {perm = [1, 0, 2]}\n  %k0 = Transpose(%k) {perm = [1, 2, 0]}\n  %v0 = Transpose(%v) {perm = [1, 0, 2]}\n"  \
    "  %k2 = fv.Reshape(%k0) {dims = [2, 1, 8, m]}\n  %k3 = fv.Expand(%k2) {dims = [2, 3, 8, m]}\n  %kt = fv.Reshape(%k3) {dims = [6, 8, m]}\n" \
    "  %v2 = fv.Reshape(%v0) {dims = [2, 1, m, 20]}\n  %v3 = fv.Expand(%v2) {dims = [2, 3, m, 20]}\n  %v1 = fv.Reshape(%v3) {dims = [6, m, 20]}\n"
#define SHARED_SCORES "  %s = MatMul(%q1, %kt)\n"
#define SHARED_REST "  %p = Softmax(%t) {axis = -1}\n  %o = MatMul(%p, %v1)\n  %y = Transpose(%o) {perm = [1, 0, 2]}\n"

static double at_of(const fv_program *p, int input, int64_t e, int m) { return (double)(float)element(&p->inputs[input], input, e, 1, m); }

/* The first token's result in double precision; NaN where a weight is. `groups` of heads; `added`: a mask that is %hide. */
static void attend_in_f64(const fv_program *p, int m, int groups, bool added, double scale, double *y) {
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
        if (!(isnan(x[i]) && isnan(y[i])) && (double)x[i] != y[i] && !(fabs((double)x[i] - y[i]) <= 2e-6))
            return false;
    return true;
}

/* A step has the bits of the first row of a prompt, which one task computes: two, three and four parts, the last one of a single key and
 * of many, and one of 512, which is not shared. */
static void check_shared(const char *body, const double *expected_scale, int groups, bool added) {
    static const int keys[] = {40, 512, 513, 1030, 1544};
    for (size_t t = 0; t < sizeof tilings / sizeof *tilings; t += 2) {
        if (!sample_has(body, t / 2, 1, 3))
            continue;
        const fv_target target = tiled(t);
        const fv_program *p = lower(body, "%y", &target);
        cr_assert_geq(shares(p), 3, "%s", body);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            size_t one, two, three;
            double want[SHARED_HEADS * FEATURES];
            const float *x = run(p, 1, keys[i], &one), *y = run(p, 2, keys[i], &two), *z = run(p, 3, keys[i], &three); /* as a group has heads */
            cr_assert_eq(one, SHARED_HEADS * FEATURES * sizeof *x);
            cr_assert_eq(two, 2 * one);
            cr_assert(same(x, y, one, false), "tiling %zu, mask %d, %d keys\n%s", t, hides, keys[i], body);
            cr_assert(same(y, z, two, false), "three queries: tiling %zu, mask %d, %d keys\n%s", t, hides, keys[i], body);
            if (!expected_scale)
                continue;
            attend_in_f64(p, keys[i], groups, added, *expected_scale, want);
            cr_assert(is_near(x, want), "tiling %zu, mask %d, %d keys\n%s", t, hides, keys[i], body);
        }
    }
}

Test(attend, keys_that_tasks_share, .timeout = 240) {
    const double one = 1, third = (double)(1 / 3.0f);
    check_shared(SHARING("6", "") BY_HEAD SHARED_SCORES "  %t = Identity(%s)\n" SHARED_REST, &one, 6, false);
    check_shared("const @c: f32[] = 0.33333334\n" SHARING("6", "") BY_HEAD "  %q2 = Mul(%q1, @c)\n  %t = MatMul(%q2, %kt)\n" SHARED_REST,
                 &third, 6, false);
    check_shared("const @c: f32[] = 5\n" SHARING("6", "") BY_HEAD SHARED_SCORES
                 "  %a = Div(%s, @c)\n  %b = Tanh(%a)\n  %t = Mul(%b, @c)\n" SHARED_REST, NULL, 6, false);
    check_shared(SHARING("6", ", %sink: f32[n, 6, 1]") BY_HEAD SHARED_SCORES
                 "  %z = Transpose(%sink) {perm = [1, 0, 2]}\n  %p = fv.SinkSoftmax(%s, %z)\n  %o = MatMul(%p, %v1)\n  %y = Transpose(%o) {perm = [1, 0, 2]}\n", NULL, 6, false);
}

/* Parts that are hidden as a whole, the first or the last ones; rows of which all is hidden. */
Test(attend, keys_that_tasks_share_and_a_mask, .timeout = 240) {
    static const float fills[] = {-10000, -INFINITY, -3.4028235e+38f};
    static const pattern patterns[] = {SEVENTHS, LATE, MIDDLE, NONE, ALL};
    const double one = 1;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        hides = patterns[i];
        for (int f = 0; f < 3; f++) {
            fill = fills[f];
            bool lost = hides == ALL && f != 1; /* of scores, beside it */
            check_shared(SHARING("2", ", %hide: f32[n, m]") BY_GROUP SHARED_SCORES "  %t = Add(%s, %hide)\n" SHARED_REST, lost ? NULL : &one, 2, true);
        }
        check_shared("const @low: f32[] = -inf\nconst @zero: f32[] = 0\n" SHARING("6", ", %keep: bool[n, m]") BY_HEAD SHARED_SCORES
                     "  %t = Where(%keep, %s, @low)\n  %r = Softmax(%t) {axis = -1}\n  %p = Where(%keep, %r, @zero)\n"
                     "  %o = MatMul(%p, %v1)\n  %y = Transpose(%o) {perm = [1, 0, 2]}\n", NULL, 6, false);
    }
    hides = SEVENTHS;
}

/* What is infinite or NaN in one part is so in the sum, and nowhere else. */
Test(attend, keys_that_tasks_share_and_no_numbers, .timeout = 240) {
    static const double values[] = {INFINITY, -INFINITY, NAN};
    static const char *const body = SHARING("6", "") BY_HEAD SHARED_SCORES "  %t = Identity(%s)\n" SHARED_REST;
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
    cr_expect_eq(shares(lower("func @main(%q: f32[16, n, 8], %k: f32[16, m, 8], %v: f32[16, m, 20]) -> (%y) {\n"
                              "  %kt = Transpose(%k) {perm = [0, 2, 1]}\n  %s = MatMul(%q, %kt)\n  %p = Softmax(%s) {axis = -1}\n"
                              "  %y = MatMul(%p, %v)\n", "%y", target)), 0);
    cr_expect_eq(shares(lower("symbol few 0..512\nfunc @main(%q: f32[n, 8], %k: f32[few, 8], %v: f32[few, 20]) -> (%y) {\n" SCORE
                              "  %p = Softmax(%s) {axis = -1}\n  %y = MatMul(%p, %v)\n", "%y", target)), 0);
}
