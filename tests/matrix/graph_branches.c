/* graph_branches.c - makers of graphs with an If whose condition is data, and with Loops: nested
 * ones; results that are inputs, that come from outside, or whose dims differ between the branches;
 * states that exchange places or grow; loops without iterations. */
#include "tests/matrix/graph.h"

static const fv_elem_set FLOATS = FV_SET(F32) | FV_SET(F64);
enum { MOST = 6, DEPTH = 3 };

typedef struct maker {
    graph *g;
    fv_text t;
    gvalue *operands[MOST * DEPTH]; /* from around all branches */
    int n;
    bool blurs;
    const gvalue *like; /* of the shape that all of them have */
} maker;

static const char *new_name(graph *g) {
    return fv_printf(g->arena, "%%v%d", g->nnames++);
}

static const char *operand(maker *m, gvalue *v) {
    if (m->n < MOST * DEPTH)
        m->operands[m->n++] = v;
    return v->name;
}

static const char *condition(maker *m) {
    return operand(m, graph_param(m->g, FV_BOOL, 0, NULL, NULL));
}

static const char *make_if(maker *m, const char *const *names, int n, int rank, int depth);
static const char *make_loop(maker *m, const char *const *names, int n, int rank, int depth);

/* A value of the shape of the names, in one more line. */
static const char *make_value(maker *m, const char *const *names, int n, int rank, int depth) {
    static const char *const unary[] = {"Relu", "Neg", "Tanh", "Abs", "Sigmoid"};
    rng *r = &m->g->r;
    const char *x = names[rng_below(r, n)], *y = names[rng_below(r, n)], *name;
    if (depth < DEPTH && rng_chance(r, 20))
        return make_if(m, names, n, rank, depth + 1);
    if (depth < DEPTH && rng_chance(r, 20))
        return make_loop(m, names, n, rank, depth + 1);
    name = new_name(m->g);
    if (rng_chance(r, 25)) {
        m->blurs = true;
        fv_text_printf(&m->t, "%s = Softmax(%s) {axis = -1} ", name, x);
    } else if (rng_chance(r, 40)) {
        fv_text_printf(&m->t, "%s = %s(%s, %s) ", name, rng_chance(r, 50) ? "Add" : "Max", x, y);
    } else {
        fv_text_printf(&m->t, "%s = %s(%s) ", name, CHOOSE(m->g, unary), x);
    }
    return name;
}

/* { lines; return a value }, joined to another along an axis where `longer` */
static void make_branch(maker *m, const char *const *around, int n, int rank, int depth,
                        bool longer) {
    const char *names[2 * MOST];
    rng *r = &m->g->r;
    for (int i = 0; i < n; i++)
        names[i] = around[i];
    fv_text_put(&m->t, "^() { ");
    for (int i = rng_below(r, 4); i > 0 && n < 2 * MOST; i--, n++)
        names[n] = make_value(m, names, n, rank, depth);
    const char *y = names[rng_chance(r, 70) ? n - 1 : rng_below(r, n)];
    if (longer) {
        const char *both = new_name(m->g);
        fv_text_printf(&m->t, "%s = Concat(%s, %s) {axis = %d} ", both, y, names[rng_below(r, n)],
                       rng_below(r, rank));
        y = both;
    }
    fv_text_printf(&m->t, "return %s }", y);
}

static const char *make_if(maker *m, const char *const *names, int n, int rank, int depth) {
    const char *name = new_name(m->g), *cond = condition(m);
    fv_text_printf(&m->t, "%s = If(%s) {then_branch = ", name, cond);
    make_branch(m, names, n < MOST ? n : MOST, rank, depth, false);
    fv_text_put(&m->t, ", else_branch = ");
    make_branch(m, names, n < MOST ? n : MOST, rank, depth, false);
    fv_text_put(&m->t, "} ");
    return name;
}

/* ---- loops ---- */

enum { STATES = 3 };

/* The type of the shape that all have, with that dim along an axis. */
static const char *type_text(const maker *m, int axis, const char *dim) {
    fv_text t = {.arena = m->g->arena};
    fv_text_printf(&t, "%s[", fv_elem_name(m->like->elem));
    for (int i = 0; i < m->like->rank; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", i == axis ? dim : m->like->dim[i]);
    fv_text_put(&t, "]");
    return t.s;
}

static const char *times(maker *m) {
    rng *r = &m->g->r;
    return operand(m, rng_chance(r, 50) ? graph_int(m->g, rng_below(r, 5) - 1)
                                        : graph_index(m->g, FV_I64, 0, NULL, NULL, DATA_COUNT, 4));
}

/* Loop(times, cond, states) {body}, of n states like the names; `grows` more: one that grows along
 * an axis. Rows of the first state are the last result. */
static void put_loop(maker *m, const char *const *around, int n, int rank, int depth, int states,
                     bool grows) {
    const char *names[2 * MOST], *state[STATES], *i = new_name(m->g), *go = new_name(m->g),
                                                 *large = NULL, *larger = NULL;
    rng *r = &m->g->r;
    bool has_cond = rng_chance(r, 50);
    int axis = rng_below(r, rank), most = rng_below(r, 3);
    fv_text_printf(&m->t, "Loop(%s, %s", times(m), has_cond ? condition(m) : "_");
    for (int k = 0; k < states + grows; k++)
        fv_text_printf(&m->t, ", %s", around[rng_below(r, n)]);
    fv_text_printf(&m->t, ") {body = ^(%s: i64[], %s: bool[]", i, go);
    for (int k = 0; k < states; k++)
        fv_text_printf(&m->t, ", %s: %s", state[k] = new_name(m->g), type_text(m, -1, NULL));
    if (grows) {
        const char *dim = fv_printf(m->g->arena, "s%d", m->g->nnames++);
        fv_text_printf(&m->g->symbols, "symbol %s 0..1099511627776 data\n", dim);
        fv_text_printf(&m->t, ", %s: %s", large = new_name(m->g), type_text(m, axis, dim));
    }
    fv_text_put(&m->t, ") { ");
    n = n < MOST ? n : MOST;
    for (int k = 0; k < n; k++)
        names[k] = around[k];
    for (int k = 0; k < states; k++)
        names[n++] = state[k];
    for (int k = rng_below(r, 3); k > 0 && n < 2 * MOST; k--, n++)
        names[n] = make_value(m, names, n, rank, depth);
    if (grows)
        fv_text_printf(&m->t, "%s = Concat(%s, %s) {axis = %d} ", larger = new_name(m->g), large,
                       names[rng_below(r, n)], axis);
    if (has_cond && rng_chance(r, 60)) {
        go = new_name(m->g);
        fv_text_printf(&m->t, "%s = Less(%s, %s) ", go, i, operand(m, graph_int(m->g, most)));
    }
    fv_text_printf(&m->t, "return %s", go);
    for (int k = 0; k < states; k++)
        fv_text_printf(&m->t, ", %s", names[rng_chance(r, 60) ? n - 1 - k : rng_below(r, n)]);
    if (grows)
        fv_text_printf(&m->t, ", %s", larger);
    fv_text_printf(&m->t, ", %s }}", names[rng_below(r, n)]);
}

static const char *make_loop(maker *m, const char *const *names, int n, int rank, int depth) {
    const char *name = new_name(m->g);
    fv_text_printf(&m->t, "%s = ", name);
    put_loop(m, names, n, rank, depth, 1 + rng_below(&m->g->r, 2), false);
    fv_text_put(&m->t, " ");
    return name;
}

static bool make_loops(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 1, 4), *y = graph_like(g, x, x->elem), *out[STATES + 2];
    maker m = {.g = g, .t = {.arena = g->arena}, .like = x};
    const char *names[2] = {operand(&m, x), operand(&m, y)};
    int states = 1 + rng_below(&g->r, STATES);
    bool grows = rng_chance(&g->r, 30), rows = rng_chance(&g->r, 50);
    put_loop(&m, names, 2, x->rank, 1, states, grows);
    line l = {.effect = m.blurs ? BLURS : SMOOTHLY};
    return graph_lines(g, l, m.n, m.operands, states + grows + rows, out, "%s", m.t.s);
}

/* ---- branches ---- */

static bool make_branches(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 1, 4), *y = graph_like(g, x, x->elem), *out;
    maker m = {.g = g, .t = {.arena = g->arena}, .like = x};
    const char *names[2] = {operand(&m, x), operand(&m, y)}, *cond = condition(&m);
    fv_text_printf(&m.t, "If(%s) {then_branch = ", cond);
    make_branch(&m, names, 2, x->rank, 1, rng_chance(&g->r, 30));
    fv_text_put(&m.t, ", else_branch = ");
    make_branch(&m, names, 2, x->rank, 1, rng_chance(&g->r, 10));
    fv_text_put(&m.t, "}");
    line l = {.effect = m.blurs ? BLURS : SMOOTHLY};
    return graph_lines(g, l, m.n, m.operands, 1, &out, "%s", m.t.s);
}

/* What stands between branches. */
static bool make_around(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 1, 4), *y = graph_broadcast(g, x, x->elem);
    return rng_chance(&g->r, 50)
               ? graph_line(g, (line){.effect = SMOOTHLY}, (x, y), "Max(%s, %s)", x->name, y->name)
               : graph_line(g, (line){.effect = BLURS}, (x), "Softmax(%s) {axis = -1}", x->name);
}

const graph_op graph_branches[] = {
    {"If", make_branches, 3}, {"Loop", make_loops, 3}, {"", make_around, 2}, {NULL, NULL, 0}};
