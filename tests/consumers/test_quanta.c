/* test_quanta.c - what a quantized network decides is what its operators state one by one: at every
 * level, and on every consumer, random networks between QuantizeLinear and DequantizeLinear have
 * the integers, indices and comparisons that f32 arithmetic gives for each operator of the standard
 * alone. Most values lie halfway between two integers, where any other rounding shows.
 *
 * Of networks with sums that round, or with functions such as Erf, whose last bits the standard
 * does not state, all levels must agree with -O0. FV_SEED and FV_ROUNDS (groups of networks) as in
 * test_random.c. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/expand/expand.h"
#include "backend/lower.h"
#include "ir/base/text.h"
#include "ir/graph/parse.h"
#include "passes/passes.h"
#include "tests/consumers/consumers.h"
#include "tests/sample.h"
#include "tests/session.h"

TestSuite(quanta, .init = open_session, .fini = close_session);

enum { SIDE = 8, COUNT = SIDE * SIDE, MOST_FLOATS = 24, NETWORKS = 20, GROUPS = 10, STEPS = 7 };
enum { MOST_OUTPUTS = NETWORKS * (STEPS + 8) };

/* A value of floats: a matrix of which most elements are multiples of `unit`. */
typedef struct floats {
    const char *name;
    double unit;
    bool whole; /* dequantized with a scale of 2^n, so that sums of products are exact */
    float v[COUNT];
} floats;

typedef struct output {
    fv_elem elem;
    int count, network;
    bool stated; /* whether `expected` is what the operators state; otherwise -O0 fills it */
    unsigned char expected[COUNT * 4];
} output;

typedef struct maker {
    uint64_t state;
    fv_text consts, body, results;
    floats f[MOST_FLOATS];
    output outputs[MOST_OUTPUTS];
    unsigned char inputs[NETWORKS][COUNT];
    int nf, noutputs, network, names;
    bool opaque; /* whether the standard does not state the bits of what follows */
} maker;

static int below(maker *m, int n) {
    m->state = m->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (int)(m->state >> 33) % n;
}

static const char *new_name(maker *m) {
    return fv_printf(arena, "v%d", m->names++);
}

static const char *number(maker *m, double v) {
    const char *name = new_name(m);
    fv_text_printf(&m->consts, "const @%s: f32[] = %.9g\n", name, v);
    return name;
}

/* ---- each operator alone, in f32 ---- */

static float rounded(double v) {
    volatile float f = (float)v;
    return f;
}

static int limited(double q, int zero, int lo, int hi) {
    q = nearbyint(q) + zero;
    return q < lo ? lo : q > hi ? hi : (int)q;
}

/* The quotient of two floats in f64, rounded to f32, is the quotient in f32. */
static int quantum(float x, float scale, int zero, int lo, int hi) {
    return limited(rounded((double)x / (double)scale), zero, lo, hi);
}

/* ---- making a network ---- */

static floats *new_floats(maker *m, double unit) {
    floats *f = &m->f[m->nf++];
    cr_assert_leq(m->nf, MOST_FLOATS);
    *f = (floats){.name = new_name(m), .unit = unit};
    return f;
}

static const floats *any(maker *m) {
    return &m->f[m->nf - 1 - below(m, m->nf < 3 ? m->nf : 3)];
}

static output *new_output(maker *m, const char *name, fv_elem e, int count) {
    output *o = &m->outputs[m->noutputs++];
    *o = (output){.elem = e, .count = count, .network = m->network, .stated = !m->opaque};
    fv_text_printf(&m->results, "%s%%%s", m->results.n ? ", " : "", name);
    return o;
}

/* A scale: a power of two, a decimal number, or any. */
static double any_scale(maker *m) {
    static const double decimal[] = {0.1, 0.05, 0.3, 0.7, 0.017, 0.0039};
    int kind = below(m, 3);
    return kind == 0   ? ldexp(1, -1 - below(m, 6))
           : kind == 1 ? decimal[below(m, 6)]
                       : 0.001 * (1 + below(m, 400)) + 0.00001 * below(m, 100);
}

/* A scale for which halves of multiples of the unit are common among the quotients. */
static float scale_for(maker *m, double unit) {
    static const double factor[] = {2, 2, 2, 4, 2.0 / 3, 0.4, 8, 1.25};
    return rounded(below(m, 8) ? unit * factor[below(m, 8)] : any_scale(m));
}

static bool is_power_of_two(double v) {
    int exponent;
    return frexp(v, &exponent) == 0.5;
}

static floats *dequantized(maker *m, const char *codes, const int *code, float scale, int zero,
                           const char *s, const char *z) {
    floats *f = new_floats(m, (double)scale);
    fv_text_printf(&m->body, "  %%%s = DequantizeLinear(%s, @%s, @%s)\n", f->name, codes, s, z);
    f->whole = is_power_of_two((double)scale);
    for (int i = 0; i < COUNT; i++)
        f->v[i] = rounded((double)(code[i] - zero) * (double)scale);
    return f;
}

static const char *zero_point(maker *m, const char *type, int zero) {
    const char *z = new_name(m);
    fv_text_printf(&m->consts, "const @%s: %s[] = %d\n", z, type, zero);
    return z;
}

static const floats *add_input(maker *m) {
    int code[COUNT], zero = below(m, 200);
    float scale = rounded(any_scale(m));
    for (int i = 0; i < COUNT; i++)
        m->inputs[m->network][i] = (unsigned char)(code[i] = below(m, 256));
    return dequantized(m, fv_printf(arena, "%%x%d", m->network), code, scale, zero,
                       number(m, (double)scale), zero_point(m, "u8", zero));
}

/* A constant of i8, dequantized in the model. */
static const floats *add_weight(maker *m, double scale) {
    int code[COUNT];
    const char *w = new_name(m);
    fv_text_printf(&m->consts, "const @%s: i8[8, 8] = [", w);
    for (int i = 0; i < COUNT; i++)
        fv_text_printf(&m->consts, "%s%d", i ? ", " : "", code[i] = below(m, 15) - 7);
    fv_text_put(&m->consts, "]\n");
    return dequantized(m, fv_printf(arena, "@%s", w), code, rounded(scale), 0,
                       number(m, (double)rounded(scale)), zero_point(m, "i8", 0));
}

/* ---- steps of a network ---- */

static void quantize(maker *m, const floats *x) {
    float scale = scale_for(m, x->unit);
    bool is_signed = below(m, 2);
    int zero = below(m, 3) ? below(m, 100) : is_signed ? -128 : 0, code[COUNT];
    const char *type = is_signed ? "i8" : "u8", *y = new_name(m), *s = number(m, (double)scale),
               *z = zero_point(m, type, zero);
    fv_text_printf(&m->body, "  %%%s = QuantizeLinear(%%%s, @%s, @%s)\n", y, x->name, s, z);
    output *o = new_output(m, y, is_signed ? FV_I8 : FV_U8, COUNT);
    for (int i = 0; i < COUNT; i++) {
        code[i] = quantum(x->v[i], scale, zero, is_signed ? -128 : 0, is_signed ? 127 : 255);
        o->expected[i] = (unsigned char)code[i];
    }
    dequantized(m, fv_printf(arena, "%%%s", y), code, scale, zero, s, z);
}

static void elementwise(maker *m, const floats *x, const floats *y) {
    static const char *const ops[] = {"Add", "Sub", "Mul", "Min", "Max"};
    int op = below(m, 5);
    floats *f = new_floats(m, op == 2 ? x->unit * y->unit : x->unit);
    fv_text_printf(&m->body, "  %%%s = %s(%%%s, %%%s)\n", f->name, ops[op], x->name, y->name);
    for (int i = 0; i < COUNT; i++) {
        double a = (double)x->v[i], b = (double)y->v[i];
        f->v[i] = rounded(op == 0   ? a + b
                          : op == 1 ? a - b
                          : op == 2 ? a * b
                          : op == 3 ? fmin(a, b)
                                    : fmax(a, b));
    }
}

static void with_number(maker *m, const floats *x) {
    bool divides = below(m, 2);
    float c = rounded(any_scale(m) * (divides ? 10 : 1));
    floats *f = new_floats(m, divides ? x->unit / (double)c : x->unit * (double)c);
    fv_text_printf(&m->body, "  %%%s = %s(%%%s, @%s)\n", f->name, divides ? "Div" : "Mul", x->name,
                   number(m, (double)c));
    for (int i = 0; i < COUNT; i++)
        f->v[i] = rounded(divides ? (double)x->v[i] / (double)c : (double)x->v[i] * (double)c);
}

static void unary(maker *m, const floats *x) {
    static const char *const ops[] = {"Relu", "Neg", "Abs", "Transpose", "Sqrt"};
    int op = below(m, 5);
    if (op == 4)
        unary(m, x);
    if (op == 4)
        return;
    floats *f = new_floats(m, x->unit);
    fv_text_printf(&m->body, "  %%%s = %s(%%%s)%s\n", f->name, ops[op], x->name,
                   op == 3 ? " {perm = [1, 0]}" : "");
    for (int i = 0; i < COUNT; i++) {
        float a = x->v[op == 3 ? i % SIDE * SIDE + i / SIDE : i];
        f->v[i] = op == 0 ? (a > 0 ? a : 0) : op == 1 ? -a : op == 2 ? fabsf(a) : a;
    }
}

/* A sum of products of integers is exact in f32 if both scales are powers of two. */
static void product(maker *m, const floats *x) {
    bool exact = x->whole && below(m, 4);
    const floats *w = add_weight(m, exact ? ldexp(1, -below(m, 5)) : any_scale(m));
    floats *f = new_floats(m, x->unit * w->unit);
    fv_text_printf(&m->body, "  %%%s = MatMul(%%%s, %%%s)\n", f->name, x->name, w->name);
    m->opaque |= !(x->whole && w->whole);
    for (int i = 0; i < COUNT; i++) {
        double sum = 0;
        for (int k = 0; k < SIDE; k++)
            sum += (double)x->v[i / SIDE * SIDE + k] * (double)w->v[k * SIDE + i % SIDE];
        f->v[i] = rounded(sum);
    }
    if (below(m, 2))
        with_number(m, f);
}

/* Gelu as exporters spell it out, whose bits the standard does not state. */
static void function(maker *m, const floats *x) {
    const char *a = new_name(m), *b = new_name(m), *c = new_name(m), *d = new_name(m);
    const char *root = number(m, 1.41421354), *one = number(m, 1), *half = number(m, 0.5);
    floats *f = new_floats(m, x->unit);
    fv_text_printf(&m->body,
                   "  %%%s = Div(%%%s, @%s)\n  %%%s = Erf(%%%s)\n  %%%s = Add(%%%s, @%s)\n"
                   "  %%%s = Mul(%%%s, %%%s)\n  %%%s = Mul(%%%s, @%s)\n",
                   a, x->name, root, b, a, c, b, one, d, x->name, c, f->name, d, half);
    m->opaque = true;
    for (int i = 0; i < COUNT; i++)
        f->v[i] = x->v[i] / 2;
}

static void step(maker *m) {
    const floats *x = any(m), *y = any(m);
    switch (below(m, 8)) {
    case 0:
    case 1: quantize(m, x); break;
    case 2:
    case 3: elementwise(m, x, y); break;
    case 4: with_number(m, x); break;
    case 5: product(m, x); break;
    case 6: unary(m, x); break;
    default:
        if (m->network % 4 == 0)
            function(m, x);
        else
            quantize(m, x);
        break;
    }
}

/* ---- what decides, at the end ---- */

static void compare(maker *m, const floats *x, const floats *y) {
    const char *name = new_name(m);
    fv_text_printf(&m->body, "  %%%s = Greater(%%%s, %%%s)\n", name, x->name, y->name);
    output *o = new_output(m, name, FV_BOOL, COUNT);
    for (int i = 0; i < COUNT; i++)
        o->expected[i] = x->v[i] > y->v[i];
}

static void put_int(output *o, int i, int32_t v) {
    memcpy(o->expected + (size_t)i * 4, &v, 4);
}

/* A quotient that is rounded up, within the integers. */
static void convert(maker *m, const floats *x) {
    float c = scale_for(m, x->unit);
    const char *q = new_name(m), *l = new_name(m), *u = new_name(m), *y = new_name(m);
    fv_text_printf(&m->body,
                   "  %%%s = Div(%%%s, @%s)\n  %%%s = Clip(%%%s, @%s, @%s)\n"
                   "  %%%s = Ceil(%%%s)\n  %%%s = Cast(%%%s) {to = 6}\n",
                   q, x->name, number(m, (double)c), l, q, number(m, -1e6), number(m, 1e6), u, l, y,
                   u);
    output *o = new_output(m, y, FV_I32, COUNT);
    for (int i = 0; i < COUNT; i++)
        put_int(o, i,
                (int32_t)ceilf(fminf(fmaxf(rounded((double)x->v[i] / (double)c), -1e6F), 1e6F)));
}

/* The range includes 0. If it contains nothing else, the scale is 1. */
static void quantize_by_range(maker *m, const floats *x) {
    const char *y = new_name(m), *s = new_name(m), *z = new_name(m);
    float most = 0, least = 0;
    fv_text_printf(&m->body, "  %%%s, %%%s, %%%s = DynamicQuantizeLinear(%%%s)\n", y, s, z,
                   x->name);
    for (int i = 0; i < COUNT; i++) {
        most = fmaxf(most, x->v[i]);
        least = fminf(least, x->v[i]);
    }
    float scale = rounded((double)rounded((double)most - (double)least) / 255);
    scale = most == least ? 1 : scale;
    int zero = quantum(-least, scale, 0, 0, 255);
    output *o = new_output(m, y, FV_U8, COUNT);
    for (int i = 0; i < COUNT; i++)
        o->expected[i] = (unsigned char)quantum(x->v[i], scale, zero, 0, 255);
    new_output(m, z, FV_U8, 1)->expected[0] = (unsigned char)zero;
}

static void make_network(maker *m, int n) {
    m->network = n;
    m->nf = 0;
    m->opaque = false;
    add_input(m);
    add_weight(m, any_scale(m));
    for (int i = 0; i < STEPS; i++)
        step(m);
    compare(m, any(m), any(m));
    convert(m, any(m));
    quantize_by_range(m, any(m));
    quantize(m, any(m));
}

static const char *make_group(maker *m, uint64_t seed) {
    fv_text t = {.arena = arena};
    *m = (maker){.state = seed * 977 + 5};
    m->consts.arena = m->body.arena = m->results.arena = arena;
    for (int i = 0; i < NETWORKS; i++)
        make_network(m, i);
    fv_text_printf(&t, "fovea-ir 1\nmodule \"quanta\"\n%sfunc @main(", m->consts.s);
    for (int i = 0; i < NETWORKS; i++)
        fv_text_printf(&t, "%s%%x%d: u8[8, 8]", i ? ", " : "", i);
    fv_text_printf(&t, ") -> (");
    for (int i = 0; i < m->noutputs; i++)
        fv_text_printf(&t, "%s%%y%d", i ? ", " : "", i);
    fv_text_printf(&t, ") {\n%s  return %s\n}\n", m->body.s, m->results.s);
    return t.s;
}

/* ---- running ---- */

static fv_program *program_at(const char *text, char level) {
    fv_module *g = fv_module_parse(session, text, NULL);
    cr_assert(g && fv_run_passes(g, fv_pipeline(level), NULL), "%s\n%s", said(), text);
    fv_program *p = fv_lower(g, &(fv_lower_options){.target = fv_target_find("native")});
    cr_assert(p, "%s", said());
    fv_program_expand(p);
    return p;
}

static size_t bytes_of(const output *o) {
    return (size_t)o->count * (size_t)fv_elem_storage_bytes(o->elem);
}

static void check(maker *m, const char *where, unsigned char (*out)[COUNT * 4]) {
    for (int i = 0; i < m->noutputs; i++) {
        output *o = &m->outputs[i];
        size_t at;
        if (!o->stated) {
            memcpy(o->expected, out[i], bytes_of(o));
            o->stated = true;
        }
        cr_expect(same_elements(o->elem, o->expected, out[i], bytes_of(o), &at),
                  "%s: network %d, output y%d, element %zu", where, o->network, i, at);
    }
}

static void run(maker *m, fv_program *p, const consumer *c, const char *where) {
    static unsigned char out[MOST_OUTPUTS][COUNT * 4];
    const void *in[NETWORKS];
    void *to[MOST_OUTPUTS];
    size_t bytes = 0;
    opened *o = c->open(arena, p);
    cr_assert(o && p->ninputs == NETWORKS && p->noutputs == m->noutputs, "%s: %s", where, said());
    for (int i = 0; i < NETWORKS; i++)
        in[i] = m->inputs[i];
    for (int i = 0; i < m->noutputs; i++)
        to[i] = out[i];
    cr_assert_eq(o->plan(o, NULL, &bytes, NULL), 0);
    void *work = fv_alloc_aligned(arena, bytes + 64, 64);
    cr_assert_eq(o->run(o, NULL, in, to, NULL, work, bytes, NULL), 0, "%s", where);
    o->close(o);
    check(m, where, out);
}

/* All consumers run each group at one level, and the interpreter at all of them. */
static void check_group(maker *m, uint64_t group) {
    static const char levels[] = "0123s";
    const char *text = make_group(m, sample_seed(3) + group);
    for (int i = 0; levels[i]; i++) {
        fv_program *p = program_at(text, levels[i]);
        for (int k = 0; k == 0 || consumer_for(p->target, k); k++)
            if (k == 0 || (int)(group % 5) == i)
                run(m, p, consumer_for(p->target, k),
                    fv_printf(arena, "group %llu at -O%c by %s", (unsigned long long)group,
                              levels[i], consumer_for(p->target, k)->name));
        fv_arena_free(p->arena);
    }
}

Test(quanta, are_those_that_the_operators_state) {
    maker *m = FV_NEW(arena, maker, 1);
    for (uint64_t i = 0; i < sample_rounds(GROUPS, 2); i++)
        check_group(m, i);
}
