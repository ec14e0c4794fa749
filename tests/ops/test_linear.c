/* LinearAttention compared with its equations, computed here in double: scheduled for several
 * targets, and with the naive schedule. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/interp/interp.h"
#include "backend/lower.h"
#include "ir/graph/parse.h"
#include "ir/kernel/verify.h"
#include "passes/passes.h"
#include "tests/kernel/support.h"

enum { MOST = 1 << 15 };

typedef enum {
    /* decay: of a head, of each key; beta: of all heads, of each head */
    ABSENT,
    ONE,
    EACH
} gate;

typedef struct config {
    const char *rule;
    int batch, seq, q, k, v, dk, dv; /* heads of queries, keys, values */
    gate decay, beta;
    bool past;
    double scale;
    int window;               /* -1: the standard's operator */
    bool open;                /* columns are symbols */
    const char *elem, *state; /* NULL: f32 */
    const char *drop;         /* a result that is left out: "y" or "s" */
    double error;             /* 0: 1e-5 */
} config;

/* ---- the equations ---- */

typedef struct data {
    double q[MOST], k[MOST], v[MOST], s[MOST], g[MOST], b[MOST];
    double y[MOST], present[MOST];
} data;

static int most_heads(const config *t) {
    return t->q > t->v ? t->q : t->v;
}
static int states_of(const config *t) {
    return t->batch * t->v * t->dk * t->dv;
}
static int places_of(const config *t) {
    return t->window > 0 ? t->window : 1;
}
static int decays_of(const config *t) {
    return t->decay == EACH ? t->v * t->dk : t->v;
}
static int betas_of(const config *t) {
    return t->beta == EACH ? t->v : 1;
}

/* One step of a head's state, and what the heads of queries read of it. */
static void step(const config *t, data *z, int b, int at, int h, double *s) {
    int row = b * t->seq + at;
    const double *k = z->k + (row * t->k + h * t->k / t->v) * t->dk,
                 *v = z->v + (row * t->v + h) * t->dv;
    double scale = t->scale != 0 ? t->scale : 1 / sqrt(t->dk);
    for (int i = 0; i < t->dk && t->decay; i++)
        for (int j = 0; j < t->dv; j++)
            s[i * t->dv + j] *=
                exp(z->g[row * decays_of(t) + (t->decay == EACH ? h * t->dk + i : h)]);
    for (int j = 0; j < t->dv; j++) {
        double u = v[j], kept = 0;
        for (int i = 0; i < t->dk; i++)
            kept += k[i] * s[i * t->dv + j];
        if (t->beta)
            u = z->b[row * betas_of(t) + (t->beta == EACH ? h : 0)] * (u - kept);
        for (int i = 0; i < t->dk; i++)
            s[i * t->dv + j] += k[i] * u;
    }
    for (int head = 0; head < most_heads(t); head++) {
        bool reads = t->q > t->v ? head / (t->q / t->v) == h : head == h;
        const double *q = z->q + (row * t->q + (t->q > t->v ? head : h * t->q / t->v)) * t->dk;
        for (int j = 0; j < t->dv && reads; j++) {
            double sum = 0;
            for (int i = 0; i < t->dk; i++)
                sum += q[i] * s[i * t->dv + j];
            z->y[(row * most_heads(t) + head) * t->dv + j] = scale * sum;
        }
    }
}

static void reference(const config *t, data *z) {
    int size = t->dk * t->dv, places = places_of(t);
    memset(z->present, 0, sizeof z->present);
    for (int b = 0; b < t->batch; b++)
        for (int h = 0; h < t->v; h++) {
            double s[1024] = {0};
            int own = (b * t->v + h) * size;
            if (t->past)
                memcpy(s, z->s + (places - 1) * states_of(t) + own, (size_t)size * sizeof *s);
            for (int at = 0; at < t->seq; at++) {
                step(t, z, b, at, h, s);
                int place = places - t->seq + at;
                if (place >= 0)
                    memcpy(z->present + place * states_of(t) + own, s, (size_t)size * sizeof *s);
            }
            if (!t->seq && t->window <= 0)
                memcpy(z->present + own, s, (size_t)size * sizeof *s);
        }
}

/* ---- the same as graph IR ---- */

typedef struct operand {
    const char *name, *dims, *elem;
    const double *values;
    int n;
    bool there;
} operand;

enum { OPERANDS = 6 };

static const char *columns(const config *t, const char *symbol, int n) {
    return t->open ? fv_printf(arena, "[batch, seq, %s]", symbol)
                   : fv_printf(arena, "[batch, seq, %d]", n);
}

static void list_operands(const config *t, const data *z, operand *o) {
    const char *e = t->elem ? t->elem : "f32", *s = t->state ? t->state : "f32";
    const char *state =
        fv_printf(arena, t->open ? "batch, %d, dk, dv]" : "batch, %d, %d, %d]", t->v, t->dk, t->dv);
    int rows = t->batch * t->seq;
    state = t->window > 0 ? fv_printf(arena, "[%d, %s", t->window, state)
                          : fv_printf(arena, "[%s", state);
    operand all[OPERANDS] = {
        {"q", columns(t, "qs", t->q * t->dk), e, z->q, rows * t->q * t->dk, true},
        {"k", columns(t, "ks", t->k * t->dk), e, z->k, rows * t->k * t->dk, true},
        {"v", columns(t, "vs", t->v * t->dv), e, z->v, rows * t->v * t->dv, true},
        {"s", state, s, z->s, states_of(t) * places_of(t), t->past},
        {"g", columns(t, "gs", decays_of(t)), e, z->g, rows * decays_of(t), t->decay != ABSENT},
        {"b", columns(t, "bs", betas_of(t)), e, z->b, rows * betas_of(t), t->beta != ABSENT}};
    memcpy(o, all, sizeof all);
}

static const char *graph_text(const config *t, const operand *o) {
    fv_text out = {.arena = arena};
    int last = OPERANDS;
    fv_text_put(&out, "fovea-ir 1\nmodule \"m\"\nsymbol seq 0..100\nsymbol batch 0..100\n");
    for (int i = 0; i < 7 && t->open; i++)
        fv_text_printf(&out, "symbol %s 1..1000\n",
                       ((const char *[]){"qs", "ks", "vs", "gs", "bs", "dk", "dv"})[i]);
    fv_text_put(&out, "func @main(");
    for (int i = 0; i < OPERANDS; i++)
        if (o[i].there)
            fv_text_printf(&out, "%s%%%s: %s%s", i ? ", " : "", o[i].name, o[i].elem, o[i].dims);
    bool y = !t->drop || *t->drop != 'y', s = !t->drop || *t->drop != 's';
    fv_text_printf(&out, ") -> (%s%s%s) {\n  %s, %s = %sLinearAttention(", y ? "%y" : "",
                   y && s ? ", " : "", s ? "%present" : "", y ? "%y" : "%unread",
                   s ? "%present" : "%rest", t->window < 0 ? "" : "com.microsoft.");
    while (!o[last - 1].there)
        last--;
    for (int i = 0; i < last; i++)
        fv_text_printf(&out, "%s%s", i ? ", " : "",
                       o[i].there ? fv_printf(arena, "%%%s", o[i].name) : "_");
    fv_text_printf(&out,
                   ") {update_rule = \"%s\", q_num_heads = %d, kv_num_heads = %d, scale = %.9g",
                   t->rule, t->q, t->v, t->scale);
    fv_text_printf(&out, t->window > 0 ? ", state_window = %d}\n" : "}\n", t->window);
    fv_text_printf(&out, "  return %s%s%s\n}\n", y ? "%y" : "", y && s ? ", " : "",
                   s ? "%present" : "");
    return out.s;
}

/* ---- running ---- */

static fv_tensor *tensor_of(fv_elem e, int n, const double *v) {
    int64_t dim = n;
    fv_tensor *t = fv_tensor_new(arena, e, 1, &dim);
    for (int i = 0; i < n; i++)
        fv_tensor_set_float(t, (size_t)i, v[i]);
    return t;
}

static int64_t symbol_of(const config *t, const char *name) {
    const struct {
        const char *name;
        int value;
    } all[] = {{"seq", t->seq},      {"batch", t->batch},  {"qs", t->q * t->dk},
               {"ks", t->k * t->dk}, {"vs", t->v * t->dv}, {"gs", decays_of(t)},
               {"bs", betas_of(t)},  {"dk", t->dk},        {"dv", t->dv}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!strcmp(all[i].name, name))
            return all[i].value;
    cr_assert_fail("no symbol %s", name);
    return 0;
}

static void run(const config *t, const operand *o, fv_program *p, fv_tensor **out) {
    const void *in[OPERANDS];
    void *results[2];
    size_t bytes;
    int64_t dims[32] = {0}, symbols[16];
    for (int i = 0; i < p->symbols.n; i++)
        symbols[i] = symbol_of(t, p->symbols.all[i]->name);
    for (int i = 0; i < p->ninputs; i++)
        for (int k = 0; k < OPERANDS; k++)
            if (!strcmp(p->inputs[i].name, o[k].name))
                in[i] = tensor_of(p->inputs[i].elem, o[k].n, o[k].values)->data;
    for (int i = 0; i < p->noutputs; i++) {
        out[i] = fv_tensor_new(arena, p->outputs[i].elem, 1, (int64_t[]){MOST});
        results[i] = (void *)(uintptr_t)out[i]->data;
    }
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert_eq(fv_interp_plan(interp, symbols, &bytes, dims), 0);
    int status = fv_interp_run(interp, symbols, in, results, dims,
                               fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "status %d: %s", status, fv_interp_fault(interp));
}

static void compare(const config *t, const char *what, const fv_program *p, fv_tensor *const *out,
                    const data *z) {
    for (int i = 0; i < p->noutputs; i++) {
        bool y = !strcmp(p->outputs[i].name, "y");
        const double *want = y ? z->y : z->present;
        int n = y ? t->batch * t->seq * most_heads(t) * t->dv : states_of(t) * places_of(t);
        for (int k = 0; k < n; k++) {
            double got = fv_tensor_float(out[i], (size_t)k);
            cr_assert(fabs(got - want[k]) <= (t->error > 0 ? t->error : 1e-5),
                      "%s, %s: element %d of %s is %g, expected %g", t->rule, what, k,
                      y ? "y" : "present", got, want[k]);
        }
    }
}

static double next(unsigned *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return (double)(*seed >> 8) / (1 << 24) - 0.5;
}

static void fill(const config *t, data *z) {
    double *all[] = {z->q, z->k, z->v, z->s, z->g, z->b};
    unsigned seed = 1;
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < MOST; k++)
            all[i][k] = next(&seed) * (i == 3 ? 0.5 : 1);
    for (int k = 0; k < MOST; k++) { /* a decay, a rate */
        z->g[k] -= 0.5;
        z->b[k] += 0.5;
    }
    reference(t, z);
}

static void check(const config *t) {
    static const char *const targets[] = {"x86-64-v3", "x86-64-v4", "aarch64", "generic"};
    data *z = FV_NEW(arena, data, 1);
    operand o[OPERANDS];
    fill(t, z);
    list_operands(t, z, o);
    const char *text = graph_text(t, o);
    for (int i = 0; i < 5; i++) {
        bool naive = i == 4;
        fv_tensor *out[2];
        fv_module *m = fv_module_parse(session, text, NULL);
        fv_pipeline_options po = {.verify = true};
        fv_lower_options lo = {.target = fv_target_find(targets[naive ? 0 : i]), .naive = naive};
        cr_assert(m && fv_run_passes(m, fv_pipeline(naive ? '0' : '2'), &po), "%s%s", text, said());
        fv_program *p = fv_lower(m, &lo);
        cr_assert(p && fv_program_verify(session, p), "%s%s", text, said());
        fv_program_expand(p);
        run(t, o, p, out);
        compare(t, naive ? "naive" : targets[i], p, out, z);
    }
}

static void check_all(const config *t, size_t n) {
    for (size_t i = 0; i < n; i++)
        check(&t[i]);
}
#define CHECK(...)                                                                                 \
    check_all((config[]){__VA_ARGS__}, sizeof((config[]){__VA_ARGS__}) / sizeof(config))

Test(linear, rules, .init = open_session, .fini = close_session) {
    CHECK({"linear", 2, 5, 2, 2, 2, 4, 6, .window = -1},
          {"gated", 2, 5, 2, 2, 2, 4, 6, ONE, .past = true, .window = -1},
          {"gated", 1, 4, 3, 3, 3, 5, 7, EACH, .window = -1},
          {"delta", 2, 5, 2, 2, 2, 4, 6, .beta = EACH, .scale = 0.7, .window = -1},
          {"delta", 2, 5, 2, 2, 2, 4, 6, .beta = ONE, .past = true, .window = -1},
          {"gated_delta", 2, 4, 2, 2, 2, 8, 8, EACH, EACH, .past = true, .window = -1},
          {"gated_delta", 2, 1, 2, 2, 2, 8, 8, ONE, ONE, .past = true, .window = -1});
}

Test(linear, heads, .init = open_session, .fini = close_session) {
    CHECK({"gated_delta", 2, 4, 6, 2, 2, 4, 5, EACH, EACH, .window = -1},
          {"linear", 1, 3, 12, 1, 1, 8, 9, .window = -1},
          {"gated_delta", 2, 3, 2, 4, 4, 4, 5, ONE, EACH, .past = true},
          {"gated_delta", 1, 3, 2, 2, 6, 3, 5, ONE, EACH},
          {"delta", 1, 3, 6, 1, 3, 3, 5, .beta = ONE}, {"gated", 2, 3, 4, 2, 2, 4, 33, EACH});
}

/* One block of columns, several blocks, and a last block that is incomplete; also states that do
 * not fit into the first-level cache. */
Test(linear, columns, .init = open_session, .fini = close_session) {
    CHECK({"gated_delta", 1, 3, 2, 2, 2, 16, 48, ONE, EACH, .past = true, .window = -1,
           .error = 1e-4},
          {"gated_delta", 1, 2, 2, 2, 2, 8, 100, EACH, EACH, .window = -1, .error = 1e-4},
          {"linear", 2, 2, 1, 1, 1, 24, 40, .past = true, .window = -1, .error = 1e-4},
          {"delta", 1, 3, 2, 2, 2, 5, 1, .beta = EACH}, {"gated", 1, 3, 2, 2, 2, 1, 17, EACH});
}

Test(linear, symbols, .init = open_session, .fini = close_session) {
    CHECK(
        {"gated_delta", 2, 3, 4, 2, 2, 4, 5, EACH, EACH, .past = true, .window = -1, .open = true},
        {"gated_delta", 1, 3, 2, 2, 2, 3, 20, ONE, ONE, .past = true, .open = true},
        {"gated", 2, 2, 2, 2, 2, 1, 5, ONE, .past = true, .open = true});
}

Test(linear, types, .init = open_session, .fini = close_session) {
    CHECK({"gated_delta", 2, 4, 2, 2, 2, 4, 6, ONE, EACH, .past = true, .window = -1, .elem = "f16",
           .error = 2e-3},
          {"gated_delta", 2, 4, 2, 2, 2, 4, 6, EACH, ONE, .window = -1, .elem = "bf16",
           .error = 1e-2},
          {"delta", 2, 4, 2, 2, 2, 4, 6, .beta = EACH, .past = true, .window = -1, .elem = "f16",
           .state = "f16", .error = 2e-3},
          {"gated", 1, 3, 2, 2, 2, 4, 6, ONE, .past = true, .elem = "bf16", .state = "f16",
           .error = 1e-2});
}

Test(linear, windows, .init = open_session, .fini = close_session) {
    CHECK({"gated_delta", 2, 5, 2, 2, 2, 4, 6, ONE, EACH, .past = true, .window = 3},
          {"linear", 1, 2, 2, 2, 2, 4, 6, .window = 4},
          {"delta", 2, 3, 4, 2, 2, 4, 6, .beta = ONE, .past = true, .window = 1},
          {"gated", 1, 3, 2, 2, 2, 4, 6, EACH, .past = true, .window = 3},
          {"gated_delta", 2, 4, 2, 2, 2, 4, 6, ONE, EACH, .past = true, .window = 2, .elem = "f16",
           .state = "f16", .error = 2e-3});
}

Test(linear, sizes, .init = open_session, .fini = close_session) {
    CHECK({"gated_delta", 2, 0, 2, 2, 2, 4, 6, ONE, EACH, .past = true, .window = -1},
          {"linear", 0, 3, 2, 2, 2, 4, 6, .window = -1},
          {"linear", 2, 3, 2, 2, 2, 4, 6, .window = -1, .drop = "s"},
          {"linear", 2, 3, 2, 2, 2, 4, 6, .window = -1, .drop = "y"},
          {"gated", 2, 3, 2, 2, 2, 4, 6, ONE, .window = 2, .drop = "y"},
          {"gated", 1, 0, 2, 2, 2, 4, 6, ONE, .past = true, .window = 2});
}
