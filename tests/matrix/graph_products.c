/* graph_products.c - makers of products whose weights are stored in another form than they are
 * multiplied in: dequantized, as a whole, for each column and in blocks of any number of elements,
 * converted from narrower floats, and of windows that are long in one direction. The steps of such
 * sums are divided in several ways at the same time: into blocks that share a scale, bytes that
 * several steps share, parts that stay in a cache, and iterations of a loop. */
#include <inttypes.h>

#include "tests/matrix/graph.h"

enum { MOST = 6000, MOST_BLOCK = 33 };

static int64_t some_rows(graph *g, const char **text) {
    static const int64_t list[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 16, 24, 25, 37, 73};
    int64_t n;
    if (rng_chance(&g->r, 35)) {
        graph_pool_dim(g, text, &n);
        return n;
    }
    n = CHOOSE(g, list);
    *text = graph_dim_text(g, n);
    return n;
}

static int64_t some_columns(graph *g) {
    static const int64_t list[] = {1, 3, 8, 16, 16, 17, 31, 32, 33, 40, 64};
    return CHOOSE(g, list);
}

/* The number of terms of a sum: whole blocks of so many, sometimes with an incomplete one. */
static int64_t some_steps(graph *g, int64_t block) {
    int64_t n = block * (1 + rng_below(&g->r, block > 16 ? 4 : 12));
    return rng_chance(&g->r, 20) ? n + rng_below(&g->r, (int)block) : n;
}

/* x [.., steps], with one axis or two before the last one. */
static gvalue *some_x(graph *g, fv_elem e, int64_t steps) {
    const char *dims[3];
    int64_t n[3];
    int rank = rng_chance(&g->r, 15) ? 3 : 2;
    if (rank == 3)
        n[0] = 2, dims[0] = "2";
    n[rank - 2] = some_rows(g, &dims[rank - 2]);
    n[rank - 1] = steps;
    dims[rank - 1] = graph_dim_text(g, steps);
    return graph_param(g, e, rank, dims, n);
}

/* Something after the product, sometimes. */
static bool finish(graph *g, gvalue *y) {
    if (!rng_chance(&g->r, 30))
        return true;
    return graph_line(g, (line){.effect = SMOOTHLY}, (y), "Relu(%s)", y->name);
}

/* x times w, which is [n, k] if it is `turned`, and [k, n] otherwise. */
static bool multiply(graph *g, gvalue *x, gvalue *w, bool turned) {
    gvalue *y;
    line l = {.effect = ADDS, .factors = 2, .terms = x->n[x->rank - 1]};
    if (turned && x->rank == 2 && rng_chance(&g->r, 50))
        return graph_lines(g, l, OPERANDS(x, w), 1, &y, "Gemm(%s, %s) {transB = 1}", x->name,
                           w->name) &&
               finish(g, y);
    if (turned && !graph_lines(g, (line){.effect = MOVES}, OPERANDS(w), 1, &w,
                               "Transpose(%s) {perm = [1, 0]}", w->name))
        return false;
    return graph_lines(g, l, OPERANDS(x, w), 1, &y, "MatMul(%s, %s)", x->name, w->name) &&
           finish(g, y);
}

/* ---- dequantized weights ---- */

static const fv_elem STORED[] = {FV_I4, FV_I4, FV_U4, FV_U4, FV_I8, FV_I8, FV_U8, FV_I2, FV_U2};

/* Differences of stored integers and zero points have less than 6 bits, those of WILD graphs
 * aside. */
static line dequantized(const gvalue *scale) {
    line l = {.effect = SMOOTHLY, .grid = scale->grid};
    l.grid.bound += 6;
    return l;
}

/* x as it is, or as the integers that it is rounded to: the sum of products is one of integers
 * then. */
static gvalue *quantized(graph *g, gvalue *x) {
    int64_t none = 0;
    gvalue *scale = graph_constant(g, x->elem, 0, &none), *q, *y;
    if (!rng_chance(&g->r, 30) || x->elem != FV_F32 ||
        !graph_lines(g, (line){.effect = STEPS}, OPERANDS(x, scale), 1, &q,
                     "QuantizeLinear(%s, %s) {output_dtype = 3}", x->name, scale->name) ||
        !graph_lines(g, (line){.effect = SMOOTHLY}, OPERANDS(q, scale), 1, &y,
                     "DequantizeLinear(%s, %s)", q->name, scale->name))
        return x;
    return y;
}

/* Weights with a scale, and sometimes a zero point, for each block of elements along the sum. */
static bool make_blocked(graph *g) {
    const fv_elem stored = CHOOSE(g, STORED);
    const int64_t block = 1 + rng_below(&g->r, MOST_BLOCK), k = some_steps(g, block),
                  columns = some_columns(g);
    const bool turned = rng_chance(&g->r, 40);
    int64_t n[] = {k, columns}, blocks[] = {(k + block - 1) / block, columns};
    if (turned) {
        n[0] = blocks[0] = columns;
        n[1] = k;
        blocks[1] = (k + block - 1) / block;
    }
    if (k * columns > MOST)
        return false;
    gvalue *x = quantized(g, some_x(g, FV_F32, k)), *w = graph_constant(g, stored, 2, n),
           *s = graph_constant(g, FV_F32, 2, blocks), *y,
           *z = rng_chance(&g->r, 40) ? graph_constant(g, stored, 2, blocks) : NULL;
    return graph_lines(g, dequantized(s), OPERANDS(w, s, z), 1, &y,
                       "DequantizeLinear(%s, %s, %s) {axis = %d, block_size = %" PRId64 "}",
                       w->name, s->name, z ? z->name : "_", turned, block) &&
           multiply(g, x, y, turned);
}

/* Weights with one scale, or one for each column or each term of the sum. */
static bool make_scaled(graph *g) {
    const fv_elem stored = CHOOSE(g, STORED);
    int64_t n[] = {some_steps(g, 1 + rng_below(&g->r, MOST_BLOCK)), some_columns(g)}, axis;
    const bool turned = rng_chance(&g->r, 40), one = rng_chance(&g->r, 30);
    if (n[0] * n[1] > MOST)
        return false;
    gvalue *x = quantized(g, some_x(g, FV_F32, n[0]));
    if (turned) {
        int64_t k = n[0];
        n[0] = n[1];
        n[1] = k;
    }
    axis = rng_below(&g->r, 2);
    gvalue *w = graph_constant(g, stored, 2, n), *s = graph_constant(g, FV_F32, !one, &n[axis]),
           *z = rng_chance(&g->r, 40) ? graph_constant(g, stored, !one, &n[axis]) : NULL, *y;
    return graph_lines(g, dequantized(s), OPERANDS(w, s, z), 1, &y,
                       "DequantizeLinear(%s, %s, %s) {axis = %d}", w->name, s->name,
                       z ? z->name : "_", (int)axis) &&
           multiply(g, x, y, turned);
}

/* Blocks of 16 elements or more of 2, 4 or 8 bits, packed in bytes. */
static bool make_nbits(graph *g) {
    static const int widths[] = {4, 4, 2, 8};
    const int64_t block = 16 << rng_below(&g->r, 2), k = some_steps(g, block),
                  columns = some_columns(g), blocks = (k + block - 1) / block;
    const int bits = CHOOSE(g, widths);
    int64_t n[] = {columns, blocks, block * bits / 8}, scales = columns * blocks;
    if (k * columns > MOST)
        return false;
    gvalue *x = some_x(g, FV_F32, k), *w = graph_constant(g, FV_U8, 3, n),
           *s = graph_constant(g, FV_F32, 1, &scales), *y;
    line l = {.effect = BLURS};
    return graph_lines(g, l, OPERANDS(x, w, s), 1, &y,
                       "com.microsoft.MatMulNBits(%s, %s, %s) {K = %" PRId64 ", N = %" PRId64
                       ", bits = %d, block_size = %" PRId64 ", accuracy_level = %d}",
                       x->name, w->name, s->name, k, columns, bits, block,
                       rng_chance(&g->r, 30) ? 4 : 0) &&
           finish(g, y);
}

/* ---- other weights ---- */

/* Weights in f32, or in narrower floats that are converted, or products of such floats. */
static bool make_floats(graph *g) {
    static const fv_elem elems[] = {FV_F32, FV_F16, FV_F16, FV_BF16, FV_BF16, FV_F8E4M3FN, FV_I8};
    const fv_elem stored = CHOOSE(g, elems);
    const bool turned = rng_chance(&g->r, 40), converts = fv_elem_bits(stored) < 32;
    const bool narrow = fv_elem_bits(stored) == 16 && rng_chance(&g->r, 40);
    const int64_t k = some_steps(g, 1 + rng_below(&g->r, MOST_BLOCK)), columns = some_columns(g);
    int64_t n[] = {turned ? columns : k, turned ? k : columns};
    if (k * columns > MOST)
        return false;
    gvalue *x = some_x(g, narrow ? stored : FV_F32, k), *w = graph_constant(g, stored, 2, n);
    line l = {.effect = SMOOTHLY, .grid = w->grid};
    if (converts && !narrow && !graph_lines(g, l, OPERANDS(w), 1, &w, "Cast(%s) {to = 1}", w->name))
        return false;
    return multiply(g, x, w, turned);
}

static bool make_integers(graph *g) {
    static const fv_elem bytes[] = {FV_U8, FV_I8};
    const fv_elem e = CHOOSE(g, bytes), f = CHOOSE(g, bytes);
    const int64_t k = some_steps(g, 1 + rng_below(&g->r, MOST_BLOCK));
    int64_t n[] = {k, some_columns(g)};
    if (n[0] * n[1] > MOST)
        return false;
    gvalue *x = some_x(g, e, k), *w = graph_constant(g, f, 2, n);
    if (rng_chance(&g->r, 40))
        return graph_line(g, (line){.effect = SMOOTHLY}, (x, w), "MatMulInteger(%s, %s)", x->name,
                          w->name);
    gvalue *zx = graph_constant(g, e, 0, NULL), *zw = graph_constant(g, f, 0, NULL);
    return graph_line(g, (line){.effect = SMOOTHLY}, (x, w, zx, zw),
                      "MatMulInteger(%s, %s, %s, %s)", x->name, w->name, zx->name, zw->name);
}

/* A window that is long in one direction, with a border, of few channels. */
static bool make_window(graph *g) {
    static const fv_elem elems[] = {FV_F32, FV_F32, FV_F16, FV_I8, FV_U8};
    static const int64_t channels[] = {1, 1, 2, 3, 4, 8, 16}, filters[] = {1, 2, 8, 16, 17, 24};
    const fv_elem e = CHOOSE(g, elems);
    const bool high = rng_below(&g->r, 2), floats = fv_elem_is_float(e);
    const int64_t in = CHOOSE(g, channels), taps = 1 + rng_below(&g->r, 36),
                  group = rng_chance(&g->r, 30) ? in : 1;
    const int across = rng_chance(&g->r, 30) ? 2 + rng_below(&g->r, 2) : 1;
    int64_t k[] = {group * CHOOSE(g, filters), in / group, across, across},
            n[] = {1, in, 4 + rng_below(&g->r, 20), 4 + rng_below(&g->r, 20)};
    const char *dims[4];
    k[high ? 2 : 3] = taps;
    for (int i = 0; i < 4; i++)
        dims[i] = graph_dim_text(g, n[i]);
    if (k[0] * k[1] * k[2] * k[3] > MOST)
        return false;
    gvalue *x = graph_param(g, e, 4, dims, n), *w = graph_constant(g, floats ? e : FV_I8, 4, k),
           *b = floats ? graph_constant(g, e, 1, k) : NULL;
    line l = {.effect = floats ? ADDS : SMOOTHLY, .factors = 2, .terms = k[1] * k[2] * k[3] + 1};
    const int before = rng_below(&g->r, (int)taps), after = rng_below(&g->r, (int)taps),
              side = rng_below(&g->r, across);
    return graph_line(
        g, l, (x, w, b), "%s(%s, %s%s%s) {group = %" PRId64 ", pads = [%d, %d, %d, %d]}",
        floats ? "Conv" : "ConvInteger", x->name, w->name, b ? ", " : "", b ? b->name : "", group,
        high ? before : side, high ? side : before, high ? after : side, high ? side : after);
}

const graph_op graph_products[] = {
    {"blocked", make_blocked, 12},
    {"scaled", make_scaled, 4},
    {"MatMulNBits", make_nbits, 3},
    {"floats", make_floats, 6},
    {"integers", make_integers, 3},
    {"window", make_window, 5},
    {NULL, NULL, 0},
};
