/* RNN, GRU and LSTM compared with the standard's equations, computed here in double: scheduled for
 * several targets, and with the naive schedule, with weights that are constants and weights that
 * are inputs. */
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

enum { MOST = 4096 };

typedef struct config {
    const char *op;
    int seq, batch, input, hidden;
    const char *direction;    /* NULL: forward */
    const char *acts[6];      /* of each direction; none: the default */
    double alpha[6], beta[6]; /* in the order in which functions take them; 0 ends */
    int layout, input_forget, linear_before_reset, hidden_size;
    double clip;
    bool constant, bias, h, c, p;
    int lens[6];      /* -1 first: there are none */
    const char *elem; /* NULL: f32 */
    const char *drop; /* results that are left out, of "Y", "h" and "c" */
    double error;     /* 0: 1e-5 */
} config;

/* ---- the standard's equations ---- */

typedef struct data {
    double x[MOST], w[MOST], r[MOST], b[MOST], h[MOST], c[MOST], p[MOST];
    double y[MOST], y_h[MOST], y_c[MOST];
} data;

static double act(const char *name, double a, double b, double x) {
    if (!strcmp(name, "Relu"))
        return x > 0 ? x : 0;
    if (!strcmp(name, "Tanh"))
        return tanh(x);
    if (!strcmp(name, "Sigmoid"))
        return 1 / (1 + exp(-x));
    if (!strcmp(name, "Affine"))
        return a * x + b;
    if (!strcmp(name, "LeakyRelu"))
        return x < 0 ? a * x : x;
    if (!strcmp(name, "ThresholdedRelu"))
        return x >= a ? x : 0;
    if (!strcmp(name, "ScaledTanh"))
        return a * tanh(b * x);
    if (!strcmp(name, "HardSigmoid"))
        return fmin(fmax(a * x + b, 0), 1);
    if (!strcmp(name, "Elu"))
        return x < 0 ? a * (exp(x) - 1) : x;
    if (!strcmp(name, "Softsign"))
        return x / (1 + fabs(x));
    if (!strcmp(name, "Softplus"))
        return log(1 + exp(x));
    cr_assert_fail("no activation %s", name);
    return 0;
}

static int takes(const char *name) { /* 0: nothing, 1: alpha, 2: beta too */
    static const char *const both[] = {"Affine", "ScaledTanh", "HardSigmoid"};
    static const char *const alpha[] = {"LeakyRelu", "ThresholdedRelu", "Elu"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(name, both[i]) || !strcmp(name, alpha[i]))
            return !strcmp(name, both[i]) ? 2 : 1;
    return 0;
}

static int gates_of(const config *t) {
    return *t->op == 'L' ? 4 : *t->op == 'G' ? 3 : 1;
}
static int acts_of(const config *t) {
    return *t->op == 'L' ? 3 : *t->op == 'G' ? 2 : 1;
}
static int directions_of(const config *t) {
    return t->direction && !strcmp(t->direction, "bidirectional") ? 2 : 1;
}

/* Function i of direction d; what goes into h of LSTM is not clipped. */
static double f(const config *t, int d, int i, double x) {
    static const char *const defaults[3][3] = {
        {"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    int n = acts_of(t), at = d * n + i, na = 0, nb = 0;
    if (t->clip > 0 && i < 2)
        x = fmin(fmax(x, -t->clip), t->clip);
    if (!t->acts[0])
        return act(defaults[n - 1][i], 0, 0, x);
    for (int k = 0; k < at; k++) {
        na += takes(t->acts[k]) >= 1;
        nb += takes(t->acts[k]) == 2;
    }
    bool hard = !strcmp(t->acts[at], "HardSigmoid"), leaky = !strcmp(t->acts[at], "LeakyRelu");
    double a = t->alpha[na] != 0 ? t->alpha[na] : hard ? 0.2 : leaky ? 0.01 : 1;
    double b = t->beta[nb] != 0 ? t->beta[nb] : hard ? 0.5 : !strcmp(t->acts[at], "ScaledTanh");
    return act(t->acts[at], a, b, x);
}

static double dot(const double *a, const double *b, int n) {
    double s = 0;
    for (int i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

/* One step of a row: h and c become the new ones. */
static void step(const config *t, const data *z, int d, const double *x, double *h, double *c) {
    int n = t->hidden, g = gates_of(t);
    double in[64], rec[64], rh[16], now[16];
    const double *p = z->p + d * 3 * n, *r = z->r + d * g * n * n;
    for (int i = 0; i < g * n; i++) {
        in[i] = dot(x, z->w + (d * g * n + i) * t->input, t->input) +
                (t->bias ? z->b[d * 2 * g * n + i] : 0);
        rec[i] = dot(h, r + i * n, n) + (t->bias ? z->b[d * 2 * g * n + g * n + i] : 0);
    }
    for (int j = 0; j < n && g == 3; j++)
        rh[j] = f(t, d, 0, in[n + j] + rec[n + j]) * h[j];
    for (int j = 0; j < n; j++) {
        if (g == 1) {
            now[j] = f(t, d, 0, in[j] + rec[j]);
        } else if (g == 3) {
            double update = f(t, d, 0, in[j] + rec[j]), reset = f(t, d, 0, in[n + j] + rec[n + j]);
            double linear = rec[2 * n + j] * reset;
            double bias = t->bias ? z->b[d * 2 * g * n + 5 * n + j] : 0;
            double other = dot(rh, r + (2 * n + j) * n, n) + bias;
            double candidate =
                f(t, d, 1, in[2 * n + j] + (t->linear_before_reset ? linear : other));
            now[j] = (1 - update) * candidate + update * h[j];
        } else {
            double i = f(t, d, 0, in[j] + rec[j] + (t->p ? p[j] * c[j] : 0));
            double forget =
                f(t, d, 0, in[2 * n + j] + rec[2 * n + j] + (t->p ? p[2 * n + j] * c[j] : 0));
            forget = t->input_forget ? 1 - i : forget;
            c[j] = forget * c[j] + i * f(t, d, 1, in[3 * n + j] + rec[3 * n + j]);
            now[j] = f(t, d, 0, in[n + j] + rec[n + j] + (t->p ? p[n + j] * c[j] : 0)) *
                     f(t, d, 2, c[j]);
        }
    }
    memcpy(h, now, (size_t)n * sizeof *h);
}

static void reference(const config *t, data *z) {
    int n = t->hidden, ds = directions_of(t);
    for (int d = 0; d < ds; d++)
        for (int b = 0; b < t->batch; b++) {
            double h[16] = {0}, c[16] = {0};
            int at = (t->layout ? b * ds + d : d * t->batch + b) * n,
                len = t->lens[0] < 0 ? t->seq : t->lens[b];
            bool back = d == 1 || (t->direction && !strcmp(t->direction, "reverse"));
            for (int j = 0; j < n; j++) {
                h[j] = t->h ? z->h[at + j] : 0;
                c[j] = t->c ? z->c[at + j] : 0;
            }
            for (int s = 0; s < len; s++) {
                int k = back ? len - 1 - s : s;
                int row = t->layout ? b * t->seq + k : k * t->batch + b;
                int to = t->layout ? row * ds + d : (k * ds + d) * t->batch + b;
                step(t, z, d, z->x + row * t->input, h, c);
                memcpy(z->y + to * n, h, (size_t)n * sizeof *h);
            }
            for (int j = 0; j < n; j++) { /* the initial state of a row without steps */
                z->y_h[at + j] = h[j];
                z->y_c[at + j] = c[j];
            }
        }
}

/* ---- the same as graph IR ---- */

static void put_floats(fv_text *out, const char *name, const double *v) {
    if (v[0] == 0)
        return;
    fv_text_printf(out, ", %s = [", name);
    for (int i = 0; i < 6 && v[i] != 0; i++)
        fv_text_printf(out, "%s%.9g", i ? ", " : "", v[i]);
    fv_text_put(out, "]");
}

static void put_attrs(fv_text *out, const config *t) {
    fv_text_printf(out, "{layout = %d", t->layout);
    if (t->direction)
        fv_text_printf(out, ", direction = \"%s\"", t->direction);
    if (t->hidden_size)
        fv_text_printf(out, ", hidden_size = %d", t->hidden);
    if (t->clip > 0)
        fv_text_printf(out, ", clip = %.9g", t->clip);
    if (t->input_forget)
        fv_text_put(out, ", input_forget = 1");
    if (t->linear_before_reset)
        fv_text_put(out, ", linear_before_reset = 1");
    for (int i = 0; i < 6 && t->acts[i]; i++)
        fv_text_printf(out, "%s\"%s\"", i ? ", " : ", activations = [", t->acts[i]);
    fv_text_put(out, t->acts[0] ? "]" : "");
    put_floats(out, "activation_alpha", t->alpha);
    put_floats(out, "activation_beta", t->beta);
    fv_text_put(out, "}");
}

typedef struct operand {
    const char *name, *dims;
    const double *values;
    int n;
    bool there, constant, ints;
} operand;

enum { OPERANDS = 8 };

static void list_operands(const config *t, const data *z, const double *lens, operand *o) {
    int d = directions_of(t), g = gates_of(t), n = t->hidden, states = d * t->batch * n;
    const char *state = fv_printf(arena, t->layout ? "[batch, %d, %d]" : "[%d, batch, %d]", d, n);
    operand all[OPERANDS] = {
        {"x", fv_printf(arena, t->layout ? "[batch, seq, %d]" : "[seq, batch, %d]", t->input), z->x,
         t->seq * t->batch * t->input, true, false, false},
        {"w", fv_printf(arena, "[%d, %d, %d]", d, g * n, t->input), z->w, d * g * n * t->input,
         true, t->constant, false},
        {"r", fv_printf(arena, "[%d, %d, %d]", d, g * n, n), z->r, d * g * n * n, true, t->constant,
         false},
        {"b", fv_printf(arena, "[%d, %d]", d, 2 * g * n), z->b, d * 2 * g * n, t->bias, t->constant,
         false},
        {"lens", "[batch]", lens, t->batch, t->lens[0] >= 0, false, true},
        {"h", state, z->h, states, t->h, false, false},
        {"c", state, z->c, states, t->c, false, false},
        {"p", fv_printf(arena, "[%d, %d]", d, 3 * n), z->p, d * 3 * n, t->p, t->constant, false}};
    memcpy(o, all, sizeof all);
}

static const char *graph_text(const config *t, const operand *o) {
    fv_text out = {.arena = arena};
    const char *elem = t->elem ? t->elem : "f32", *sep = "";
    fv_text_put(&out, "fovea-ir 1\nmodule \"m\"\nsymbol seq 0..100\nsymbol batch 0..100\n");
    for (int i = 0; i < OPERANDS; i++) {
        if (!o[i].there || !o[i].constant)
            continue;
        fv_text_printf(&out, "const @%s: %s%s = [", o[i].name, elem, o[i].dims);
        for (int k = 0; k < o[i].n; k++)
            fv_text_printf(&out, "%s%.9f", k ? ", " : "", o[i].values[k]);
        fv_text_put(&out, "]\n");
    }
    fv_text_put(&out, "func @main(");
    for (int i = 0; i < OPERANDS; i++)
        if (o[i].there && !o[i].constant) {
            fv_text_printf(&out, "%s%%%s: %s%s", sep, o[i].name, o[i].ints ? "i32" : elem,
                           o[i].dims);
            sep = ", ";
        }
    const char *drop = t->drop ? t->drop : "";
    bool y = !strchr(drop, 'Y'), h = !strchr(drop, 'h'), c = *t->op == 'L' && !strchr(drop, 'c');
    const char *results =
        fv_printf(arena, "%s%s%s", y ? ", %y" : "", h ? ", %y_h" : "", c ? ", %y_c" : "");
    fv_text_printf(&out, ") -> (%s) {\n  %s%s%s = %s(", results + 2, y ? "%y" : "_",
                   h ? ", %y_h" : ", _", c ? ", %y_c" : "", t->op);
    int last = OPERANDS;
    while (!o[last - 1].there)
        last--;
    for (int i = 0; i < last; i++)
        fv_text_printf(&out, "%s%s%s", i ? ", " : "",
                       !o[i].there     ? "_"
                       : o[i].constant ? "@"
                                       : "%",
                       o[i].there ? o[i].name : "");
    fv_text_put(&out, ") ");
    put_attrs(&out, t);
    fv_text_printf(&out, "\n  return %s\n}\n", results + 2);
    return out.s;
}

/* ---- running ---- */

static fv_tensor *tensor_of(fv_elem e, int n, const double *v) {
    int64_t dim = n;
    fv_tensor *t = fv_tensor_new(arena, e, 1, &dim);
    for (int i = 0; i < n; i++)
        if (fv_elem_is_float(e))
            fv_tensor_set_float(t, (size_t)i, v[i]);
        else
            fv_tensor_set_int(t, (size_t)i, (int64_t)v[i]);
    return t;
}

static void run(const config *t, const operand *o, fv_program *p, fv_tensor **out) {
    const void *in[OPERANDS];
    void *results[3];
    size_t bytes;
    int64_t dims[32] = {0}, symbols[2];
    for (int i = 0; i < 2; i++)
        symbols[i] = !strcmp(p->symbols.all[i]->name, "seq") ? t->seq : t->batch;
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
    int d = directions_of(t), n = d * t->batch * t->hidden;
    for (int i = 0; i < p->noutputs; i++) {
        const char *name = p->outputs[i].name;
        const double *want = !strcmp(name, "y") ? z->y : !strcmp(name, "y_h") ? z->y_h : z->y_c;
        for (int k = 0; k < (want == z->y ? t->seq * n : n); k++) {
            double got = fv_tensor_float(out[i], (size_t)k);
            cr_assert(fabs(got - want[k]) <= (t->error > 0 ? t->error : 1e-5),
                      "%s %s %s, %s: element %d of %s is %g, expected %g", t->op, t->direction,
                      t->elem, what, k, name, got, want[k]);
        }
    }
}

static double next(unsigned *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return ((double)(*seed >> 8) / (1 << 24) - 0.5) * 1.5;
}

static void check(const config *t) {
    static const char *const targets[] = {"x86-64-v3", "x86-64-v4", "aarch64", "generic"};
    data *z = FV_NEW(arena, data, 1);
    double *all[] = {z->x, z->w, z->r, z->b, z->h, z->c, z->p}, lens[6];
    unsigned seed = 1;
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < MOST; k++)
            all[i][k] = next(&seed);
    for (int i = 0; i < 6; i++)
        lens[i] = t->lens[i];
    reference(t, z);
    operand o[OPERANDS];
    list_operands(t, z, lens, o);
    const char *text = graph_text(t, o);
    for (int i = 0; i < 5; i++) {
        bool naive = i == 4;
        fv_tensor *out[3];
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

#define NONE {-1}
static void check_all(const config *t, size_t n) {
    for (size_t i = 0; i < n; i++)
        check(&t[i]);
}
#define CHECK(...)                                                                                 \
    check_all((config[]){__VA_ARGS__}, sizeof((config[]){__VA_ARGS__}) / sizeof(config))

Test(recurrent, directions, .init = open_session, .fini = close_session) {
    static const char *const ops[] = {"RNN", "GRU", "LSTM"}, *const directions[] = {
                                                                 "forward", "reverse",
                                                                 "bidirectional"};
    for (int i = 0; i < 9; i++)
        CHECK({ops[i / 3], 3, 2, 4, 5, directions[i % 3], .lens = NONE, .bias = true,
               .constant = i & 1},
              {ops[i / 3], 4, 5, 3, 7, directions[i % 3], .lens = {2, 4, 0, 1, 3}, .bias = true,
               .h = true, .constant = true},
              {ops[i / 3], 2, 3, 2, 9, directions[i % 3], .lens = NONE, .layout = 1, .h = true,
               .hidden_size = 1},
              {ops[i / 3], 3, 4, 2, 4, directions[i % 3], .lens = {3, 0, 2, 1}, .layout = 1,
               .bias = true});
}

Test(recurrent, gru, .init = open_session, .fini = close_session) {
    CHECK(
        {"GRU", 3, 2, 4, 5, .lens = NONE, .linear_before_reset = 1, .bias = true, .constant = true},
        {"GRU", 3, 2, 4, 5, "bidirectional", .lens = {3, 1}, .linear_before_reset = 1, .h = true},
        {"GRU", 2, 1, 4, 16, "reverse", .lens = NONE, .linear_before_reset = 1, .bias = true,
         .clip = 0.4},
        {"GRU", 2, 6, 1, 1, .lens = NONE, .clip = 0.3, .constant = true, .drop = "Y"});
}

Test(recurrent, lstm, .init = open_session, .fini = close_session) {
    CHECK({"LSTM", 3, 2, 4, 5, .lens = NONE, .bias = true, .h = true, .c = true, .p = true,
           .constant = true},
          {"LSTM", 3, 4, 4, 6, "bidirectional", .lens = {3, 0, 1, 2}, .c = true, .p = true,
           .bias = true},
          {"LSTM", 4, 2, 3, 8, "reverse", .lens = NONE, .input_forget = 1, .p = true, .layout = 1,
           .c = true},
          {"LSTM", 3, 2, 3, 3, .lens = NONE, .clip = 0.25, .bias = true, .drop = "Yh"},
          {"LSTM", 3, 2, 3, 3, .lens = NONE, .bias = true, .drop = "hc", .constant = true});
}

Test(recurrent, activations, .init = open_session, .fini = close_session) {
    CHECK(
        {"RNN", 3, 2, 4, 5, .acts = {"Relu"}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"Softsign"}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"Softplus"}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"Sigmoid"}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"Affine"}, .alpha = {0.5}, .beta = {0.25}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"LeakyRelu"}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"LeakyRelu", "Tanh"}, .alpha = {0.5}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"ThresholdedRelu"}, .alpha = {0.125}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"ScaledTanh"}, .alpha = {0.75}, .beta = {1.25}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"HardSigmoid"}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, .acts = {"Elu"}, .lens = NONE},
        {"RNN", 3, 2, 4, 5, "bidirectional", .acts = {"Elu", "Affine"}, .alpha = {0.5, 0.75},
         .beta = {0.125}, .lens = NONE},
        {"GRU", 3, 2, 4, 5, "bidirectional",
         .acts = {"HardSigmoid", "Relu", "Sigmoid", "LeakyRelu"}, .alpha = {0.25, 0.5},
         .beta = {0.375}, .lens = NONE, .h = true},
        {"LSTM", 3, 2, 4, 5, "bidirectional",
         .acts = {"Sigmoid", "ScaledTanh", "Elu", "HardSigmoid", "Softsign", "Tanh"},
         .alpha = {0.5, 0.25}, .beta = {0.75}, .lens = {1, 3}});
}

Test(recurrent, types, .init = open_session, .fini = close_session) {
    static const char *const ops[] = {"RNN", "GRU", "LSTM"};
    for (int i = 0; i < 3; i++)
        CHECK({ops[i], 3, 3, 4, 5, "bidirectional", .lens = {1, 3, 2}, .bias = true, .elem = "f64",
               .error = 1e-8, .constant = true},
              {ops[i], 3, 3, 4, 5, .lens = NONE, .bias = true, .elem = "f64", .error = 1e-12,
               .h = true},
              {ops[i], 3, 5, 4, 5, .lens = NONE, .bias = true, .elem = "f16", .error = 3e-3,
               .constant = true},
              {ops[i], 3, 2, 4, 5, .lens = NONE, .bias = true, .elem = "f16", .error = 3e-3},
              {ops[i], 3, 2, 4, 5, .lens = NONE, .bias = true, .elem = "bf16", .error = 3e-2,
               .constant = true});
}

Test(recurrent, sizes, .init = open_session, .fini = close_session) {
    static const char *const ops[] = {"RNN", "GRU", "LSTM"};
    for (int i = 0; i < 3; i++)
        CHECK({ops[i], 0, 2, 3, 2, .lens = NONE, .h = true}, {ops[i], 2, 0, 3, 2, .lens = NONE},
              {ops[i], 1, 1, 1, 1, .lens = NONE, .constant = true},
              {ops[i], 2, 6, 3, 15, .lens = NONE, .constant = true},
              {ops[i], 3, 11, 3, 5, "bidirectional", .lens = NONE, .constant = true, .h = true},
              {ops[i], 3, 15, 2, 9, .lens = NONE, .layout = 1, .bias = true});
}

/* Steps of which each is launched: what is taken of them follows from the longest row. The naive
 * schedule takes them all. */
typedef struct longs {
    int seq, batch, hidden;
    const char *direction;
    int lens[6];
} longs;

static fv_program *lowered(const char *text, bool naive) {
    fv_module *m = fv_module_parse(session, text, NULL);
    fv_pipeline_options po = {.verify = true};
    fv_lower_options lo = {.target = fv_target_find("x86-64-v3"), .naive = naive};
    cr_assert(m && fv_run_passes(m, fv_pipeline(naive ? '0' : '2'), &po), "%s%s", text, said());
    fv_program *p = fv_lower(m, &lo);
    cr_assert(p && fv_program_verify(session, p), "%s%s", text, said());
    fv_program_expand(p);
    return p;
}

/* Results of the program, concatenated. */
static float *run_longs(const longs *t, const fv_program *p, size_t n) {
    void *results[3], *in[4];
    int64_t dims[32] = {0}, symbols[2];
    size_t bytes;
    float *all = FV_NEW(arena, float, 3 * n);
    unsigned seed = 7;
    for (int i = 0; i < 2; i++)
        symbols[i] = !strcmp(p->symbols.all[i]->name, "seq") ? t->seq : t->batch;
    for (int i = 0; i < 4; i++) {
        in[i] = FV_NEW(arena, float, 1 << 18);
        for (int k = 0; k < 1 << 18; k++)
            ((float *)in[i])[k] = (float)next(&seed) / 16;
    }
    memcpy(in[3], t->lens, sizeof t->lens);
    for (int i = 0; i < 3; i++)
        results[i] = all + (size_t)i * n;
    memset(all, 0xff, 3 * n * sizeof *all);
    fv_interp *interp = fv_interp_new(arena, p);
    cr_assert_eq(fv_interp_plan(interp, symbols, &bytes, dims), 0);
    int status = fv_interp_run(interp, symbols, (const void *const *)in, results, dims,
                               fv_alloc_aligned(arena, bytes + 64, 64), bytes, NULL);
    cr_assert_eq(status, 0, "status %d: %s", status, fv_interp_fault(interp));
    return all;
}

static void check_longs(const longs *t) {
    int d = strcmp(t->direction, "bidirectional") ? 1 : 2, h = t->hidden;
    const char *text =
        fv_printf(arena,
                  "fovea-ir 1\nmodule \"m\"\nsymbol seq 0..100\nsymbol batch 0..100\n"
                  "func @main(%%x: f32[seq, batch, 3], %%w: f32[%d, %d, 3], %%r: f32[%d, %d, %d], "
                  "%%lens: i32[batch]) -> (%%y, %%h, %%c) {\n"
                  "  %%y, %%h, %%c = LSTM(%%x, %%w, %%r, _, %%lens) {direction = \"%s\"}\n  return "
                  "%%y, %%h, %%c\n}\n",
                  d, 4 * h, d, 4 * h, h, t->direction);
    size_t n = (size_t)(t->seq * d * t->batch * h);
    const float *fast = run_longs(t, lowered(text, false), n),
                *naive = run_longs(t, lowered(text, true), n);
    for (size_t i = 0; i < 3 * n; i++)
        cr_assert(fabsf(fast[i] - naive[i]) <= 1e-6f || (isnan(fast[i]) && isnan(naive[i])),
                  "%s: element %zu is %g, expected %g", t->direction, i, (double)fast[i],
                  (double)naive[i]);
}

Test(recurrent, longest, .init = open_session, .fini = close_session) {
    static const longs all[] = {{6, 3, 132, "forward", {2, 4, 1}},
                                {5, 2, 132, "reverse", {3, 3}},
                                {3, 2, 132, "bidirectional", {0, 0}},
                                {4, 3, 132, "bidirectional", {4, 0, 2}},
                                {6, 6, 9, "bidirectional", {1, 0, 3, 2, 5, 4}}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_longs(&all[i]);
}
