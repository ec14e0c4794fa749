/* graph_sums.c - makers of operators that sum, or otherwise combine, many elements: reductions,
 * products, norms, windows. */
#include <inttypes.h>
#include <string.h>

#include "tests/matrix/graph.h"

static const fv_elem_set FLOATS = FV_SET_FLOAT;
static const fv_elem_set SUMMED =
    FV_SET_FLOAT | FV_SET(I32) | FV_SET(I64) | FV_SET(U32) | FV_SET(U64);

/* ---- reductions ---- */

typedef struct reduction {
    const char *name;
    effect effect;
    bool squares, keeps; /* keeps: the result is one of the elements */
} reduction;
static const reduction reductions[] = {
    {"ReduceSum", ADDS, false, false},        {"ReduceSum", ADDS, false, false},
    {"ReduceMean", AVERAGES, false, false},   {"ReduceMean", AVERAGES, false, false},
    {"ReduceMax", SMOOTHLY, false, true},     {"ReduceMin", SMOOTHLY, false, true},
    {"ReduceL1", ADDS, false, false},         {"ReduceL2", AVERAGES, true, false},
    {"ReduceSumSquare", ADDS, true, false},   {"ReduceLogSum", AVERAGES, false, false},
    {"ReduceLogSumExp", BLURS, false, false}, {"ReduceProd", BLURS, false, false},
};

/* Some axes of x as an operand; none stand for all axes. *terms: number of elements that each
 * element of the result combines. */
static gvalue *some_axes(graph *g, const gvalue *x, int64_t *terms) {
    int64_t list[GRAPH_RANK];
    int n = 0;
    *terms = 1;
    for (int i = 0; i < x->rank; i++)
        if (rng_chance(&g->r, i == x->rank - 1 ? 60 : 35)) {
            list[n++] = rng_chance(&g->r, 30) ? i - x->rank : i;
            *terms *= x->n[i];
        }
    if (!n)
        *terms = x->count;
    return n ? graph_ints(g, n, list) : NULL;
}

static bool make_reduction(graph *g) {
    const reduction *r = &CHOOSE(g, reductions);
    gvalue *x = graph_pick(g, r->keeps ? FV_SET_NUMBER & ~(FV_SET(I16) | FV_SET(U16)) : SUMMED, 0,
                           GRAPH_RANK);
    line l = {.effect = r->effect, .squares = r->squares, .grid = r->keeps ? x->grid : (grid){0}};
    if (!fv_elem_is_float(x->elem)) /* roots and logarithms are of doubles; else integers wrap */
        l.effect = r->name[6] == 'L' && r->name[7] != '1' ? BLURS : SMOOTHLY;
    gvalue *axes = some_axes(g, x, &l.terms);
    return graph_line(g, l, (x), "%s(%s, %s) {keepdims = %d, noop_with_empty_axes = %d}", r->name,
                      x->name, axes ? axes->name : "_", rng_below(&g->r, 2), rng_chance(&g->r, 20));
}

static bool make_cumulate(graph *g) {
    gvalue *x = graph_pick(g, SUMMED, 1, 4),
           *axis = graph_int(g, rng_below(&g->r, x->rank) - x->rank);
    bool sum = rng_chance(&g->r, 75);
    line l = {.effect = sum                         ? ADDS
                        : fv_elem_is_float(x->elem) ? BLURS
                                                    : SMOOTHLY,
              .terms = x->count};
    return graph_line(g, l, (x), "Cum%s(%s, %s) {exclusive = %d, reverse = %d}",
                      sum ? "Sum" : "Prod", x->name, axis->name, rng_below(&g->r, 2),
                      rng_below(&g->r, 2));
}

/* ---- products ---- */

/* The right operand of x in a MatMul: [.., k, n], a vector sometimes. */
static gvalue *right_operand(graph *g, const gvalue *x) {
    const char *dims[GRAPH_RANK];
    int64_t n[GRAPH_RANK];
    int rank = 0;
    if (x->rank > 2 && rng_chance(&g->r, 50))
        for (int i = 0; i < x->rank - 2; i++) {
            bool one = rng_chance(&g->r, 25);
            dims[rank] = one ? "1" : x->dim[i];
            n[rank++] = one ? 1 : x->n[i];
        }
    dims[rank] = x->dim[x->rank - 1];
    n[rank++] = x->n[x->rank - 1];
    if (rank > 1 || rng_chance(&g->r, 85)) {
        graph_pool_dim(g, &dims[rank], &n[rank]);
        rank++;
    }
    bool is_fixed = dims[rank - 1][0] != 'n' && x->dim[x->rank - 1][0] != 'n';
    return is_fixed && rank <= 2 ? graph_weight(g, x->elem, rank, n)
                                 : graph_param(g, x->elem, rank, dims, n);
}

static bool make_matmul(graph *g) {
    gvalue *x = graph_pick(g, SUMMED, 1, 4), *y = right_operand(g, x);
    line l = {.effect = ADDS, .factors = 2, .terms = x->n[x->rank - 1]};
    return graph_line(g, l, (x, y), "MatMul(%s, %s)", x->name, y->name);
}

static const fv_elem BYTES[] = {FV_U8, FV_I8};

/* Zero points of the operands, of these elements; `of`: of the right one, one or one a column. */
static void zero_points(graph *g, fv_elem x, fv_elem y, int64_t of, gvalue **zx, gvalue **zy) {
    *zx = graph_weight(g, x, 0, NULL);
    *zy = rng_chance(&g->r, 50) ? graph_weight(g, y, 1, &of) : graph_weight(g, y, 0, NULL);
}

/* Products of elements of 8 bits, summed in 32. */
static bool make_matmul_integer(graph *g) {
    fv_elem e = CHOOSE(g, BYTES);
    const char *dims[3];
    int64_t n[3], size[2];
    int rank = 2 + rng_below(&g->r, 2);
    for (int i = 0; i < rank; i++)
        graph_pool_dim(g, &dims[i], &n[i]);
    dims[rank - 1] = graph_dim_text(g, size[0] = n[rank - 1] = 1 + rng_below(&g->r, 40));
    size[1] = 1 + rng_below(&g->r, 40);
    gvalue *x = graph_param(g, FV_U8, rank, dims, n), *y = graph_weight(g, e, 2, size), *zx, *zy;
    if (x->count > GRAPH_ELEMENTS)
        return false;
    zero_points(g, FV_U8, e, size[1], &zx, &zy);
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, y, zx, zy),
                      "MatMulInteger(%s, %s, %s, %s)", x->name, y->name, zx->name, zy->name);
}

static bool make_conv_integer(graph *g) {
    fv_elem e = CHOOSE(g, BYTES);
    const char *dims[4];
    int64_t n[4], group = rng_chance(&g->r, 40) ? 2 : 1;
    graph_pool_dim(g, &dims[0], &n[0]);
    dims[1] = graph_dim_text(g, n[1] = group * (1 + rng_below(&g->r, 6)));
    dims[2] = graph_dim_text(g, n[2] = 3 + rng_below(&g->r, 7));
    dims[3] = graph_dim_text(g, n[3] = 3 + rng_below(&g->r, 7));
    int64_t w[4] = {group * (1 + rng_below(&g->r, 17)), n[1] / group, 1 + rng_below(&g->r, 3),
                    1 + rng_below(&g->r, 3)};
    gvalue *x = graph_param(g, e, 4, dims, n), *k = graph_weight(g, FV_I8, 4, w), *zx, *zw;
    if (x->count > GRAPH_ELEMENTS)
        return false;
    zero_points(g, e, FV_I8, w[0], &zx, &zw);
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, k, zx, zw),
                      "ConvInteger(%s, %s, %s, %s) {group = %d, pads = [%d, 1, 0, %d], strides = "
                      "[%d, 1]}",
                      x->name, k->name, zx->name, zw->name, (int)group, rng_below(&g->r, 2),
                      rng_below(&g->r, 3), 1 + rng_below(&g->r, 2));
}

/* x against itself or its like, transposed: scores. */
static bool make_scores(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 2, 4), *y = graph_like(g, x, x->elem), *t, *s;
    fv_text perm = {.arena = g->arena};
    for (int i = 0; i < x->rank; i++)
        fv_text_printf(&perm, "%s%d", i ? ", " : "",
                       i < x->rank - 2    ? i
                       : i == x->rank - 2 ? i + 1
                                          : i - 1);
    line l = {.effect = ADDS, .factors = 2, .terms = x->n[x->rank - 1]};
    if (!graph_lines(g, (line){.effect = MOVES}, OPERANDS(y), 1, &t, "Transpose(%s) {perm = [%s]}",
                     y->name, perm.s) ||
        !graph_lines(g, l, OPERANDS(x, t), 1, &s, "MatMul(%s, %s)", x->name, t->name))
        return false;
    return rng_chance(&g->r, 50) ||
           graph_line(g, (line){.effect = BLURS}, (s), "Softmax(%s) {axis = -1}", s->name);
}

static bool make_gemm(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 2, 2);
    bool ta = rng_chance(&g->r, 30), tb = rng_chance(&g->r, 50);
    const char *dims[2], *text;
    int64_t n[2], k = x->n[!ta], other;
    graph_pool_dim(g, &text, &other);
    dims[tb] = x->dim[!ta];
    n[tb] = k;
    dims[!tb] = text;
    n[!tb] = other;
    gvalue *y = graph_param(g, x->elem, 2, dims, n);
    gvalue *c = graph_param(g, x->elem, 1, &text, &other);
    line l = {.effect = ADDS, .factors = 2, .terms = k + 1};
    const char *scale = rng_chance(&g->r, 30) ? ", alpha = 0.5, beta = 2.0" : "";
    if (*scale)
        l.effect = BLURS;
    return graph_line(g, l, (x, y, c), "Gemm(%s, %s, %s) {transA = %d, transB = %d%s}", x->name,
                      y->name, c->name, ta, tb, scale);
}

static bool make_einsum(graph *g) {
    static const struct {
        const char *equation, *x, *y; /* labels of the operands */
    } list[] = {{"bij,bjk->bik", "bij", "bjk"}, {"bhid,bhjd->bhij", "bhid", "bhjd"},
                {"ij,kj->ik", "ij", "kj"},      {"bij,ij->b", "bij", "ij"},
                {"ij->ji", "ij", ""},           {"bij->bj", "bij", ""},
                {"i,j->ij", "i", "j"},          {"bii->bi", "bii", ""},
                {"bsd,dhe->bhse", "bsd", "dhe"}};
    int which = rng_below(&g->r, 9);
    const char *text[128], *labels[] = {list[which].x, list[which].y};
    int64_t size[128];
    gvalue *v[2] = {NULL, NULL};
    for (const char *p = list[which].equation; *p; p++)
        graph_pool_dim(g, &text[(int)*p], &size[(int)*p]);
    fv_elem e = rng_chance(&g->r, 80) && (SUMMED >> g->elem & 1) ? g->elem : FV_F32;
    int64_t terms = 1;
    for (int i = 0; i < 2 && *labels[i]; i++) {
        const char *dims[4];
        int64_t n[4];
        int rank = (int)strlen(labels[i]);
        for (int k = 0; k < rank; k++) {
            dims[k] = text[(int)labels[i][k]];
            n[k] = size[(int)labels[i][k]];
            terms *= n[k];
        }
        v[i] = graph_param(g, e, rank, dims, n);
        if (v[i]->count > GRAPH_ELEMENTS)
            return false;
    }
    line l = {.effect = ADDS, .factors = v[1] ? 2 : 1, .terms = terms};
    if (!v[1])
        return graph_line(g, l, (v[0]), "Einsum(%s) {equation = \"%s\"}", v[0]->name,
                          list[which].equation);
    return graph_line(g, l, (v[0], v[1]), "Einsum(%s, %s) {equation = \"%s\"}", v[0]->name,
                      v[1]->name, list[which].equation);
}

static bool make_conv(graph *g) {
    const char *dims[4];
    int64_t n[4], w[4];
    int spatial = 1 + rng_below(&g->r, 2), group = rng_chance(&g->r, 40) ? 2 : 1;
    graph_pool_dim(g, &dims[0], &n[0]);
    dims[1] = graph_dim_text(g, n[1] = group * (1 + rng_below(&g->r, 4)));
    w[0] = group * (1 + rng_below(&g->r, 5));
    w[1] = n[1] / group;
    fv_text pads = {.arena = g->arena}, strides = {.arena = g->arena};
    for (int i = 0; i < spatial; i++) {
        graph_pool_dim(g, &dims[2 + i], &n[2 + i]);
        w[2 + i] = 1 + rng_below(&g->r, 3);
        fv_text_printf(&strides, "%s%d", i ? ", " : "", 1 + rng_below(&g->r, 2));
    }
    for (int i = 0; i < 2 * spatial; i++)
        fv_text_printf(&pads, "%s%d", i ? ", " : "", rng_below(&g->r, 3));
    fv_elem e = FLOATS >> g->elem & 1 ? g->elem : FV_F32;
    gvalue *x = graph_param(g, e, 2 + spatial, dims, n);
    if (x->count > GRAPH_ELEMENTS)
        return false;
    gvalue *k = graph_weight(g, e, 2 + spatial, w), *b = graph_weight(g, e, 1, w);
    line l = {.effect = ADDS, .factors = 2, .terms = w[1] * w[2] * (spatial > 1 ? w[3] : 1) + 1};
    return graph_line(g, l, (x, k, b), "Conv(%s, %s, %s) {group = %d, pads = [%s], strides = [%s]}",
                      x->name, k->name, b->name, group, pads.s, strides.s);
}

/* ---- norms ---- */

static bool make_softmax(graph *g) {
    static const char *const names[] = {"Softmax", "Softmax", "LogSoftmax"};
    gvalue *x = graph_pick(g, FLOATS, 1, GRAPH_RANK);
    return graph_line(g, (line){.effect = BLURS}, (x), "%s(%s) {axis = %d}", CHOOSE(g, names),
                      x->name, rng_chance(&g->r, 60) ? -1 : rng_below(&g->r, x->rank));
}

static bool make_layer_norm(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 1, GRAPH_RANK);
    int last = x->rank - 1;
    gvalue *scale = graph_param(g, x->elem, 1, &x->dim[last], &x->n[last]);
    gvalue *bias = graph_param(g, x->elem, 1, &x->dim[last], &x->n[last]), *out[3];
    line l = {.effect = BLURS};
    if (rng_chance(&g->r, 30))
        return graph_line(g, l, (x, scale), "RMSNormalization(%s, %s)", x->name, scale->name);
    if (rng_chance(&g->r, 25) && x->elem == FV_F32)
        return graph_lines(g, l, OPERANDS(x, scale, bias), 3, out, "LayerNormalization(%s, %s, %s)",
                           x->name, scale->name, bias->name);
    return graph_line(g, l, (x, scale, bias), "LayerNormalization(%s, %s, %s) {epsilon = 0.01}",
                      x->name, scale->name, bias->name);
}

/* [n, c, ...]: those over channels and places. */
static bool make_channel_norm(graph *g) {
    const char *dims[4];
    int64_t n[4];
    int rank = 3 + rng_below(&g->r, 2);
    for (int i = 0; i < rank; i++)
        graph_pool_dim(g, &dims[i], &n[i]);
    int64_t groups = 1 + rng_below(&g->r, 2);
    dims[1] = graph_dim_text(g, n[1] = groups * (1 + rng_below(&g->r, 3)));
    fv_elem e = FLOATS >> g->elem & 1 ? g->elem : FV_F32;
    gvalue *x = graph_param(g, e, rank, dims, n);
    if (x->count > GRAPH_ELEMENTS)
        return false;
    gvalue *s = graph_weight(g, e, 1, n + 1), *b = graph_weight(g, e, 1, n + 1);
    line l = {.effect = BLURS};
    switch (rng_below(&g->r, 4)) {
    case 0:
        return graph_line(g, l, (x, s, b), "InstanceNormalization(%s, %s, %s)", x->name, s->name,
                          b->name);
    case 1:
        return graph_line(g, l, (x, s, b),
                          "GroupNormalization(%s, %s, %s) {num_groups = %" PRId64 "}", x->name,
                          s->name, b->name, groups);
    case 2: {
        gvalue *mean = graph_weight(g, e, 1, n + 1), *var = graph_weight(g, e, 1, n + 1), *square;
        return graph_lines(g, (line){.effect = SMOOTHLY}, OPERANDS(var), 1, &square, "Abs(%s)",
                           var->name) &&
               graph_line(g, (line){.effect = SMOOTHLY}, (x, s, b, mean, square),
                          "BatchNormalization(%s, %s, %s, %s, %s)", x->name, s->name, b->name,
                          mean->name, square->name);
    }
    default: return graph_line(g, l, (x), "LRN(%s) {size = 3, alpha = 0.5}", x->name);
    }
}

static bool make_lp_norm(graph *g) {
    gvalue *x = graph_pick(g, FLOATS, 1, GRAPH_RANK);
    if (rng_chance(&g->r, 40))
        return graph_line(g, (line){.effect = BLURS}, (x),
                          "MeanVarianceNormalization(%s) {axes = [%d]}", x->name,
                          rng_below(&g->r, x->rank));
    return graph_line(g, (line){.effect = BLURS}, (x), "LpNormalization(%s) {axis = %d, p = %d}",
                      x->name, rng_below(&g->r, x->rank), 1 + rng_below(&g->r, 2));
}

/* ---- windows ---- */

static bool make_pool(graph *g) {
    static const char *const names[] = {"AveragePool",       "MaxPool",       "LpPool",
                                        "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"};
    static const effect effects[] = {BLURS, SMOOTHLY, BLURS, BLURS, SMOOTHLY, BLURS};
    const char *dims[4], *name;
    int64_t n[4];
    int rank = 3 + rng_below(&g->r, 2), which = rng_below(&g->r, 6);
    for (int i = 0; i < rank; i++)
        graph_pool_dim(g, &dims[i], &n[i]);
    name = names[which];
    fv_elem e = FLOATS >> g->elem & 1 ? g->elem : FV_F32;
    gvalue *x = graph_param(g, e, rank, dims, n), *out[2];
    if (x->count > GRAPH_ELEMENTS)
        return false;
    line l = {.effect = effects[which], .grid = effects[which] == SMOOTHLY ? x->grid : (grid){0}};
    if (*name == 'G')
        return graph_line(g, l, (x), "%s(%s)", name, x->name);
    const char *attr = rank == 3 ? "kernel_shape = [2], strides = [2]"
                                 : "kernel_shape = [3, 2], pads = [1, 0, 1, 1]";
    const char *ceil_mode = rng_chance(&g->r, 30) ? ", ceil_mode = 1" : "";
    if (which == 1 && rng_chance(&g->r, 40))
        return graph_lines(g, l, OPERANDS(x), 2, out, "MaxPool(%s) {%s%s}", x->name, attr,
                           ceil_mode);
    return graph_line(g, l, (x), "%s(%s) {%s%s}", name, x->name, attr, ceil_mode);
}

static bool make_resize(graph *g) {
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "align_corners", "asymmetric",
                                         "pytorch_half_pixel"};
    gvalue *x = graph_pick(g, FV_SET(F32) | FV_SET(F64) | FV_SET(F16), 3, 4);
    int64_t sizes[4];
    for (int i = 0; i < x->rank; i++)
        sizes[i] = i < 2 ? x->n[i] : 1 + rng_below(&g->r, 9);
    int mode = rng_below(&g->r, 3);
    gvalue *s = graph_ints(g, x->rank, sizes);
    line l = {.effect = mode ? SMOOTHLY : MOVES};
    return graph_line(
        g, l, (x), "Resize(%s, _, _, %s) {mode = \"%s\", coordinate_transformation_mode = \"%s\"}",
        x->name, s->name, modes[mode], CHOOSE(g, places));
}

const graph_op graph_sums[] = {
    {"reduction", make_reduction, 16},
    {"Cum", make_cumulate, 3},
    {"MatMul", make_matmul, 14},
    {"MatMulInteger", make_matmul_integer, 4},
    {"ConvInteger", make_conv_integer, 3},
    {"scores", make_scores, 6},
    {"Gemm", make_gemm, 6},
    {"Einsum", make_einsum, 5},
    {"Conv", make_conv, 5},
    {"softmax", make_softmax, 10},
    {"LayerNormalization", make_layer_norm, 6},
    {"norm of channels", make_channel_norm, 5},
    {"norm along an axis", make_lp_norm, 3},
    {"pool", make_pool, 6},
    {"Resize", make_resize, 2},
    {NULL, NULL, 0},
};
