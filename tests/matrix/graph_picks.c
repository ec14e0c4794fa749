/* graph_picks.c - makers of operators whose indices are data: gathers, scatters, extremes. */
#include <inttypes.h>
#include <string.h>

#include "tests/matrix/graph.h"

static const fv_elem_set DATA = FV_SET_NUMBER | FV_SET(BOOL);

static fv_elem index_type(graph *g) {
    return rng_chance(&g->r, 70) ? FV_I64 : FV_I32;
}

/* Elements that data picks: the same as long as the positions are. */
static bool make_gather(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK);
    int axis = rng_below(&g->r, x->rank);
    const char *dims[2];
    int64_t n[2];
    int rank = rng_below(&g->r, 3);
    for (int i = 0; i < rank; i++)
        graph_pool_dim(g, &dims[i], &n[i]);
    if (rng_chance(&g->r, 40) && x->n[axis] > 0) {
        int64_t list[3];
        for (int i = 0; i < 3; i++)
            list[i] = rng_below(&g->r, 2 * (int)x->n[axis]) - x->n[axis];
        gvalue *c = rng_chance(&g->r, 50) ? graph_int(g, list[0]) : graph_ints(g, 3, list);
        return graph_line(g, (line){.effect = MOVES}, (x), "Gather(%s, %s) {axis = %d}", x->name,
                          c->name, axis);
    }
    gvalue *i = graph_index(g, index_type(g), rank, dims, n, DATA_INDEX, x->n[axis]);
    return graph_line(g, (line){.effect = MOVES}, (x, i), "Gather(%s, %s) {axis = %d}", x->name,
                      i->name, axis);
}

static bool make_gather_elements(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK);
    int axis = rng_below(&g->r, x->rank);
    const char *dims[GRAPH_RANK];
    int64_t n[GRAPH_RANK];
    memcpy(dims, x->dim, sizeof dims);
    memcpy(n, x->n, sizeof n);
    graph_pool_dim(g, &dims[axis], &n[axis]);
    gvalue *i = graph_index(g, index_type(g), x->rank, dims, n, DATA_INDEX, x->n[axis]);
    return graph_line(g, (line){.effect = MOVES}, (x, i), "GatherElements(%s, %s) {axis = %d}",
                      x->name, i->name, axis);
}

static int64_t smallest(const int64_t *n, int count) {
    int64_t least = n[0];
    for (int i = 1; i < count; i++)
        least = n[i] < least ? n[i] : least;
    return least;
}

static bool make_gather_nd(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, 4);
    int depth = 1 + rng_below(&g->r, x->rank);
    const char *dims[2];
    int64_t n[2];
    graph_pool_dim(g, &dims[0], &n[0]);
    dims[1] = graph_dim_text(g, n[1] = depth);
    gvalue *i = graph_index(g, FV_I64, 2, dims, n, DATA_INDEX, smallest(x->n, depth));
    return graph_line(g, (line){.effect = MOVES}, (x, i), "GatherND(%s, %s)", x->name, i->name);
}

static const char *reduction(graph *g) {
    static const char *const list[] = {"none", "none", "add", "mul", "max", "min"};
    return CHOOSE(g, list);
}

/* Adding is in the order of the updates: never a matter of the schedule. */
static bool make_scatter_elements(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 1, 4);
    int axis = rng_below(&g->r, x->rank);
    gvalue *i = graph_index(g, index_type(g), x->rank, x->dim, x->n, DATA_INDEX, x->n[axis]);
    gvalue *u = graph_like(g, x, x->elem);
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, i, u),
                      "ScatterElements(%s, %s, %s) {axis = %d, reduction = \"%s\"}", x->name,
                      i->name, u->name, axis, reduction(g));
}

static bool make_scatter_nd(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 1, 4);
    const char *dims[GRAPH_RANK + 1];
    int64_t n[GRAPH_RANK + 1];
    graph_pool_dim(g, &dims[0], &n[0]);
    memcpy(dims + 1, x->dim + 1, sizeof dims - sizeof *dims);
    memcpy(n + 1, x->n + 1, sizeof n - sizeof *n);
    gvalue *u = graph_param(g, x->elem, x->rank, dims, n);
    if (u->count > GRAPH_ELEMENTS)
        return false;
    dims[1] = "1";
    n[1] = 1;
    gvalue *i = graph_index(g, FV_I64, 2, dims, n, DATA_INDEX, x->n[0]);
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, i, u),
                      "ScatterND(%s, %s, %s) {reduction = \"%s\"}", x->name, i->name, u->name,
                      reduction(g));
}

static bool make_tensor_scatter(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 3, 4);
    const char *dims[GRAPH_RANK];
    int64_t n[GRAPH_RANK];
    memcpy(dims, x->dim, sizeof dims);
    memcpy(n, x->n, sizeof n);
    int axis = x->rank - 2;
    if (n[axis] < 2)
        return false;
    dims[axis] = graph_dim_text(g, n[axis] = 1 + rng_below(&g->r, 2));
    gvalue *u = graph_param(g, x->elem, x->rank, dims, n);
    bool circular = rng_chance(&g->r, 50);
    gvalue *w = graph_index(g, FV_I64, 1, x->dim, x->n, DATA_COUNT,
                            circular ? x->n[axis] : x->n[axis] - n[axis] + 1);
    return graph_line(g, (line){.effect = MOVES}, (x, u, w),
                      "TensorScatter(%s, %s, %s) {mode = \"%s\"}", x->name, u->name, w->name,
                      circular ? "circular" : "linear");
}

static bool make_reverse_sequence(graph *g) {
    gvalue *x = graph_pick(g, DATA, 2, 4);
    int batch = rng_below(&g->r, 2);
    gvalue *lens =
        graph_index(g, FV_I64, 1, &x->dim[batch], &x->n[batch], DATA_COUNT, x->n[1 - batch] + 1);
    return graph_line(g, (line){.effect = MOVES}, (x, lens),
                      "ReverseSequence(%s, %s) {batch_axis = %d, time_axis = %d}", x->name,
                      lens->name, batch, 1 - batch);
}

static bool make_one_hot(graph *g) {
    const char *dims[2];
    int64_t n[2], two = 2, depth = 1 + rng_below(&g->r, 7);
    int rank = rng_below(&g->r, 3);
    for (int i = 0; i < rank; i++)
        graph_pool_dim(g, &dims[i], &n[i]);
    gvalue *i = graph_index(g, FV_I64, rank, dims, n, DATA_INDEX, depth + 1);
    gvalue *d = graph_int(g, depth), *values = graph_weight(g, FV_F32, 1, &two);
    line l = {.effect = MOVES, .grid = values->grid};
    return graph_line(g, l, (i, values), "OneHot(%s, %s, %s) {axis = %d}", i->name, d->name,
                      values->name, rng_below(&g->r, rank + 1) - 1);
}

/* ---- positions of extremes ---- */

static bool make_arg(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 1, GRAPH_RANK);
    int axis = rng_below(&g->r, x->rank);
    if (!x->n[axis])
        return false;
    return graph_line(g, (line){.effect = STEPS}, (x),
                      "Arg%s(%s) {axis = %d, keepdims = %d, select_last_index = %d}",
                      rng_chance(&g->r, 50) ? "Max" : "Min", x->name, axis, rng_below(&g->r, 2),
                      rng_below(&g->r, 2));
}

static bool make_hardmax(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_FLOAT, 1, GRAPH_RANK);
    line l = {.effect = STEPS, .grid = {true, 0, 0}};
    return graph_line(g, l, (x), "Hardmax(%s) {axis = %d}", x->name,
                      rng_below(&g->r, x->rank) - x->rank);
}

const graph_op graph_picks[] = {
    {"Gather", make_gather, 12},
    {"GatherElements", make_gather_elements, 5},
    {"GatherND", make_gather_nd, 4},
    {"ScatterElements", make_scatter_elements, 5},
    {"ScatterND", make_scatter_nd, 5},
    {"TensorScatter", make_tensor_scatter, 3},
    {"ReverseSequence", make_reverse_sequence, 2},
    {"OneHot", make_one_hot, 3},
    {"Arg", make_arg, 6},
    {"Hardmax", make_hardmax, 2},
    {NULL, NULL, 0},
};
