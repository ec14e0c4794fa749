/* graph_attention.c - makers of attention as exporters write it, and of graphs that only resemble
 * it: heads as an axis or merged with features, keys and values in either order, heads that share
 * keys; scales, masks, caps; softmax as one operator or as five; intermediate values that are also
 * results. */
#include <string.h>

#include "tests/matrix/graph.h"

static const fv_elem_set FLOATS = FV_SET(F32) | FV_SET(F64) | FV_SET(F16);

/* A dim, as a shape has it. */
typedef struct size {
    const char *text;
    int64_t n;
} size;

typedef struct maker {
    graph *g;
    fv_elem elem;
    size batch, heads, queries, keys, channels, features;
    int groups; /* heads are so many times those of keys and values */
} maker;

static size pool_size(graph *g) {
    size s;
    graph_pool_dim(g, &s.text, &s.n);
    return s;
}

static size fixed_size(graph *g, int64_t n) {
    return (size){graph_dim_text(g, n), n};
}

/* Sometimes a result of the graph, although others use it. */
static gvalue *kept(graph *g, gvalue *v, int percent) {
    if (v)
        v->kept |= rng_chance(&g->r, percent);
    return v;
}

static gvalue *one(graph *g, effect how, int n, gvalue *const *operands, const char *text) {
    gvalue *y;
    return graph_lines(g, (line){.effect = how}, n, operands, 1, &y, "%s", text) ? y : NULL;
}

#define ONE(g, how, operands, ...)                                                                 \
    one((g), (how), OPERANDS operands, fv_printf((g)->arena, __VA_ARGS__))

static gvalue *product(graph *g, gvalue *a, gvalue *b, int64_t terms) {
    line l = {.effect = ADDS, .factors = 2, .terms = terms};
    gvalue *y;
    return graph_lines(g, l, OPERANDS(a, b), 1, &y, "MatMul(%s, %s)", a->name, b->name) ? y : NULL;
}

/* [batch, heads, rows, columns], or with the last two swapped: a parameter that is so, or a
 * transpose of one. */
static gvalue *operand(maker *m, size heads, size rows, size columns, bool swapped) {
    size s[4] = {m->batch, heads, rows, columns};
    static const int orders[][4] = {
        {0, 1, 2, 3}, {0, 2, 1, 3}, {0, 1, 3, 2}, {0, 2, 3, 1}, {2, 0, 1, 3}};
    const int *o = CHOOSE(m->g, orders), want[4] = {0, 1, swapped ? 3 : 2, swapped ? 2 : 3};
    const char *dims[4];
    int64_t n[4];
    int perm[4];
    for (int i = 0; i < 4; i++) {
        dims[i] = s[o[i]].text;
        n[i] = s[o[i]].n;
    }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 4; k++)
            if (o[k] == want[i])
                perm[i] = k;
    gvalue *x = graph_param(m->g, m->elem, 4, dims, n);
    bool same = perm[0] == 0 && perm[1] == 1 && perm[2] == 2;
    return same ? x
                : ONE(m->g, MOVES, (x), "Transpose(%s) {perm = [%d, %d, %d, %d]}", x->name, perm[0],
                      perm[1], perm[2], perm[3]);
}

/* Each head of x several times. */
static gvalue *repeated(maker *m, gvalue *x) {
    graph *g = m->g;
    if (m->groups == 1 || !x)
        return x;
    const char *h = fv_printf(g->arena, "%lld", (long long)(m->heads.n / m->groups));
    gvalue *y = ONE(g, MOVES, (x), "fv.Reshape(%s) {dims = [%s, %s, 1, %s, %s]}", x->name,
                    x->dim[0], h, x->dim[2], x->dim[3]);
    y = y ? ONE(g, MOVES, (y), "fv.Expand(%s) {dims = [%s, %s, %d, %s, %s]}", y->name, x->dim[0], h,
                m->groups, x->dim[2], x->dim[3])
          : NULL;
    return y ? ONE(g, MOVES, (y), "fv.Reshape(%s) {dims = [%s, %s, %s, %s]}", y->name, x->dim[0],
                   m->heads.text, x->dim[2], x->dim[3])
             : NULL;
}

static gvalue *scalar(graph *g, fv_elem e, const char *value) {
    gvalue *none = graph_ints(g, 0, NULL);
    return ONE(g, MOVES, (none), "ConstantOfShape(%s) {value = tensor %s[1] [%s]}", none->name,
               fv_elem_name(e), value);
}

/* Scales, masks and caps. */
static gvalue *scored(graph *g, gvalue *s) {
    static const char *const low[] = {"-inf", "-10000", "-100", "0"};
    for (int i = rng_below(&g->r, 4); i && s; i--) {
        gvalue *with;
        switch (rng_below(&g->r, 5)) {
        case 0:
            with = scalar(g, s->elem, "0.375");
            s = with ? ONE(g, SMOOTHLY, (s, with), "Mul(%s, %s)", s->name, with->name) : NULL;
            break;
        case 1: s = ONE(g, SMOOTHLY, (s), "Tanh(%s)", s->name); break;
        case 2: {
            gvalue *fill = scalar(g, s->elem, CHOOSE(g, low));
            with = graph_broadcast(g, s, FV_BOOL);
            s = fill ? ONE(g, SMOOTHLY, (with, s, fill), "Where(%s, %s, %s)", with->name, s->name,
                           fill->name)
                     : NULL;
            break;
        }
        default:
            with = graph_broadcast(g, s, s->elem);
            s = ONE(g, SMOOTHLY, (s, with), "Add(%s, %s)", s->name, with->name);
            break;
        }
        s = kept(g, s, 4);
    }
    return s;
}

/* Softmax, or something of its kind. */
static gvalue *weighted(graph *g, gvalue *s) {
    int axis = rng_chance(&g->r, 8) ? -2 : -1;
    gvalue *along = graph_ints(g, 1, (int64_t[]){axis});
    if (rng_chance(&g->r, 75))
        return ONE(g, BLURS, (s), "%sSoftmax(%s) {axis = %d}", rng_chance(&g->r, 8) ? "Log" : "",
                   s->name, axis);
    gvalue *m = ONE(g, SMOOTHLY, (s), "ReduceMax(%s, %s)", s->name, along->name);
    gvalue *d = m ? ONE(g, BLURS, (s, m), "Sub(%s, %s)", s->name, m->name) : NULL;
    gvalue *e = d ? ONE(g, BLURS, (d), "Exp(%s)", d->name) : NULL;
    gvalue *t = e ? ONE(g, BLURS, (e), "ReduceSum(%s, %s)", e->name, along->name) : NULL;
    gvalue *y = t ? ONE(g, BLURS, (e, t), "Div(%s, %s)", e->name, t->name) : NULL;
    return y && rng_chance(&g->r, 20) ? ONE(g, BLURS, (y, s), "Add(%s, %s)", y->name, s->name) : y;
}

static bool make_attention(graph *g) {
    maker m = {.g = g,
               .elem = rng_chance(&g->r, 70) ? g->elem : FV_F32,
               .batch = pool_size(g),
               .queries = pool_size(g),
               .keys = pool_size(g),
               .groups = rng_chance(&g->r, 25) ? 2 + rng_below(&g->r, 2) : 1};
    if (!(FLOATS >> m.elem & 1))
        m.elem = FV_F32;
    size shared = fixed_size(g, 1 + rng_below(&g->r, 3));
    m.heads = fixed_size(g, shared.n * m.groups);
    m.channels = fixed_size(g, 1 + rng_below(&g->r, 20));
    m.features = rng_chance(&g->r, 40) ? m.channels : fixed_size(g, 1 + rng_below(&g->r, 40));
    bool turned = rng_chance(&g->r, 20); /* y transposed: v * weights */
    gvalue *q = operand(&m, m.heads, m.queries, m.channels, false);
    gvalue *k = repeated(&m, operand(&m, shared, m.keys, m.channels, true));
    gvalue *v = repeated(&m, operand(&m, shared, m.keys, m.features, turned));
    gvalue *s = q && k && v ? kept(g, product(g, q, k, m.channels.n), 4) : NULL;
    s = s ? scored(g, s) : NULL;
    gvalue *p = s ? kept(g, weighted(g, s), 10) : NULL;
    if (p && rng_chance(&g->r, 20)) {
        gvalue *with = graph_broadcast(g, p, p->elem);
        p = ONE(g, SMOOTHLY, (p, with), "Mul(%s, %s)", p->name, with->name);
    }
    if (p && turned)
        p = ONE(g, MOVES, (p), "Transpose(%s) {perm = [0, 1, 3, 2]}", p->name);
    gvalue *y = p ? product(g, turned ? v : p, turned ? p : v, m.keys.n) : NULL;
    if (y && rng_chance(&g->r, 40))
        y = ONE(g, MOVES, (y), "Transpose(%s) {perm = [0, 2, 1, 3]}", y->name);
    if (y && rng_chance(&g->r, 25))
        y = ONE(g, SMOOTHLY, (y), "Tanh(%s)", y->name);
    return y != NULL;
}

static const char *name_of(const gvalue *v) {
    return v ? v->name : "_";
}

/* ONNX Runtime's operator, across or of itself, with masks in its forms, or a past. What a mask
 * adds is no number that leaves scores few bits. */
static bool make_multi_head(graph *g) {
    static const char *const fills[] = {"-8.0", "-3e38", "-inf"};
    static const fv_elem elems[] = {FV_F32, FV_F32, FV_F16};
    size batch = pool_size(g), queries = pool_size(g),
         keys = rng_chance(&g->r, 50) ? queries : pool_size(g), past = pool_size(g);
    fv_elem e = CHOOSE(g, elems);
    int64_t heads = 1 + rng_below(&g->r, 3), head = 1 + rng_below(&g->r, 16),
            v_head = rng_chance(&g->r, 50) ? head : 1 + rng_below(&g->r, 20);
    size n = fixed_size(g, heads), h = fixed_size(g, head), hv = fixed_size(g, v_head),
         hidden = fixed_size(g, heads * head), v_hidden = fixed_size(g, heads * v_head);
    bool cached = rng_chance(&g->r, 25);
    gvalue *x[8] = {graph_param(g, e, 3, (const char *[]){batch.text, queries.text, hidden.text},
                                (int64_t[]){batch.n, queries.n, hidden.n}),
                    graph_param(g, e, 3, (const char *[]){batch.text, keys.text, hidden.text},
                                (int64_t[]){batch.n, keys.n, hidden.n}),
                    graph_param(g, e, 3, (const char *[]){batch.text, keys.text, v_hidden.text},
                                (int64_t[]){batch.n, keys.n, v_hidden.n})};
    if (rng_chance(&g->r, 40))
        x[3] = graph_weight(g, e, 1, (int64_t[]){heads * (2 * head + v_head)});
    const char *dims[4] = {batch.text, queries.text, keys.text, keys.text};
    int64_t sizes[4] = {batch.n, queries.n, keys.n, keys.n};
    int rank = cached ? 0 : rng_below(&g->r, 4);
    if (rank == 2) {
        dims[1] = keys.text;
        sizes[1] = keys.n;
    }
    if (rank)
        x[4] = graph_index(g, FV_I32, rank, dims, sizes, DATA_COUNT, rank == 1 ? keys.n + 1 : 2);
    if (cached) {
        x[6] = graph_param(g, e, 4, (const char *[]){batch.text, n.text, past.text, h.text},
                           (int64_t[]){batch.n, heads, past.n, head});
        x[7] = graph_param(g, e, 4, (const char *[]){batch.text, n.text, past.text, hv.text},
                           (int64_t[]){batch.n, heads, past.n, v_head});
    }
    gvalue *operands[8], *y[3] = {NULL};
    int count = 0;
    for (int i = 0; i < 8; i++)
        if (x[i])
            operands[count++] = x[i];
    return graph_lines(g, (line){.effect = BLURS}, count, operands, cached ? 3 : 1, y,
                       "com.microsoft.MultiHeadAttention(%s, %s, %s, %s, %s, _, %s, %s) {num_heads "
                       "= %lld, unidirectional = %d, "
                       "mask_filter_value = %s}",
                       name_of(x[0]), name_of(x[1]), name_of(x[2]), name_of(x[3]), name_of(x[4]),
                       name_of(x[6]), name_of(x[7]), (long long)heads, rng_chance(&g->r, 40),
                       CHOOSE(g, fills));
}

const graph_op graph_attention[] = {
    {"attention", make_attention, 3}, {"multi_head", make_multi_head, 1}, {NULL, NULL, 0}};
