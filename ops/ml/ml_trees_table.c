/* ml_trees_table.c - checks an ensemble of trees, and makes the tables of fv.Trees.
 *
 * In the tables each node tests x <= value. For NaN the test is false, or true if the node is
 * marked. The two children of a node are adjacent. Other modes are expressed by this test:
 *   x < v     x <= the number below v
 *   x >= v    x <= the number below v, with the children exchanged; so x > v by x <= v
 *   x == v    x <= v, and then x <= the number below v, exchanged
 *   x in S    a binary search among the sorted numbers of S, and then x == v for the one left */
#include "ops/ml/ml_trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/ml/ml_trees_walk.h"

enum { MOST_NODES = 1 << 28 }; /* a table has several places for a node, with numbers of 32 bits */

/* ---- checks ---- */

static bool check_node(const fv_op *op, const fv_forest *f, int i, int64_t *most) {
    const fv_tree_node *n = &f->nodes[i];
    if (n->mode == FV_TREE_LEAF) {
        for (int k = n->first; k < n->first + n->count; k++)
            if (f->weights[k].target < 0 || f->weights[k].target >= f->targets)
                return fv_op_error(op, "a leaf has target %d, there are %d", f->weights[k].target,
                                   f->targets);
        return true;
    }
    if (n->feature < 0 || n->feature >= INT32_MAX)
        return fv_op_error(op, "a node tests feature %lld", (long long)n->feature);
    *most = n->feature > *most ? n->feature : *most;
    return true;
}

/* Visits a tree, and checks that each node is reached once. */
static bool check_tree(const fv_op *op, const fv_forest *f, int root, bool *met, int *stack,
                       int64_t *most) {
    int n = 0;
    stack[n++] = root;
    while (n) {
        int i = stack[--n];
        const fv_tree_node *node = &f->nodes[i];
        if (met[i])
            return fv_op_error(
                op, "node %d of the trees is reached twice: they have a cycle, or share nodes", i);
        met[i] = true;
        if (!check_node(op, f, i, most))
            return false;
        /* the stack has at most one node more than there are nodes that were not reached */
        if (node->mode != FV_TREE_LEAF) {
            stack[n++] = node->no;
            stack[n++] = node->yes;
        }
    }
    return true;
}

bool fv_forest_check(const fv_op *op, const fv_forest *f, const fv_dim *features) {
    fv_module *m = fv_op_module(op);
    fv_arena *a = m->arena;
    int64_t most = 0;
    bool *met = FV_NEW(a, bool, f->nnodes + 1);
    int *stack = FV_NEW(a, int, 2 * (size_t)f->nnodes + 2);
    if (!f->nroots)
        return fv_op_error(op, "has no trees");
    if ((int64_t)f->nnodes + f->nmembers > MOST_NODES)
        return fv_op_error(op, "has %d nodes, at most %d can be compiled", f->nnodes, MOST_NODES);
    for (int i = 0; i < f->nroots; i++)
        if (!check_tree(op, f, f->roots[i], met, stack, &most))
            return false;
    const fv_dim *least = fv_dim_const(m->dims, most + 1);
    return fv_module_require(
               m, fv_dim_max(m->dims, features, least), features,
               fv_op_why(op, "features of trees"),
               fv_printf(m->arena, "%lld < %s", (long long)most, fv_dim_str(m->arena, features))) ||
           fv_op_error(op, "a node tests feature %lld, there are %s", (long long)most,
                       fv_dim_str(m->arena, features));
}

/* ---- nodes ---- */

/* A node in the tables. */
typedef struct place {
    int feature;
    double value;
    bool missing; /* whether NaN goes to the first child */
    int child;    /* index of the first child; the second one follows it */
    int leaf;     /* the leaf of the forest that it represents; -1: it is no leaf */
} place;

typedef struct tables {
    fv_arena *a;
    const fv_forest *f;
    fv_elem e;
    /* whether each leaf has one weight, and all leaves of a tree have the same target */
    bool single;
    bool missing; /* whether any place has the mark for NaN */
    place *places;
    int nplaces, cap_places;
    int *place_of; /* for each node of the forest, its place */
    int *depth;    /* for each node of the forest, the number of steps to its place */
} tables;

/* The largest number of the type that is at most v, or, with `below`, less than v. NaN: there is
 * none. */
static double at_most(fv_elem e, double v, bool below) {
    if (e == FV_F64)
        return !below ? v : v == -INFINITY ? NAN : nextafter(v, -INFINITY);
    float x = (float)v;
    if ((double)x > v)
        x = nextafterf(x, -INFINITY);
    if (!below || (double)x < v)
        return (double)x;
    return v == -INFINITY ? (double)NAN : (double)nextafterf(x, -INFINITY);
}

/* Appends n adjacent places, and returns the index of the first. */
static int take(tables *t, int n) {
    for (int i = 0; i < n; i++)
        FV_PUSH(t->a, t->places, t->nplaces, t->cap_places, ((place){.leaf = -1}));
    return t->nplaces - n;
}

static void put(tables *t, int at, int feature, double value, bool missing, int child) {
    t->places[at] = (place){feature, value, missing, child, -1};
    t->missing |= missing;
}

/* Sets a place that leads to place `to`, whatever x is; its test is always false. If `to` is the
 * place itself, it is a leaf. */
static void put_goto(tables *t, int at, int to) {
    put(t, at, 0, NAN, false, to - 1);
}

/* Tests x == v. `ways`: the place for x != v, followed by the place for x == v. */
static void put_equal(tables *t, int at, int feature, double v, bool missing, int ways) {
    int next = take(t, 2);
    put(t, at, feature, at_most(t->e, v, false), missing, next);
    put(t, next, feature, at_most(t->e, v, true), false, ways);
    put_goto(t, next + 1, ways);
}

static int by_value(const void *p, const void *q) {
    double x = *(const double *)p, y = *(const double *)q;
    return x < y ? -1 : x > y;
}

/* A binary search among n > 0 sorted numbers. Returns the maximum number of steps. */
static int put_search(tables *t, int at, int feature, const double *v, int n, bool missing,
                      int ways) {
    if (n == 1) {
        put_equal(t, at, feature, v[0], missing, ways);
        return 2;
    }
    int next = take(t, 2);
    put(t, at, feature, at_most(t->e, v[n / 2 - 1], false), missing, next);
    int left = put_search(t, next, feature, v, n / 2, missing, ways);
    int right = put_search(t, next + 1, feature, v + n / 2, n - n / 2, missing, ways);
    return 1 + (left > right ? left : right);
}

/* Takes adjacent places for two nodes. */
static int children(tables *t, int first, int second) {
    int at = take(t, 2);
    t->place_of[first] = at;
    t->place_of[second] = at + 1;
    return at;
}

static int put_member(tables *t, const fv_tree_node *node, int at) {
    double *v = FV_NEW(t->a, double, node->count + 1);
    int n = 0;
    for (int i = 0; i < node->count; i++)
        v[n++] = t->f->members[node->first + i];
    qsort(v, (size_t)n, sizeof *v, by_value);
    if (n)
        return put_search(t, at, (int)node->feature, v, n, node->missing_is_true,
                          children(t, node->no, node->yes));
    put(t, at, (int)node->feature, NAN, node->missing_is_true, children(t, node->yes, node->no));
    return 1;
}

/* Sets the test and the children of a node. Returns the maximum number of steps through its
 * places. */
static int put_node(tables *t, int i) {
    const fv_tree_node *n = &t->f->nodes[i];
    int feature = (int)n->feature, at = t->place_of[i], yes = n->yes, no = n->no;
    bool m = n->missing_is_true, never = isnan(n->value);
    switch (n->mode) {
    case FV_TREE_LEAF:
        put_goto(t, at, at);
        t->places[at].leaf = i;
        return 0;
    case FV_TREE_LEQ:
        put(t, at, feature, at_most(t->e, n->value, false), m, children(t, yes, no));
        return 1;
    case FV_TREE_LT:
        put(t, at, feature, at_most(t->e, n->value, true), m, children(t, yes, no));
        return 1;
    case FV_TREE_GTE:
    case FV_TREE_GT:
        if (never)
            put(t, at, feature, NAN, m, children(t, yes, no));
        else
            put(t, at, feature, at_most(t->e, n->value, n->mode == FV_TREE_GTE), !m,
                children(t, no, yes));
        return 1;
    case FV_TREE_EQ:
        if (never)
            put(t, at, feature, NAN, m, children(t, yes, no));
        else
            put_equal(t, at, feature, n->value, m, children(t, no, yes));
        return 2;
    case FV_TREE_NEQ: /* NaN differs from every number, whatever the mark says */
        if (never)
            put(t, at, feature, NAN, false, children(t, no, yes));
        else
            put_equal(t, at, feature, n->value, false, children(t, yes, no));
        return 2;
    case FV_TREE_MEMBER: return put_member(t, n, at);
    }
    return 0;
}

/* Places nodes in the order of their depth, so that those that most rows reach are adjacent.
 * Returns the number of steps to the deepest leaf. */
static int put_tree(tables *t, int root, int *queue) {
    int head = 0, tail = 0, deepest = 0;
    queue[tail++] = root;
    t->depth[root] = 0;
    t->place_of[root] = take(t, 1);
    while (head < tail) {
        int i = queue[head++];
        const fv_tree_node *n = &t->f->nodes[i];
        int down = t->depth[i] + put_node(t, i);
        if (n->mode == FV_TREE_LEAF) {
            deepest = down > deepest ? down : deepest;
            continue;
        }
        t->depth[n->yes] = t->depth[n->no] = down;
        queue[tail++] = n->yes;
        queue[tail++] = n->no;
    }
    return deepest;
}

/* ---- trees by target ---- */

/* The target of all leaves of the tree if each has one weight and all have the same target; else
 * -1. */
static int target_of(const fv_forest *f, int root, int *stack) {
    int n = 0, target = -1;
    stack[n++] = root;
    while (n) {
        const fv_tree_node *node = &f->nodes[stack[--n]];
        if (node->mode != FV_TREE_LEAF) {
            stack[n++] = node->no;
            stack[n++] = node->yes;
        } else if (node->count != 1 || (target >= 0 && f->weights[node->first].target != target)) {
            return -1;
        } else {
            target = f->weights[node->first].target;
        }
    }
    return target;
}

static fv_value *ints(fv_module *m, const char *stem, int64_t n, const int64_t *v) {
    return fv_ml_const_ints(m, stem, FV_I32, (int)n, v);
}

/* Sorts the roots by target if trees have a single target each; the result has the index of the
 * first tree of each target. */
static fv_value *order_trees(tables *t, fv_module *m, int *roots, int *stack) {
    const fv_forest *f = t->f;
    int *target = FV_NEW(t->a, int, f->nroots), n = 0;
    t->single = true;
    for (int i = 0; i < f->nroots; i++)
        t->single &= (target[i] = target_of(f, f->roots[i], stack)) >= 0;
    if (!t->single) {
        for (int i = 0; i < f->nroots; i++)
            roots[i] = f->roots[i];
        return ints(m, "starts", 2, (int64_t[]){0, f->nroots});
    }
    int64_t *starts = FV_NEW(t->a, int64_t, (size_t)f->targets + 1);
    int *count = FV_NEW(t->a, int, (size_t)f->targets + 1);
    for (int i = 0; i < f->nroots; i++)
        count[target[i]]++;
    for (int k = 0; k < f->targets; k++) {
        starts[k] = n;
        n += count[k];
        count[k] = (int)starts[k];
    }
    starts[f->targets] = n;
    for (int i = 0; i < f->nroots; i++)
        roots[count[target[i]]++] = f->roots[i];
    return ints(m, "starts", (int64_t)f->targets + 1, starts);
}

/* ---- operands of fv.Trees ---- */

/* Writes the words of a place. */
static void put_words(const tables *t, const place *p, fv_tensor *nodes, size_t at) {
    uint64_t bits = 0;
    float narrow = (float)p->value;
    if (t->e == FV_F64)
        memcpy(&bits, &p->value, sizeof p->value);
    else
        memcpy(&bits, &narrow, sizeof narrow);
    fv_tensor_set_int(nodes, at + FV_TREES_FEATURE, p->feature);
    fv_tensor_set_int(nodes, at + FV_TREES_CHILD, p->child);
    fv_tensor_set_int(nodes, at + FV_TREES_VALUE, (int32_t)(uint32_t)bits);
    at += FV_TREES_VALUE + 1;
    if (t->e == FV_F64)
        fv_tensor_set_int(nodes, at++, (int32_t)(uint32_t)(bits >> 32));
    if (t->missing)
        fv_tensor_set_int(nodes, at, p->missing);
}

static void put_places(const tables *t, fv_module *m, fv_value **in) {
    const fv_forest *f = t->f;
    int64_t n = t->nplaces, words = FV_TREES_VALUE + (t->e == FV_F64 ? 2 : 1) + t->missing;
    fv_tensor *nodes = fv_tensor_new(m->arena, FV_I32, 2, (int64_t[]){n, words}),
              *values = fv_tensor_new(m->arena, t->e, 1, &n);
    for (int64_t i = 0; i < n; i++) {
        const place *p = &t->places[i];
        const fv_tree_node *leaf = p->leaf >= 0 ? &f->nodes[p->leaf] : NULL;
        put_words(t, p, nodes, (size_t)(i * words));
        fv_tensor_set_float(values, (size_t)i,
                            t->single && leaf && leaf->count ? f->weights[leaf->first].weight : 0);
    }
    in[FV_TREES_NODES] = fv_const_new(m, "nodes", nodes);
    in[FV_TREES_VALUES] = fv_const_new(m, "values", values);
}

/* Makes the tables of weights: for each place its weights, those of a leaf in their order. */
static void put_weights(const tables *t, fv_module *m, fv_value **in) {
    const fv_forest *f = t->f;
    int64_t n = t->nplaces, *first = FV_NEW(t->a, int64_t, n + 1), *target, all = 0, at = 0;
    for (int64_t i = 0; i < n; i++)
        all += t->places[i].leaf >= 0 ? f->nodes[t->places[i].leaf].count : 0;
    target = FV_NEW(t->a, int64_t, all + 1);
    fv_tensor *weights = fv_tensor_new(m->arena, t->e, 1, (int64_t[]){all});
    for (int64_t i = 0; i < n; i++) {
        first[i] = at;
        const fv_tree_node *leaf = t->places[i].leaf >= 0 ? &f->nodes[t->places[i].leaf] : NULL;
        for (int k = 0; leaf && k < leaf->count; k++, at++) {
            target[at] = f->weights[leaf->first + k].target;
            fv_tensor_set_float(weights, (size_t)at, f->weights[leaf->first + k].weight);
        }
    }
    first[n] = at;
    in[FV_TREES_FIRST] = ints(m, "first", n + 1, first);
    in[FV_TREES_TARGETS] = ints(m, "targets", all, target);
    in[FV_TREES_WEIGHTS] = fv_const_new(m, "weights", weights);
}

fv_value *fv_w_trees(fv_rewriter *w, fv_value *x, const fv_forest *f,
                     fv_trees_aggregate aggregate) {
    static const char *const names[] = {"SUM", "SUM", "MIN", "MAX"};
    fv_module *m = w->module;
    fv_value *in[FV_TREES_OPERANDS] = {x};
    if (!x)
        return NULL;
    size_t nodes = (size_t)f->nnodes, trees = (size_t)f->nroots;
    tables t = {.a = m->arena,
                .f = f,
                .e = x->type->elem,
                .place_of = FV_NEW(m->arena, int, nodes),
                .depth = FV_NEW(m->arena, int, nodes)};
    int *roots = FV_NEW(t.a, int, trees), *stack = FV_NEW(t.a, int, nodes + 2);
    int64_t *at = FV_NEW(t.a, int64_t, trees), *depths = FV_NEW(t.a, int64_t, trees),
            *together = FV_NEW(t.a, int64_t, trees);
    in[FV_TREES_STARTS] = order_trees(&t, m, roots, stack);
    for (size_t i = 0; i < trees; i++) {
        depths[i] = put_tree(&t, roots[i], stack);
        at[i] = t.place_of[roots[i]];
    }
    for (size_t i = 0; i < trees; i++)
        for (size_t k = i; k < trees && k < i + FV_TREES_LANES; k++)
            together[i] = depths[k] > together[i] ? depths[k] : together[i];
    in[FV_TREES_ROOTS] = ints(m, "roots", (int64_t)trees, at);
    in[FV_TREES_DEPTHS] = ints(m, "depths", (int64_t)trees, depths);
    in[FV_TREES_TOGETHER] = ints(m, "together", (int64_t)trees, together);
    put_places(&t, m, in);
    if (!t.single)
        put_weights(&t, m, in);
    fv_attr attrs[2] = {fv_attr_int(m, "targets", f->targets),
                        fv_attr_string(m, "aggregate", names[aggregate])};
    fv_value *y = fv_w_op(w, FV_OP_fv_Trees, FV_TREES_OPERANDS, in, 2, attrs);
    /* for sums, a target without a weight in any tree has the score 0 */
    if (aggregate < FV_TREES_MIN)
        return y;
    fv_value *none =
        fv_w_float(w, t.e, aggregate == FV_TREES_MIN ? (double)INFINITY : -(double)INFINITY);
    return FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Equal, y, none), fv_w_float(w, t.e, 0), y);
}
