/* graph_images.c - makers of chains over images, [n, c, ...]: filters of all kinds, pools,
 * residuals, Concats, norms, softmaxes and reductions along every axis, attention over pixels. Some
 * values are stored with channels last and some in the order of their type, and all combinations
 * meet. */
#include <inttypes.h>

#include "tests/matrix/graph.h"

enum { SPATIAL = 3, IMAGES = 10, PIXELS = 160, WEIGHTS = 4000 };

static const fv_elem_set FLOATS = FV_SET_FLOAT;

/* The images of one chain; the last one goes on. */
typedef struct chain {
    graph *g;
    gvalue *image[IMAGES];
    int n, spatial;
} chain;

static gvalue *last(const chain *s) {
    return s->image[s->n - 1];
}

/* Sometimes a result of the graph, although others use it. */
static bool add(chain *s, gvalue *v) {
    if (!v->known || v->rank != s->spatial + 2)
        return false;
    v->kept |= rng_chance(&s->g->r, 12);
    if (s->n == IMAGES)
        s->image[rng_below(&s->g->r, IMAGES - 1)] = s->image[--s->n];
    s->image[s->n++] = v;
    return true;
}

static gvalue *one_of(const chain *s) {
    return s->image[rng_below(&s->g->r, s->n)];
}

/* "[1, 2]": n numbers from `least` on */
static const char *numbers(graph *g, int n, int least, int below, int percent) {
    fv_text t = {.arena = g->arena};
    fv_text_put(&t, "[");
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%d", i ? ", " : "",
                       rng_chance(&g->r, percent) ? least + rng_below(&g->r, below - least)
                                                  : least);
    fv_text_put(&t, "]");
    return t.s;
}

/* ---- filters ---- */

static int64_t some_channels(graph *g) {
    static const int64_t list[] = {16, 16, 17, 20, 24, 32, 40, 1, 3, 8};
    return CHOOSE(g, list);
}

/* The size of a window along spatial axis i; it seldom exceeds the axis. */
static int64_t window(chain *s, int i) {
    int64_t n = last(s)->n[i + 2], most = rng_chance(&s->g->r, 95) && n < 3 && n > 0 ? n : 3;
    return 1 + rng_below(&s->g->r, (int)most);
}

/* "[1, 2]": dilations; seldom more than 1 where pixels are few. */
static const char *dilations(chain *s) {
    fv_text t = {.arena = s->g->arena};
    fv_text_put(&t, "[");
    for (int i = 0; i < s->spatial; i++)
        fv_text_printf(
            &t, "%s%d", i ? ", " : "",
            rng_chance(&s->g->r, last(s)->n[i + 2] > 4 ? 25 : 2) ? 2 + rng_below(&s->g->r, 2) : 1);
    fv_text_put(&t, "]");
    return t.s;
}

/* [out, in, k..], of at most so many elements. */
static gvalue *filter(chain *s, int64_t out, int64_t in, int64_t *taps) {
    graph *g = s->g;
    int64_t n[SPATIAL + 2] = {out, in};
    *taps = 1;
    for (int i = 0; i < s->spatial; i++) {
        int64_t k = window(s, i);
        n[i + 2] = out * in * *taps * k <= WEIGHTS ? k : 1;
        *taps *= n[i + 2];
    }
    return rng_chance(&g->r, 85) ? graph_constant(g, last(s)->elem, s->spatial + 2, n)
                                 : graph_weight(g, last(s)->elem, s->spatial + 2, n);
}

static bool make_filter(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *b = NULL, *y;
    bool depthwise = rng_chance(&g->r, 25);
    int64_t c = x->n[1], out = some_channels(g), group = 1, taps;
    if (depthwise) {
        group = c;
        out = c * (rng_chance(&g->r, 30) ? 2 : 1);
    } else if (rng_chance(&g->r, 20) && c % 2 == 0) {
        group = 2;
        out += out % 2;
    }
    if (!group || out * (c / group) > WEIGHTS)
        return false;
    gvalue *w = filter(s, out, c / group, &taps);
    if (rng_chance(&g->r, 50))
        b = rng_chance(&g->r, 70) ? graph_constant(g, x->elem, 1, &out)
                                  : graph_weight(g, x->elem, 1, &out);
    line l = {.effect = ADDS, .factors = 2, .terms = c / group * taps + 1};
    return graph_lines(
               g, l, OPERANDS(x, w, b), 1, &y,
               "Conv(%s, %s, %s) {group = %" PRId64 ", pads = %s, strides = %s, dilations = %s}",
               x->name, w->name, b ? b->name : "_", group, numbers(g, 2 * s->spatial, 0, 4, 50),
               numbers(g, s->spatial, 1, 4, 25), dilations(s)) &&
           add(s, y);
}

static bool make_transposed(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *b = NULL, *y;
    int64_t c = x->n[1], group = c % 2 == 0 && rng_chance(&g->r, 30) ? 2 : 1,
            out = some_channels(g), taps;
    if (!c || c * out > WEIGHTS)
        return false;
    gvalue *w = filter(s, c, out, &taps);
    int64_t channels = out * group;
    if (rng_chance(&g->r, 50))
        b = graph_constant(g, x->elem, 1, &channels);
    line l = {.effect = ADDS, .factors = 2, .terms = c / group * taps + 1};
    return graph_lines(g, l, OPERANDS(x, w, b), 1, &y,
                       "ConvTranspose(%s, %s, %s) {group = %" PRId64
                       ", pads = %s, strides = %s, dilations = %s, output_padding = %s}",
                       x->name, w->name, b ? b->name : "_", group,
                       numbers(g, 2 * s->spatial, 0, 3, 40), numbers(g, s->spatial, 1, 4, 50),
                       numbers(g, s->spatial, 1, 4, 20), numbers(g, s->spatial, 0, 2, 20)) &&
           add(s, y);
}

static bool make_pool(chain *s) {
    static const char *const names[] = {"MaxPool", "AveragePool", "LpPool"};
    graph *g = s->g;
    gvalue *x = last(s), *y;
    int which = rng_below(&g->r, 3);
    fv_text kernel = {.arena = g->arena};
    for (int i = 0; i < s->spatial; i++)
        fv_text_printf(&kernel, "%s%" PRId64, i ? ", " : "", window(s, i));
    line l = {.effect = which ? BLURS : SMOOTHLY, .grid = which ? (grid){0} : x->grid};
    return graph_lines(g, l, OPERANDS(x), 1, &y,
                       "%s(%s) {kernel_shape = [%s], pads = %s, strides = %s%s%s}", names[which],
                       x->name, kernel.s, numbers(g, 2 * s->spatial, 0, 2, 40),
                       numbers(g, s->spatial, 1, 4, 50),
                       rng_chance(&g->r, 25) ? ", ceil_mode = 1" : "",
                       which == 1 && rng_chance(&g->r, 40) ? ", count_include_pad = 1" : "") &&
           add(s, y);
}

/* ---- element by element ---- */

static bool make_smooth(chain *s) {
    static const char *const names[] = {"Relu", "Tanh", "Sigmoid", "HardSwish", "Neg"};
    const char *name = CHOOSE(s->g, names);
    gvalue *x = last(s), *y;
    line l = {.effect = SMOOTHLY, .grid = *name == 'R' || *name == 'N' ? x->grid : (grid){0}};
    return graph_lines(s->g, l, OPERANDS(x), 1, &y, "%s(%s)", name, x->name) && add(s, y);
}

static bool is_like(const gvalue *x, const gvalue *y, int but) {
    for (int i = 0; i < x->rank; i++)
        if (i != but && x->n[i] != y->n[i])
            return false;
    return x != y && x->rank == y->rank && x->elem == y->elem;
}

/* Another image of the same shape, but for this axis; of the chain, if it has one. */
static gvalue *find_like(chain *s, const gvalue *x, int but) {
    int at = rng_below(&s->g->r, s->n);
    for (int i = 0; i < s->n && rng_chance(&s->g->r, 95); i++)
        if (is_like(x, s->image[(at + i) % s->n], but))
            return s->image[(at + i) % s->n];
    return graph_like(s->g, x, x->elem);
}

static bool make_residual(chain *s) {
    static const char *const names[] = {"Add", "Add", "Add", "Sub", "Max"};
    graph *g = s->g;
    const char *name = CHOOSE(g, names);
    gvalue *x = last(s), *y = find_like(s, x, -1), *z;
    line l = {.effect = *name == 'M' ? SMOOTHLY : ADDS, .terms = 2};
    return graph_lines(g, l, OPERANDS(x, y), 1, &z, "%s(%s, %s)", name, x->name, y->name) &&
           add(s, z);
}

/* By a constant or parameter for each channel, or by what comes of the image itself. */
static bool make_scale(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *by, *y;
    int64_t n[SPATIAL + 2] = {1, x->n[1], 1, 1, 1};
    line blurs = {.effect = BLURS};
    if (rng_chance(&g->r, 50))
        by = graph_constant(g, x->elem, s->spatial + 1, n + 1);
    else if (!graph_lines(g, blurs, OPERANDS(x), 1, &by, "Global%sPool(%s)",
                          rng_chance(&g->r, 70) ? "Average" : "Max", x->name))
        return false;
    by->kept |= by->elem == x->elem && *by->name == '%' && rng_chance(&g->r, 30);
    bool adds = rng_chance(&g->r, 30);
    line l = {.effect = ADDS, .factors = adds ? 1 : 2, .terms = adds ? 2 : 1};
    return graph_lines(g, l, OPERANDS(x, by), 1, &y, "%s(%s, %s)", adds ? "Add" : "Mul", x->name,
                       by->name) &&
           add(s, y);
}

static bool make_batch_norm(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *v[4], *square, *y;
    for (int i = 0; i < 4; i++)
        v[i] = graph_constant(g, x->elem, 1, &x->n[1]);
    return graph_lines(g, (line){.effect = SMOOTHLY}, OPERANDS(v[3]), 1, &square, "Abs(%s)",
                       v[3]->name) &&
           graph_lines(g, (line){.effect = BLURS}, OPERANDS(x, v[0], v[1], v[2], square), 1, &y,
                       "BatchNormalization(%s, %s, %s, %s, %s)", x->name, v[0]->name, v[1]->name,
                       v[2]->name, square->name) &&
           add(s, y);
}

/* ---- moves ---- */

static bool make_concat(chain *s) {
    graph *g = s->g;
    int axis = rng_chance(&g->r, 70) ? 1 : rng_below(&g->r, s->spatial + 2),
        n = 2 + rng_below(&g->r, 2);
    gvalue *x = last(s), *part[3] = {x}, *y;
    fv_text t = {.arena = g->arena};
    for (int i = 1; i < n; i++)
        part[i] = find_like(s, x, axis);
    if (rng_chance(&g->r, 50)) {
        part[0] = part[n - 1];
        part[n - 1] = x;
    }
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", part[i]->name);
    return graph_lines(g, (line){.effect = MOVES}, n, part, 1, &y, "Concat(%s) {axis = %d}", t.s,
                       axis) &&
           add(s, y);
}

static bool make_split(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *y[2];
    int axis = rng_chance(&g->r, 70) ? 1 : rng_below(&g->r, s->spatial + 2);
    int64_t n = x->n[axis];
    if (n < 2)
        return false;
    int64_t first = 1 + rng_below(&g->r, (int)n - 1), at = axis, sizes[2] = {first, n - first},
            step = 1 + rng_below(&g->r, 2);
    if (rng_chance(&g->r, 50)) {
        gvalue *parts = graph_ints(g, 2, sizes);
        return graph_lines(g, (line){.effect = MOVES}, 1, &x, 2, y, "Split(%s, %s) {axis = %d}",
                           x->name, parts->name, axis) &&
               add(s, y[0]) && add(s, y[1]);
    }
    gvalue *from = graph_ints(g, 1, &first), *to = graph_ints(g, 1, &n),
           *axes = graph_ints(g, 1, &at), *by = graph_ints(g, 1, &step);
    return graph_lines(g, (line){.effect = MOVES}, OPERANDS(x), 1, y, "Slice(%s, %s, %s, %s, %s)",
                       x->name, from->name, to->name, axes->name, by->name) &&
           add(s, y[0]);
}

static bool make_pad(chain *s) {
    static const char *const modes[] = {"constant", "constant", "reflect", "edge"};
    graph *g = s->g;
    gvalue *x = last(s), *y, *value = NULL;
    const char *mode = CHOOSE(g, modes);
    int64_t list[2 * SPATIAL + 4] = {0};
    for (int i = 2; i < s->spatial + 2; i++) {
        list[i] = rng_below(&g->r, 3);
        list[i + s->spatial + 2] = rng_below(&g->r, 3);
    }
    gvalue *pads = graph_ints(g, 2 * (s->spatial + 2), list);
    if (*mode == 'c' && rng_chance(&g->r, 50))
        value = graph_constant(g, x->elem, 0, NULL);
    return graph_lines(g, (line){.effect = MOVES}, OPERANDS(x, value), 1, &y,
                       "Pad(%s, %s, %s) {mode = \"%s\"}", x->name, pads->name,
                       value ? value->name : "_", mode) &&
           add(s, y);
}

/* With something done to it in the other order, by chance. */
static bool make_turn(chain *s) {
    static const char *const to[] = {"0, 2, 1", "0, 2, 3, 1", "0, 2, 3, 4, 1"};
    static const char *const back[] = {"0, 2, 1", "0, 3, 1, 2", "0, 4, 1, 2, 3"};
    graph *g = s->g;
    gvalue *x = last(s), *y, *z = NULL;
    line moves = {.effect = MOVES};
    if (!graph_lines(g, moves, OPERANDS(x), 1, &y, "Transpose(%s) {perm = [%s]}", x->name,
                     to[s->spatial - 1]))
        return false;
    y->kept |= rng_chance(&g->r, 30);
    switch (rng_below(&g->r, 4)) {
    case 0:
        graph_lines(g, (line){.effect = BLURS}, OPERANDS(y), 1, &z, "Softmax(%s) {axis = -1}",
                    y->name);
        break;
    case 1: {
        gvalue *w = graph_constant(g, y->elem, 2, (int64_t[]){x->n[1], some_channels(g)});
        line l = {.effect = ADDS, .factors = 2, .terms = x->n[1]};
        graph_lines(g, l, OPERANDS(y, w), 1, &z, "MatMul(%s, %s)", y->name, w->name);
        break;
    }
    default: z = y; break;
    }
    return z &&
           graph_lines(g, moves, OPERANDS(z), 1, &y, "Transpose(%s) {perm = [%s]}", z->name,
                       back[s->spatial - 1]) &&
           add(s, y);
}

/* Channels are shuffled: an axis is two, which change places. */
static bool make_shuffle(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *y, *z, *shape, *all;
    line moves = {.effect = MOVES};
    if (s->spatial != 2 || x->n[1] % 2 || !x->count) /* 0 in a shape stands for a dim of x */
        return false;
    shape = graph_ints(g, 5, (int64_t[]){x->n[0], 2, x->n[1] / 2, x->n[2], x->n[3]});
    if (!graph_lines(g, moves, OPERANDS(x), 1, &y, "Reshape(%s, %s)", x->name, shape->name) ||
        !graph_lines(g, moves, OPERANDS(y), 1, &z, "Transpose(%s) {perm = [0, 2, 1, 3, 4]}",
                     y->name) ||
        !graph_lines(g, moves, OPERANDS(x), 1, &all, "Shape(%s)", x->name))
        return false;
    return graph_lines(g, moves, OPERANDS(z), 1, &y, "Reshape(%s, %s)", z->name, all->name) &&
           add(s, y);
}

static bool make_resize(chain *s) {
    static const char *const modes[] = {"nearest", "linear"};
    graph *g = s->g;
    gvalue *x = last(s), *y;
    int64_t sizes[SPATIAL + 2];
    if (!x->count) /* an image without pixels is not resized to one with pixels */
        return false;
    for (int i = 0; i < x->rank; i++)
        sizes[i] = i < 2 ? x->n[i] : rng_chance(&g->r, 50) ? 2 * x->n[i] : 1 + rng_below(&g->r, 9);
    int mode = rng_below(&g->r, 2);
    gvalue *by = graph_ints(g, x->rank, sizes);
    return x->elem != FV_BF16 &&
           graph_lines(g, (line){.effect = mode ? SMOOTHLY : MOVES}, OPERANDS(x), 1, &y,
                       "Resize(%s, _, _, %s) {mode = \"%s\", coordinate_transformation_mode = "
                       "\"asymmetric\"}",
                       x->name, by->name, modes[mode]) &&
           add(s, y);
}

/* ---- over channels and over pixels ---- */

static bool make_softmax(chain *s) {
    static const char *const names[] = {"Softmax", "Softmax", "LogSoftmax"};
    gvalue *x = last(s), *y;
    int axis = rng_chance(&s->g->r, 40) ? 1 : rng_below(&s->g->r, s->spatial + 2);
    return graph_lines(s->g, (line){.effect = BLURS}, OPERANDS(x), 1, &y, "%s(%s) {axis = %d}",
                       CHOOSE(s->g, names), x->name, axis) &&
           add(s, y);
}

static bool make_norm(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *y;
    if (!x->n[1])
        return false;
    gvalue *a = graph_constant(g, x->elem, 1, &x->n[1]),
           *b = graph_constant(g, x->elem, 1, &x->n[1]);
    const char *groups = x->n[1] % 2 ? "{num_groups = 1}" : "{num_groups = 2}";
    bool all = rng_chance(&g->r, 50);
    return graph_lines(g, (line){.effect = BLURS}, OPERANDS(x, a, b), 1, &y,
                       "%sNormalization(%s, %s, %s) %s", all ? "Instance" : "Group", x->name,
                       a->name, b->name, all ? "" : groups) &&
           add(s, y);
}

/* From an axis on: with a scale for each element of it, or for those of the last axis. */
static bool make_norm_from(chain *s) {
    static const char *const names[] = {"LayerNormalization", "RMSNormalization"};
    graph *g = s->g;
    gvalue *x = last(s), *y;
    int axis = 1 + rng_below(&g->r, s->spatial + 1),
        from = rng_chance(&g->r, 70) ? axis : x->rank - 1;
    int64_t n = 1;
    for (int i = from; i < x->rank; i++)
        n *= x->n[i];
    if (n > WEIGHTS)
        return false;
    gvalue *scale = graph_constant(g, x->elem, x->rank - from, &x->n[from]);
    return graph_lines(g, (line){.effect = BLURS}, OPERANDS(x, scale), 1, &y,
                       "%s(%s, %s) {axis = %d, epsilon = 0.01}", CHOOSE(g, names), x->name,
                       scale->name, axis) &&
           add(s, y);
}

/* Along one axis, or some. */
static bool make_norm_along(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *y;
    int axis = rng_below(&g->r, x->rank), other = rng_below(&g->r, x->rank);
    line l = {.effect = BLURS};
    if (rng_chance(&g->r, 40))
        return graph_lines(g, l, OPERANDS(x), 1, &y, "LpNormalization(%s) {axis = %d, p = %d}",
                           x->name, axis, 1 + rng_below(&g->r, 2)) &&
               add(s, y);
    if (axis == other)
        return graph_lines(g, l, OPERANDS(x), 1, &y, "MeanVarianceNormalization(%s) {axes = [%d]}",
                           x->name, axis) &&
               add(s, y);
    return graph_lines(g, l, OPERANDS(x), 1, &y, "MeanVarianceNormalization(%s) {axes = [%d, %d]}",
                       x->name, axis, other) &&
           add(s, y);
}

/* A reduction, whose result is broadcast again. */
static bool make_reduced(chain *s) {
    static const char *const names[] = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceL2",
                                        "ReduceLogSumExp"};
    graph *g = s->g;
    gvalue *x = last(s), *r, *y;
    int64_t list[SPATIAL + 2];
    int n = 1;
    list[0] = 1;
    if (rng_chance(&g->r, 40)) { /* over pixels, or rows of them */
        n = rng_chance(&g->r, 60) ? s->spatial : 1;
        for (int i = 0; i < n; i++)
            list[i] = s->spatial + 1 - i;
    } else if (rng_chance(&g->r, 50)) { /* any axes */
        n = 0;
        for (int i = 0; i < x->rank; i++)
            if (rng_chance(&g->r, 40))
                list[n++] = i;
        if (!n)
            list[n++] = rng_below(&g->r, x->rank);
    }
    gvalue *axes = graph_ints(g, n, list);
    if (!graph_lines(g, (line){.effect = BLURS}, OPERANDS(x), 1, &r, "%s(%s, %s)", CHOOSE(g, names),
                     x->name, axes->name))
        return false;
    r->kept |= rng_chance(&g->r, 40);
    return graph_lines(g, (line){.effect = ADDS, .terms = 2}, OPERANDS(x, r), 1, &y, "Sub(%s, %s)",
                       x->name, r->name) &&
           add(s, y);
}

/* Pixels attend to pixels, or channels to channels: products with both factors computed. */
static bool make_attention(chain *s) {
    graph *g = s->g;
    gvalue *x = last(s), *other = find_like(s, x, 1), *f, *k, *t, *p, *q, *y, *shape;
    gvalue *flat = graph_ints(g, 3, (int64_t[]){0, 0, -1});
    line moves = {.effect = MOVES};
    if (other->n[1] != x->n[1])
        other = x;
    if (!graph_lines(g, moves, OPERANDS(x), 1, &f, "Reshape(%s, %s)", x->name, flat->name) ||
        !graph_lines(g, moves, OPERANDS(other), 1, &k, "Reshape(%s, %s)", other->name,
                     flat->name) ||
        !graph_lines(g, moves, OPERANDS(f), 1, &t, "Transpose(%s) {perm = [0, 2, 1]}", f->name) ||
        !f->known)
        return false;
    bool pixels = rng_chance(&g->r, 60);
    line scores = {.effect = ADDS, .factors = 2, .terms = f->n[pixels ? 1 : 2]};
    line sums = {.effect = ADDS, .factors = 2, .terms = f->n[pixels ? 2 : 1]};
    if (!graph_lines(g, scores, OPERANDS(t, k), 1, &p, "MatMul(%s, %s)", (pixels ? t : k)->name,
                     (pixels ? k : t)->name) ||
        !graph_lines(g, (line){.effect = BLURS}, OPERANDS(p), 1, &q, "Softmax(%s) {axis = %d}",
                     p->name, rng_chance(&g->r, 70) ? -1 : 1) ||
        !graph_lines(g, sums, OPERANDS(f, q), 1, &y, "MatMul(%s, %s)", (pixels ? f : q)->name,
                     (pixels ? q : f)->name) ||
        !graph_lines(g, moves, OPERANDS(x), 1, &shape, "Shape(%s)", x->name))
        return false;
    y->kept |= rng_chance(&g->r, 20);
    return graph_lines(g, moves, OPERANDS(y), 1, &k, "Reshape(%s, %s)", y->name, shape->name) &&
           add(s, k);
}

/* To one number each of some classes: the end of a network. */
static bool make_head(chain *s) {
    graph *g = s->g;
    gvalue *x = one_of(s), *f, *y;
    line moves = {.effect = MOVES};
    if (!graph_lines(g, moves, OPERANDS(x), 1, &f, "Flatten(%s)", x->name) || !f->known ||
        f->rank != 2)
        return false;
    int64_t n[2] = {f->n[1], 1 + rng_below(&g->r, 10)};
    if (n[0] * n[1] > WEIGHTS)
        return false;
    gvalue *w = graph_constant(g, x->elem, 2, n);
    line l = {.effect = ADDS, .factors = 2, .terms = n[0]};
    return graph_lines(g, l, OPERANDS(f, w), 1, &y, "MatMul(%s, %s)", f->name, w->name);
}

/* ---- chains ---- */

static gvalue *make_image(graph *g, int spatial) {
    const char *dims[SPATIAL + 2];
    int64_t n[SPATIAL + 2], pixels = 1;
    for (int i = 0; i < spatial + 2; i++) {
        if (i == 0 ? rng_chance(&g->r, 40) : i != 1)
            graph_pool_dim(g, &dims[i], &n[i]);
        else
            dims[i] = graph_dim_text(
                g, n[i] = i ? 1 + rng_below(&g->r, rng_chance(&g->r, 30) ? 20 : 4) : 1);
        if (i != 1 && pixels * n[i] > PIXELS)
            dims[i] = graph_dim_text(g, n[i] = 1 + rng_below(&g->r, 3));
        pixels *= i == 1 ? 1 : n[i];
    }
    fv_elem e = FLOATS >> g->elem & 1 ? g->elem : FV_F32;
    return graph_param(g, e, spatial + 2, dims, n);
}

static const struct step {
    bool (*make)(chain *s);
    int weight;
} steps[] = {
    {make_filter, 30},    {make_transposed, 7}, {make_pool, 8},       {make_smooth, 8},
    {make_residual, 10},  {make_scale, 8},      {make_batch_norm, 3}, {make_concat, 8},
    {make_split, 6},      {make_pad, 4},        {make_turn, 6},       {make_shuffle, 3},
    {make_resize, 4},     {make_softmax, 7},    {make_norm, 7},       {make_norm_from, 6},
    {make_norm_along, 5}, {make_reduced, 8},    {make_attention, 6},  {make_head, 3},
};

static void make_step(chain *s) {
    int all = 0, i = 0;
    for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
        all += steps[k].weight;
    for (int at = rng_below(&s->g->r, all); at >= steps[i].weight; i++)
        at -= steps[i].weight;
    steps[i].make(s);
    if (rng_chance(&s->g->r, 20)) { /* from an earlier one on */
        int k = rng_below(&s->g->r, s->n);
        gvalue *v = s->image[k];
        s->image[k] = last(s);
        s->image[s->n - 1] = v;
    }
}

static bool make_chain(graph *g) {
    static const int spatial[] = {1, 2, 2, 2, 2, 3};
    chain s = {.g = g, .spatial = CHOOSE(g, spatial)};
    gvalue *found = graph_pick(g, FLOATS, s.spatial + 2, s.spatial + 2);
    s.image[s.n++] = rng_chance(&g->r, 25) ? found : make_image(g, s.spatial);
    int before = g->nlines;
    make_filter(&s);
    for (int i = 2 + rng_below(&g->r, 4); i; i--)
        make_step(&s);
    return g->nlines > before;
}

const graph_op graph_images[] = {{"images", make_chain, 1}, {NULL, NULL, 0}};
