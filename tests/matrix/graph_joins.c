/* graph_joins.c - makers of graphs whose values may share memory: operands of Concats, and of
 * Concats of Concats, that are also read by other operators, that occur twice, or that are results
 * of the graph; and chains that may be computed in place. */
#include <inttypes.h>
#include <string.h>

#include "tests/matrix/graph.h"

static const fv_elem_set FLOATS = FV_SET(F32) | FV_SET(F64);

/* Sometimes a result of the graph, although others use it. */
static gvalue *kept(graph *g, gvalue *v) {
    if (v)
        v->kept |= rng_chance(&g->r, 15);
    return v;
}

static gvalue *elementwise(graph *g, gvalue *x) {
    static const char *const smooth[] = {"Relu", "Tanh", "Neg", "Abs"};
    const char *name = CHOOSE(g, smooth);
    bool keeps = *name != 'T';
    gvalue *y;
    line l = {.effect = SMOOTHLY, .grid = keeps ? x->grid : (grid){0}};
    return graph_lines(g, l, OPERANDS(x), 1, &y, "%s(%s)", name, x->name) ? y : NULL;
}

/* x * w: a kernel of its own, of the same shape; of another number of columns where `wide`. */
static gvalue *product(graph *g, gvalue *x, bool wide) {
    const char *dims[2] = {x->dim[x->rank - 1], x->dim[x->rank - 1]};
    int64_t n[2] = {x->n[x->rank - 1], x->n[x->rank - 1]};
    gvalue *w, *y;
    if (wide)
        graph_pool_dim(g, &dims[1], &n[1]);
    w = graph_param(g, x->elem, 2, dims, n);
    line l = {.effect = ADDS, .factors = 2, .terms = n[0]};
    return graph_lines(g, l, OPERANDS(x, w), 1, &y, "MatMul(%s, %s)", x->name, w->name) ? y : NULL;
}

static gvalue *softmax(graph *g, gvalue *x) {
    gvalue *y;
    return graph_lines(g, (line){.effect = BLURS}, OPERANDS(x), 1, &y, "Softmax(%s) {axis = -1}",
                       x->name)
               ? y
               : NULL;
}

/* A value that can be joined with x by a Concat along the axis. */
static gvalue *make_part(graph *g, gvalue *x, int axis) {
    gvalue *y = NULL;
    switch (rng_below(&g->r, 10)) {
    case 0: y = elementwise(g, x); break;
    case 1: y = softmax(g, x); break;
    case 2: y = graph_like(g, x, x->elem); break;
    case 3: y = x; break;
    case 4:
        y = product(g, x, axis == x->rank - 1);
        y = y ? elementwise(g, y) : NULL;
        break;
    default: y = product(g, x, axis == x->rank - 1); break;
    }
    return kept(g, y);
}

static gvalue *concat(graph *g, int n, gvalue **parts, int axis) {
    fv_text t = {.arena = g->arena};
    gvalue *y;
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", parts[i]->name);
    return graph_lines(g, (line){.effect = MOVES}, n, parts, 1, &y, "Concat(%s) {axis = %d}", t.s,
                       axis)
               ? y
               : NULL;
}

/* Parts made of x and of each other, then the Concat; again with that as a part, by chance. */
static bool make_joined(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 2, 4), *parts[4], *whole = NULL;
    int axis = rng_below(&g->r, x->rank), depth = 1 + rng_below(&g->r, 4);
    for (; depth && x; depth--) {
        int n = 0, want = 2 + rng_below(&g->r, 3);
        if (whole)
            parts[n++] = whole;
        while (n < want) {
            gvalue *from = n && rng_chance(&g->r, 30) ? parts[rng_below(&g->r, n)] : x;
            gvalue *part = make_part(g, from, axis);
            if (!part)
                break;
            parts[n++] = part;
        }
        if (n && rng_chance(&g->r, 20) && n < 4) {
            parts[n] = parts[rng_below(&g->r, n)];
            n++;
        }
        if (n < 2 || !(whole = kept(g, concat(g, n, parts, axis))))
            return false;
        if (rng_chance(&g->r, 40))
            x = kept(g, elementwise(g, parts[rng_below(&g->r, n)]));
    }
    return rng_chance(&g->r, 50) || product(g, whole, true);
}

/* Each step may go over the one before it; some are wanted again later. */
static bool make_chain(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 1, 4), *first = x;
    for (int i = 2 + rng_below(&g->r, 4); i && x; i--) {
        gvalue *y = NULL, *with = rng_chance(&g->r, 25) ? first : graph_broadcast(g, x, x->elem);
        line adds = {.effect = ADDS};
        switch (rng_below(&g->r, 4)) {
        case 0: y = softmax(g, x); break;
        case 1: y = elementwise(g, x); break;
        case 2:
            graph_lines(g, adds, OPERANDS(x, with), 1, &y, "Add(%s, %s)", x->name, with->name);
            break;
        default: y = product(g, x, false); break;
        }
        if (y && y->known && y->rank == x->rank && rng_chance(&g->r, 40)) { /* a residual */
            gvalue *sum;
            y = graph_lines(g, adds, OPERANDS(y, x), 1, &sum, "Add(%s, %s)", y->name, x->name)
                    ? sum
                    : NULL;
        }
        x = kept(g, y);
    }
    return x != NULL;
}

const graph_op graph_joins[] = {
    {"parts of a Concat", make_joined, 5}, {"in place", make_chain, 2}, {NULL, NULL, 0}};
