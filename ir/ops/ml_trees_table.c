/* ml_trees_table.c - checks an ensemble of trees, and makes the tables of fv.Trees.
 *
 * There every node asks x <= value, of which NaN says no, or yes where the node has a mark:
 *   x < v     x <= the number below v
 *   x >= v    x <= the number below v, with the children exchanged; so x > v by x <= v
 *   x == v    x <= v, and then x <= the number below v, exchanged
 *   x in S    a search among the numbers of S, sorted, down to one: x == v */
#include "ir/ops/ml_trees.h"

#include <math.h>
#include <stdlib.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/ops/ml_trees_walk.h"

enum { MOST_NODES = 1 << 28 }; /* tables have a few places for each, in 32 bits */

/* ---- checks ---- */

static bool check_node(const fv_op *op, const fv_forest *f, int i, int64_t *most) {
    const fv_tree_node *n = &f->nodes[i];
    if (n->mode == FV_TREE_LEAF) {
        for (int k = n->first; k < n->first + n->count; k++)
            if (f->weights[k].target < 0 || f->weights[k].target >= f->targets)
                return fv_op_error(op, "a leaf has target %d, there are %d", f->weights[k].target, f->targets);
        return true;
    }
    if (n->feature < 0 || n->feature >= INT32_MAX)
        return fv_op_error(op, "a node asks for feature %lld", (long long)n->feature);
    *most = n->feature > *most ? n->feature : *most;
    return true;
}

/* Walks a tree: each node is met once. */
static bool check_tree(const fv_op *op, const fv_forest *f, int root, bool *met, int *stack, int64_t *most) {
    int n = 0;
    stack[n++] = root;
    while (n) {
        int i = stack[--n];
        const fv_tree_node *node = &f->nodes[i];
        if (met[i])
            return fv_op_error(op, "node %d of the trees is reached twice: they have a cycle, or share nodes", i);
        met[i] = true;
        if (!check_node(op, f, i, most))
            return false;
        if (node->mode != FV_TREE_LEAF) { /* at most one more than there are nodes not met */
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
    return fv_module_require(m, fv_dim_max(m->dims, features, least), features, fv_op_why(op, "features of trees"),
                             fv_printf(m->arena, "%lld < %s", (long long)most, fv_dim_str(m->arena, features))) ||
           fv_op_error(op, "a node asks for feature %lld, there are %s", (long long)most, fv_dim_str(m->arena, features));
}

/* ---- nodes ---- */

/* A node of the tables. */
typedef struct place {
    int feature;
    double value;
    bool missing;   /* NaN goes to the first child */
    int64_t child[2]; /* a place; or -1 - a node of the forest, until all have places */
} place;

typedef struct tables {
    fv_arena *a;
    const fv_forest *f;
    fv_elem e;
    bool single;  /* a leaf has one weight, and all of a tree are for one target */
    bool missing; /* any place has the mark */
    place *places;
    int nplaces, cap_places;
    int *place_of; /* the first place of each node of the forest */
    int *depth;    /* steps to it */
    int *leaf;     /* of each place: the node of the forest, -1: none */
    int cap_leaf, nleaf;
} tables;

/* The largest number of the type that is not above v, or below it. NaN: there is none. */
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

static int put(tables *t, int feature, double value, bool missing, int64_t first, int64_t second) {
    place p = {feature, value, missing, {first, second}};
    FV_PUSH(t->a, t->places, t->nplaces, t->cap_places, p);
    FV_PUSH(t->a, t->leaf, t->nleaf, t->cap_leaf, -1);
    t->missing |= missing;
    return t->nplaces - 1;
}

static void put_equal(tables *t, int feature, double v, bool missing, int64_t yes, int64_t no) {
    int next = t->nplaces + 1;
    put(t, feature, at_most(t->e, v, false), missing, next, no);
    put(t, feature, at_most(t->e, v, true), false, no, yes);
}

static int by_value(const void *p, const void *q) {
    double x = *(const double *)p, y = *(const double *)q;
    return x < y ? -1 : x > y;
}

/* A search among n > 0 sorted numbers; steps it takes at most. */
static int put_search(tables *t, int feature, const double *v, int n, bool missing, int64_t yes, int64_t no) {
    if (n == 1) {
        put_equal(t, feature, v[0], missing, yes, no);
        return 2;
    }
    int at = put(t, feature, at_most(t->e, v[n / 2 - 1], false), missing, 0, 0);
    t->places[at].child[0] = t->nplaces;
    int left = put_search(t, feature, v, n / 2, missing, yes, no);
    t->places[at].child[1] = t->nplaces;
    int right = put_search(t, feature, v + n / 2, n - n / 2, missing, yes, no);
    return 1 + (left > right ? left : right);
}

static int put_member(tables *t, const fv_tree_node *node, int64_t yes, int64_t no) {
    double *v = FV_NEW(t->a, double, node->count + 1);
    int n = 0;
    for (int i = 0; i < node->count; i++)
        v[n++] = t->f->members[node->first + i];
    qsort(v, (size_t)n, sizeof *v, by_value);
    if (n)
        return put_search(t, (int)node->feature, v, n, node->missing_is_true, yes, no);
    put(t, (int)node->feature, NAN, node->missing_is_true, yes, no);
    return 1;
}

/* The places of a node; steps through them at most. */
static int put_node(tables *t, int i) {
    const fv_tree_node *n = &t->f->nodes[i];
    int feature = (int)n->feature;
    bool m = n->missing_is_true, never = isnan(n->value);
    int64_t yes = -1 - (int64_t)n->yes, no = -1 - (int64_t)n->no;
    t->place_of[i] = t->nplaces;
    switch (n->mode) {
    case FV_TREE_LEAF: {
        int at = t->nplaces;
        put(t, 0, t->single && n->count ? t->f->weights[n->first].weight : 0, false, at, at);
        t->leaf[at] = i;
        return 0;
    }
    case FV_TREE_LEQ: put(t, feature, at_most(t->e, n->value, false), m, yes, no); return 1;
    case FV_TREE_LT: put(t, feature, at_most(t->e, n->value, true), m, yes, no); return 1;
    case FV_TREE_GTE: case FV_TREE_GT:
        if (never)
            put(t, feature, NAN, m, yes, no);
        else
            put(t, feature, at_most(t->e, n->value, n->mode == FV_TREE_GTE), !m, no, yes);
        return 1;
    case FV_TREE_EQ:
        if (never)
            put(t, feature, NAN, m, yes, no);
        else
            put_equal(t, feature, n->value, m, yes, no);
        return 2;
    case FV_TREE_NEQ: /* NaN is not equal to anything, whether it is missing or not */
        if (never)
            put(t, feature, NAN, false, yes, yes);
        else
            put_equal(t, feature, n->value, false, no, yes);
        return 2;
    case FV_TREE_MEMBER: return put_member(t, n, yes, no);
    }
    return 0;
}

/* Nodes in the order of their depth: those that most rows meet lie together. Steps to the deepest leaf. */
static int put_tree(tables *t, int root, int *queue) {
    int head = 0, tail = 0, deepest = 0;
    queue[tail++] = root;
    t->depth[root] = 0;
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

/* The target of all leaves of the tree, each of which has one weight; -1: it is not so. */
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

/* Roots in the order of their targets, else as they are; where the trees of each target begin. */
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

static void put_places(const tables *t, fv_module *m, fv_value **in) {
    int n = t->nplaces;
    int64_t *feature = FV_NEW(t->a, int64_t, n), *missing = FV_NEW(t->a, int64_t, n), *children = FV_NEW(t->a, int64_t, 2 * (size_t)n);
    fv_tensor *values = fv_tensor_new(m->arena, t->e, 1, (int64_t[]){n});
    for (int i = 0; i < n; i++) {
        const place *p = &t->places[i];
        feature[i] = p->feature;
        missing[i] = p->missing;
        fv_tensor_set_float(values, (size_t)i, p->value);
        for (int k = 0; k < 2; k++)
            children[2 * i + k] = p->child[k] >= 0 ? p->child[k] : t->place_of[-1 - p->child[k]];
    }
    in[FV_TREES_FEATURES] = ints(m, "features", n, feature);
    in[FV_TREES_VALUES] = fv_const_new(m, "values", values);
    in[FV_TREES_CHILDREN] = ints(m, "children", 2 * (int64_t)n, children);
    in[FV_TREES_MISSING] = t->missing ? ints(m, "missing", n, missing) : NULL;
}

/* The weights of each place, those of a leaf in their order. */
static void put_weights(const tables *t, fv_module *m, fv_value **in) {
    const fv_forest *f = t->f;
    int64_t n = t->nplaces, *first = FV_NEW(t->a, int64_t, n + 1), *target, all = 0, at = 0;
    for (int64_t i = 0; i < n; i++)
        all += t->leaf[i] >= 0 ? f->nodes[t->leaf[i]].count : 0;
    target = FV_NEW(t->a, int64_t, all + 1);
    fv_tensor *weights = fv_tensor_new(m->arena, t->e, 1, (int64_t[]){all});
    for (int64_t i = 0; i < n; i++) {
        first[i] = at;
        const fv_tree_node *leaf = t->leaf[i] >= 0 ? &f->nodes[t->leaf[i]] : NULL;
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

fv_value *fv_w_trees(fv_rewriter *w, fv_value *x, const fv_forest *f, fv_trees_aggregate aggregate) {
    static const char *const names[] = {"SUM", "SUM", "MIN", "MAX"};
    fv_module *m = w->module;
    fv_value *in[FV_TREES_OPERANDS] = {x};
    if (!x)
        return NULL;
    size_t nodes = (size_t)f->nnodes, trees = (size_t)f->nroots;
    tables t = {.a = m->arena, .f = f, .e = x->type->elem, .place_of = FV_NEW(m->arena, int, nodes), .depth = FV_NEW(m->arena, int, nodes)};
    int *roots = FV_NEW(t.a, int, trees), *stack = FV_NEW(t.a, int, nodes + 2);
    int64_t *at = FV_NEW(t.a, int64_t, trees), *depths = FV_NEW(t.a, int64_t, trees), *together = FV_NEW(t.a, int64_t, trees);
    in[FV_TREES_STARTS] = order_trees(&t, m, roots, stack);
    for (size_t i = 0; i < trees; i++) {
        at[i] = t.nplaces;
        depths[i] = put_tree(&t, roots[i], stack);
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
    fv_attr attrs[2] = {fv_attr_int(m, "targets", f->targets), fv_attr_string(m, "aggregate", names[aggregate])};
    fv_value *y = fv_w_op(w, FV_OP_fv_Trees, FV_TREES_OPERANDS, in, 2, attrs);
    if (aggregate < FV_TREES_MIN) /* a target that no tree has a weight for has the score 0 */
        return y;
    fv_value *none = fv_w_float(w, t.e, aggregate == FV_TREES_MIN ? (double)INFINITY : -(double)INFINITY);
    return FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Equal, y, none), fv_w_float(w, t.e, 0), y);
}
