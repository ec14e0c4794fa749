/* graph_moves.c - makers of operators that only move elements, with known shapes. */
#include <inttypes.h>
#include <string.h>

#include "tests/matrix/graph.h"

static const fv_elem_set DATA = FV_SET_DATA;

/* "[1, 2]" */
static const char *list_text(graph *g, int n, const int64_t *list) {
    fv_text t = {.arena = g->arena};
    fv_text_put(&t, "[");
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%" PRId64, i ? ", " : "", list[i]);
    fv_text_put(&t, "]");
    return t.s;
}

static void permutation(graph *g, int n, int64_t *list) {
    for (int i = 0; i < n; i++)
        list[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int k = rng_below(&g->r, i + 1);
        int64_t t = list[i];
        list[i] = list[k];
        list[k] = t;
    }
}

/* An axis of v, sometimes from the end. */
static int64_t some_axis(graph *g, const gvalue *v) {
    int axis = rng_below(&g->r, v->rank);
    return rng_chance(&g->r, 30) ? axis - v->rank : axis;
}

static int real_axis(const gvalue *v, int64_t axis) {
    return (int)(axis < 0 ? axis + v->rank : axis);
}

/* The properties of a result that consists of elements of x, and possibly zeros. */
static line moves(const gvalue *x) {
    return (line){.effect = MOVES, .grid = x->grid};
}

static bool make_transpose(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK);
    int64_t perm[GRAPH_RANK];
    permutation(g, x->rank, perm);
    if (rng_chance(&g->r, 15))
        return graph_line(g, (line){.effect = MOVES}, (x), "Transpose(%s)", x->name);
    return graph_line(g, (line){.effect = MOVES}, (x), "Transpose(%s) {perm = %s}", x->name,
                      list_text(g, x->rank, perm));
}

/* Splits, joins and keeps dims: 0 keeps one, -1 is what is left. */
static bool make_reshape(graph *g) {
    gvalue *x = graph_pick(g, DATA, 0, GRAPH_RANK), *shape;
    int64_t list[GRAPH_RANK + 1];
    int n = 0, kept = 0;
    while (kept < x->rank && kept < 2 && rng_chance(&g->r, 40))
        list[kept++] = 0;
    n = kept;
    int64_t rest = 1, factor = 1;
    for (int i = kept; i < x->rank; i++)
        rest *= x->n[i];
    for (int64_t d = 2; d <= 8 && rest > 0; d++)
        if (rest % d == 0 && rng_chance(&g->r, 40))
            factor = d;
    list[n++] = -1;
    if (factor > 1)
        list[n++] = factor;
    shape = graph_ints(g, n, list);
    return graph_line(g, (line){.effect = MOVES}, (x, shape), "Reshape(%s, %s)", x->name,
                      shape->name);
}

static bool make_flatten(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK);
    return graph_line(g, (line){.effect = MOVES}, (x), "Flatten(%s) {axis = %d}", x->name,
                      rng_below(&g->r, x->rank + 1));
}

static bool make_squeeze(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK);
    for (int i = 0; i < x->rank; i++)
        if (x->n[i] == 1) {
            int64_t axis = i - (rng_chance(&g->r, 50) ? x->rank : 0);
            gvalue *axes = graph_ints(g, 1, &axis);
            return graph_line(g, (line){.effect = MOVES}, (x, axes), "Squeeze(%s, %s)", x->name,
                              axes->name);
        }
    return false;
}

static bool make_unsqueeze(graph *g) {
    gvalue *x = graph_pick(g, DATA, 0, GRAPH_RANK - 1);
    int64_t axis = rng_below(&g->r, x->rank + 1) - (rng_chance(&g->r, 30) ? x->rank + 1 : 0);
    gvalue *axes = graph_ints(g, 1, &axis);
    return graph_line(g, (line){.effect = MOVES}, (x, axes), "Unsqueeze(%s, %s)", x->name,
                      axes->name);
}

static bool make_expand(graph *g) {
    gvalue *x = graph_pick(g, DATA, 0, 4);
    int64_t list[GRAPH_RANK];
    int n = 0;
    if (rng_chance(&g->r, 40))
        list[n++] = 1 + rng_below(&g->r, 3);
    for (int i = 0; i < x->rank; i++)
        list[n++] = x->n[i] == 1 ? 1 + rng_below(&g->r, 5) : 1;
    gvalue *shape = graph_ints(g, n, list);
    return graph_line(g, (line){.effect = MOVES}, (x, shape), "Expand(%s, %s)", x->name,
                      shape->name);
}

/* To the shape of another value: as people write it, through Shape. */
static bool make_expand_like(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK), *y = graph_broadcast(g, x, x->elem), *shape;
    if (!graph_lines(g, (line){.effect = MOVES}, OPERANDS(x), 1, &shape, "Shape(%s)", x->name))
        return false;
    return graph_line(g, (line){.effect = MOVES}, (y), "Expand(%s, %s)", y->name, shape->name);
}

/* (a, b, ...) to (a, rest) with Shape, Gather, Unsqueeze and Concat, as exporters do. */
static bool make_reshape_by_shape(graph *g) {
    gvalue *x = graph_pick(g, DATA, 2, GRAPH_RANK), *shape, *dim, *one, *target;
    int64_t minus = -1;
    gvalue *zero = graph_int(g, 0), *axes = graph_ints(g, 1, (int64_t[]){0}),
           *rest = graph_ints(g, 1, &minus);
    line l = {.effect = MOVES};
    return graph_lines(g, l, OPERANDS(x), 1, &shape, "Shape(%s)", x->name) &&
           graph_lines(g, l, OPERANDS(shape), 1, &dim, "Gather(%s, %s)", shape->name, zero->name) &&
           graph_lines(g, l, OPERANDS(dim), 1, &one, "Unsqueeze(%s, %s)", dim->name, axes->name) &&
           graph_lines(g, l, OPERANDS(one), 1, &target, "Concat(%s, %s) {axis = 0}", one->name,
                       rest->name) &&
           graph_line(g, (line){.effect = MOVES}, (x, target), "Reshape(%s, %s)", x->name,
                      target->name);
}

static bool make_shape(graph *g) {
    gvalue *x = graph_pick(g, DATA, 0, GRAPH_RANK);
    if (rng_chance(&g->r, 30))
        return graph_line(g, (line){.effect = MOVES}, (x), "Size(%s)", x->name);
    return graph_line(g, (line){.effect = MOVES}, (x), "Shape(%s) {start = %d}", x->name,
                      x->rank ? rng_below(&g->r, x->rank) : 0);
}

static bool make_tile(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK);
    int64_t list[GRAPH_RANK];
    for (int i = 0; i < x->rank; i++)
        list[i] = rng_chance(&g->r, 60) ? 1 : rng_below(&g->r, 4);
    gvalue *repeats = graph_ints(g, x->rank, list);
    return graph_line(g, (line){.effect = MOVES}, (x, repeats), "Tile(%s, %s)", x->name,
                      repeats->name);
}

static bool make_concat(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK), *y = graph_like(g, x, x->elem), *z = NULL;
    int64_t axis = some_axis(g, x);
    if (rng_chance(&g->r, 50)) { /* of another size along the axis */
        const char *dims[GRAPH_RANK];
        int64_t n[GRAPH_RANK];
        memcpy(dims, x->dim, sizeof dims);
        memcpy(n, x->n, sizeof n);
        graph_pool_dim(g, &dims[real_axis(x, axis)], &n[real_axis(x, axis)]);
        z = graph_param(g, x->elem, x->rank, dims, n);
    }
    if (z)
        return graph_line(g, (line){.effect = MOVES}, (x, z, y),
                          "Concat(%s, %s, %s) {axis = %" PRId64 "}", x->name, z->name, y->name,
                          axis);
    return graph_line(g, (line){.effect = MOVES}, (y, x), "Concat(%s, %s) {axis = %" PRId64 "}",
                      y->name, x->name, axis);
}

static bool make_split(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK), *out[3];
    int64_t axis = some_axis(g, x), n = x->n[real_axis(x, axis)];
    int parts = 2 + rng_below(&g->r, 2);
    line l = {.effect = MOVES};
    if (rng_chance(&g->r, 50))
        return graph_lines(g, l, 1, &x, parts, out,
                           "Split(%s) {axis = %" PRId64 ", num_outputs = %d}", x->name, axis,
                           parts);
    int64_t first = n ? rng_below(&g->r, (int)n) : 0, list[2] = {first, n - first};
    gvalue *sizes = graph_ints(g, 2, list);
    return graph_lines(g, l, 1, &x, 2, out, "Split(%s, %s) {axis = %" PRId64 "}", x->name,
                       sizes->name, axis);
}

/* Starts and ends beyond the dim too, and steps of both signs. */
static bool make_slice(graph *g) {
    gvalue *x = graph_pick(g, DATA, 1, GRAPH_RANK);
    int64_t start[2], end[2], axes[2], step[2], order[GRAPH_RANK];
    int n = x->rank > 1 && rng_chance(&g->r, 40) ? 2 : 1;
    permutation(g, x->rank, order);
    for (int i = 0; i < n; i++) {
        int d = (int)x->n[order[i]];
        axes[i] = order[i];
        step[i] = rng_chance(&g->r, 60) ? 1
                  : rng_below(&g->r, 2) ? -1 - rng_below(&g->r, 2)
                                        : 2 + rng_below(&g->r, 2);
        start[i] = rng_below(&g->r, 2 * d + 3) - d - 1;
        end[i] = rng_chance(&g->r, 25) ? (step[i] > 0 ? INT64_MAX : INT64_MIN)
                                       : rng_below(&g->r, 2 * d + 3) - d - 1;
    }
    gvalue *s = graph_ints(g, n, start), *e = graph_ints(g, n, end), *a = graph_ints(g, n, axes),
           *t = graph_ints(g, n, step);
    return graph_line(g, (line){.effect = MOVES}, (x), "Slice(%s, %s, %s, %s, %s)", x->name,
                      s->name, e->name, a->name, t->name);
}

/* What is put around is 0, or a constant on the grid. */
static bool make_pad(graph *g) {
    static const char *const modes[] = {"constant", "constant", "reflect", "edge", "wrap"};
    gvalue *x = graph_pick(g, FV_SET_NUMBER | FV_SET(BOOL), 1, 4);
    const char *mode = CHOOSE(g, modes);
    int64_t list[2 * GRAPH_RANK];
    for (int i = 0; i < 2 * x->rank; i++)
        list[i] = rng_chance(&g->r, 60) ? 0 : rng_below(&g->r, 4) - (rng_chance(&g->r, 15) ? 2 : 0);
    gvalue *pads = graph_ints(g, 2 * x->rank, list);
    if (*mode == 'c' && rng_chance(&g->r, 50)) {
        gvalue *value = graph_weight(g, x->elem, 0, NULL);
        return graph_line(g, (line){.effect = MOVES}, (x, value), "Pad(%s, %s, %s)", x->name,
                          pads->name, value->name);
    }
    line l = moves(x);
    return graph_line(g, l, (x), "Pad(%s, %s) {mode = \"%s\"}", x->name, pads->name, mode);
}

static bool make_trilu(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER | FV_SET(BOOL), 2, GRAPH_RANK);
    gvalue *k = graph_int(g, rng_below(&g->r, 7) - 3);
    line l = moves(x);
    return graph_line(g, l, (x), "Trilu(%s, %s) {upper = %d}", x->name, k->name,
                      rng_below(&g->r, 2));
}

static bool make_depth(graph *g) {
    const char *dims[4];
    int64_t n[4];
    for (int i = 0; i < 4; i++)
        graph_pool_dim(g, &dims[i], &n[i]);
    int64_t c = 4 * (1 + rng_below(&g->r, 3)), even = 2 * rng_below(&g->r, 5);
    if (rng_chance(&g->r, 50)) {
        dims[1] = graph_dim_text(g, n[1] = c);
        if (n[0] * n[1] * n[2] * n[3] > GRAPH_ELEMENTS)
            return false;
        gvalue *x = graph_param(g, g->elem, 4, dims, n);
        return graph_line(g, (line){.effect = MOVES}, (x),
                          "DepthToSpace(%s) {blocksize = 2, mode = \"%s\"}", x->name,
                          rng_chance(&g->r, 50) ? "DCR" : "CRD");
    }
    dims[2] = dims[3] = graph_dim_text(g, n[2] = n[3] = even);
    if (n[0] * n[1] * n[2] * n[3] > GRAPH_ELEMENTS)
        return false;
    gvalue *x = graph_param(g, g->elem, 4, dims, n);
    return graph_line(g, (line){.effect = MOVES}, (x), "SpaceToDepth(%s) {blocksize = 2}", x->name);
}

static bool make_center_crop_pad(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 1, GRAPH_RANK);
    int64_t size = rng_below(&g->r, 12), axis = rng_below(&g->r, x->rank);
    gvalue *shape = graph_ints(g, 1, &size);
    line l = moves(x);
    return graph_line(g, l, (x), "CenterCropPad(%s, %s) {axes = %s}", x->name, shape->name,
                      list_text(g, 1, &axis));
}

/* ---- from nothing ---- */

static bool make_eye(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 2, 2);
    line l = {.effect = MOVES, .grid = {true, 0, 0}};
    return graph_line(g, l, (x), "EyeLike(%s) {k = %d}", x->name, rng_below(&g->r, 5) - 2);
}

static bool make_constant_of_shape(graph *g) {
    int64_t list[2] = {rng_below(&g->r, 9), 1 + rng_below(&g->r, 5)};
    gvalue *shape = graph_ints(g, 2, list);
    return graph_line(g, (line){.effect = SMOOTHLY}, (shape),
                      "ConstantOfShape(%s) {value = tensor f32[1] [%d.0]}", shape->name,
                      rng_below(&g->r, 3));
}

static bool make_range(graph *g) {
    gvalue *a = graph_int(g, rng_below(&g->r, 5) - 2), *b = graph_int(g, rng_below(&g->r, 20)),
           *c = graph_int(g, rng_chance(&g->r, 20) ? -2 : 1 + rng_below(&g->r, 3));
    return graph_line(g, (line){.effect = MOVES}, (a, b, c), "Range(%s, %s, %s)", a->name, b->name,
                      c->name);
}

/* A Range whose limit is data, so that its shape is known only in the run. */
static bool make_range_of_data(graph *g) {
    gvalue *limit = graph_index(g, FV_I64, 0, NULL, NULL, DATA_COUNT, 9), *zero = graph_int(g, 0),
           *one = graph_int(g, 1);
    return graph_line(g, (line){.effect = MOVES}, (limit), "Range(%s, %s, %s)", zero->name,
                      limit->name, one->name);
}

static bool make_slice_of_data(graph *g) {
    gvalue *x = graph_pick(g, FV_SET_NUMBER, 1, GRAPH_RANK);
    const char *one = "1";
    int64_t n = 1, zero = 0;
    gvalue *start = graph_index(g, FV_I64, 1, &one, &n, DATA_COUNT, 4),
           *end = graph_index(g, FV_I64, 1, &one, &n, DATA_INDEX, 9);
    gvalue *axes = graph_ints(g, 1, &zero);
    return graph_line(g, (line){.effect = MOVES}, (x, start, end), "Slice(%s, %s, %s, %s)", x->name,
                      start->name, end->name, axes->name);
}

const graph_op graph_moves[] = {
    {"Transpose", make_transpose, 12},
    {"Reshape", make_reshape, 10},
    {"Reshape by Shape", make_reshape_by_shape, 4},
    {"Flatten", make_flatten, 2},
    {"Squeeze", make_squeeze, 3},
    {"Unsqueeze", make_unsqueeze, 4},
    {"Expand", make_expand, 4},
    {"Expand like", make_expand_like, 3},
    {"Shape", make_shape, 2},
    {"Tile", make_tile, 3},
    {"Concat", make_concat, 8},
    {"Split", make_split, 6},
    {"Slice", make_slice, 9},
    {"Pad", make_pad, 6},
    {"Trilu", make_trilu, 3},
    {"DepthToSpace", make_depth, 2},
    {"CenterCropPad", make_center_crop_pad, 2},
    {"EyeLike", make_eye, 2},
    {"ConstantOfShape", make_constant_of_shape, 2},
    {"Range", make_range, 2},
    {"Range of data", make_range_of_data, 1},
    {"Slice of data", make_slice_of_data, 1},
    {NULL, NULL, 0},
};
