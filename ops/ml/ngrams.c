/* ngrams.c - the tables of the kernel of fv.Ngrams (tfidf.fvk): the n-grams of a pool as a tree, in
 * which the node below another one for an id is found without a search. */
#include "ops/ml/ngrams.h"

#include <stdlib.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ops/common/attribute.h"
#include "ops/common/places.h"

extern const char *const fv_ngram_kernels; /* tfidf.fvk */

int64_t fv_ngrams_end(const fv_ngrams *p, int64_t length) {
    return length < p->lengths ? p->counts[length] : p->n;
}

fv_ngrams fv_ngrams_of(const fv_op *op) {
    fv_ngrams p = {.least = fv_op_int(op, "least"),
                   .most = fv_op_int(op, "most"),
                   .skips = fv_op_int(op, "skips")};
    p.items = fv_op_ints(op, "pool", &p.n);
    p.counts = fv_op_ints(op, "counts", &p.lengths);
    p.column = fv_op_ints(op, "columns", &p.columns);
    return p;
}

typedef struct gram {
    const int64_t *ids;
    int64_t length;
    int number; /* among all n-grams of the pool */
} gram;

static int by_ids(const void *p, const void *q) {
    const gram *x = p, *y = q;
    for (int64_t i = 0; i < x->length && i < y->length; i++)
        if (x->ids[i] != y->ids[i])
            return x->ids[i] < y->ids[i] ? -1 : 1;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The n-grams that are counted, sorted; returns their number. */
static int sorted_grams(fv_arena *a, const fv_ngrams *p, gram **out) {
    gram *g = *out = FV_NEW(a, gram, p->columns + 1);
    int n = 0, number = 0;
    for (int64_t length = 1; length <= p->lengths; length++)
        for (int64_t i = p->counts[length - 1]; i < fv_ngrams_end(p, length); i += length) {
            if (p->least <= length && length <= p->most)
                g[n++] = (gram){p->items + i, length, number};
            number++;
        }
    qsort(g, (size_t)n, sizeof *g, by_ids);
    return n;
}

/* The tree: nodes 0 to ids - 1 are those of the ids. An edge leads to each further node: edge i to
 * node ids + i, and its number is that of the node above times ids, plus the id. */
typedef struct tree {
    fv_arena *a;
    int64_t ids, nodes, edges, deepest;
    int64_t *path, *edge, *gram, *inner, *after; /* path: the nodes of the last n-gram */
} tree;

static tree tree_of(fv_arena *a, const fv_ngrams *p, int64_t ids, int n, const gram *g) {
    tree t = {.a = a, .ids = ids, .nodes = ids};
    int64_t most = ids;
    for (int i = 0; i < n; i++) {
        most += g[i].length;
        t.deepest = g[i].length > t.deepest ? g[i].length : t.deepest;
    }
    t.path = FV_NEW(a, int64_t, t.deepest + 1);
    t.edge = FV_NEW(a, int64_t, most + 1);
    t.gram = FV_NEW(a, int64_t, most + 1);
    t.inner = FV_NEW(a, int64_t, most + 1);
    t.after = FV_NEW(a, int64_t, p->columns + 1);
    for (int64_t i = 0; i < most; i++)
        t.gram[i] = -1;
    for (int i = 0; i < p->columns; i++)
        t.after[i] = -1;
    return t;
}

/* The number of items with which both n-grams begin. */
static int64_t common(const gram *x, const gram *y) {
    int64_t i = 0;
    while (i < x->length && i < y->length && x->ids[i] == y->ids[i])
        i++;
    return i;
}

/* Adds an n-gram, the first `known` nodes of which are those of the last one. */
static void add_gram(tree *t, const gram *g, int64_t known) {
    for (int64_t i = known; i < g->length; i++) {
        if (i == 0) {
            t->path[0] = g->ids[0];
            continue;
        }
        t->inner[t->path[i - 1]] = 1;
        t->edge[t->edges++] = t->path[i - 1] * t->ids + g->ids[i];
        t->path[i] = t->nodes++;
    }
    int64_t end = t->path[g->length - 1];
    t->after[g->number] = t->gram[end];
    t->gram[end] = g->number;
}

static tree make_tree(fv_arena *a, const fv_ngrams *p, int64_t ids) {
    gram *g;
    int n = sorted_grams(a, p, &g);
    tree t = tree_of(a, p, ids, n, g);
    for (int i = 0; i < n; i++)
        add_gram(&t, &g[i], i ? common(&g[i], &g[i - 1]) : 0);
    return t;
}

static fv_value *table(fv_custom *c, const char *stem, fv_elem e, int64_t n, const int64_t *v) {
    fv_tensor *t = fv_tensor_new(c->module->arena, e, 1, &n);
    for (int64_t i = 0; i < n; i++)
        fv_tensor_set_int(t, (size_t)i, v[i]);
    return fv_custom_const(c, stem, t);
}

/* The edges in their places. A place without an edge has the number of the first one, which has
 * another place. */
typedef struct edges {
    fv_value *shifts, *froms, *below, *sizes;
} edges;

static edges place_edges(fv_custom *c, const tree *t, int64_t skips) {
    fv_places p = fv_choose_places(c->module->arena, (size_t)t->edges, t->edge);
    int64_t n = p.nplaces, *from = FV_NEW(t->a, int64_t, n), *below = FV_NEW(t->a, int64_t, n),
            lists = p.shifts->dims[0];
    for (int64_t i = 0; i < n; i++)
        from[i] = t->edges ? t->edge[0] : 0;
    for (int64_t i = 0; i < t->edges; i++) {
        from[p.at[i]] = t->edge[i];
        below[p.at[i]] = t->ids + i;
    }
    int64_t sizes[] = {t->ids, p.factor, fv_list_bits(lists), fv_place_bits(lists, n),
                       t->deepest > 1 ? skips : 1};
    return (edges){fv_custom_const(c, "shifts", p.shifts), table(c, "froms", FV_I64, n, from),
                   table(c, "below", FV_I32, n, below), table(c, "sizes", FV_I64, 5, sizes)};
}

bool fv_kernel_ngrams(fv_custom *c, fv_op *op) {
    fv_arena *scratch = fv_arena_new(fv_arena_session(c->arena));
    fv_ngrams p = fv_ngrams_of(op);
    tree t = make_tree(scratch, &p, fv_op_int(op, "ids"));
    edges e = place_edges(c, &t, p.skips);
    fv_value *args[] = {op->in[0],
                        table(c, "gram", FV_I32, t.nodes, t.gram),
                        table(c, "inner", FV_BOOL, t.nodes, t.inner),
                        table(c, "column", FV_I32, p.columns, p.column),
                        table(c, "after", FV_I32, p.columns, t.after),
                        e.shifts,
                        e.froms,
                        e.below,
                        e.sizes,
                        op->out[0]};
    fv_arena_free(scratch);
    fv_custom_text(c, fv_ngram_kernels, "ngrams", (int)(sizeof args / sizeof *args), args);
    return true;
}
