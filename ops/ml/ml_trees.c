/* ml_trees.c - ensembles of decision trees of ai.onnx.ml: reads their attributes, and transforms
 * scores. */
#include "ops/ml/ml_trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/ml/ml_trees_walk.h"

/* ---- numbers: a list of floats, or a tensor that may be of doubles ---- */

typedef struct numbers {
    int n;
    const float *floats;
    const fv_tensor *tensor;
} numbers;

static bool read_numbers(const fv_op *op, const char *name, const char *tensor, numbers *out) {
    const fv_attr *a = name ? fv_op_find_attr(op, name) : NULL, *t = fv_op_find_attr(op, tensor);
    *out = (numbers){0};
    if (a && a->n && t)
        return fv_op_error(op, "has both %s and %s", name, tensor);
    if (t && (!(FV_SET_FLOAT >> t->u.tensor->elem & 1) || t->u.tensor->count > INT32_MAX))
        return fv_op_error(op, "%s has %zu elements of %s, expected floats", tensor,
                           t->u.tensor->count, fv_elem_name(t->u.tensor->elem));
    if (t)
        *out = (numbers){.n = (int)t->u.tensor->count, .tensor = t->u.tensor};
    else if (a)
        *out = (numbers){.n = a->n, .floats = a->u.floats};
    return true;
}

static double number(const numbers *l, int i) {
    return l->tensor ? fv_tensor_float(l->tensor, (size_t)i) : (double)l->floats[i];
}

/* ---- versions 1 and 3: nodes have the ids of their trees and their own ---- */

/* Names of the attributes of leaves. */
typedef struct names {
    const char *trees, *nodes, *targets, *weights, *weights_tensor;
} names;
static const names regressor = {"target_treeids", "target_nodeids", "target_ids", "target_weights",
                                "target_weights_as_tensor"};
static const names classifier = {"class_treeids", "class_nodeids", "class_ids", "class_weights",
                                 "class_weights_as_tensor"};

/* A node, identified by its ids. */
typedef struct id {
    int64_t tree, node;
    int at;
} id;

static int by_id(const void *p, const void *q) {
    const id *x = p, *y = q;
    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

typedef struct reader {
    fv_op *op;
    fv_arena *a;
    fv_forest *f;
    id *ids; /* sorted */
    const int64_t *tree, *node, *feature, *yes, *no, *missing;
    int nmissing;
} reader;

/* Reads a list with one element for each node. */
static bool read_list(reader *r, const char *name, const int64_t **out) {
    int n;
    *out = fv_op_ints(r->op, name, &n);
    return n == r->f->nnodes ||
           fv_op_error(r->op, "%s has %d entries for %d nodes", name, n, r->f->nnodes);
}

static int find_node(const reader *r, int64_t tree, int64_t node) {
    id key = {.tree = tree, .node = node};
    const id *at = bsearch(&key, r->ids, (size_t)r->f->nnodes, sizeof key, by_id);
    return at ? at->at : -1;
}

static bool index_nodes(reader *r) {
    int n = r->f->nnodes;
    r->ids = FV_NEW(r->a, id, n + 1);
    for (int i = 0; i < n; i++)
        r->ids[i] = (id){r->tree[i], r->node[i], i};
    qsort(r->ids, (size_t)n, sizeof *r->ids, by_id);
    for (int i = 1; i < n; i++)
        if (!by_id(&r->ids[i - 1], &r->ids[i]))
            return fv_op_error(r->op, "tree %lld has node %lld twice", (long long)r->ids[i].tree,
                               (long long)r->ids[i].node);
    return true;
}

static bool read_mode(reader *r, fv_string s, fv_tree_mode *out) {
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                        "BRANCH_EQ",  "BRANCH_NEQ", NULL,         "LEAF"};
    for (int i = 0; i <= FV_TREE_LEAF; i++)
        if (modes[i] && strlen(modes[i]) == s.n && !memcmp(modes[i], s.s, s.n)) {
            *out = (fv_tree_mode)i;
            return true;
        }
    return fv_op_error(
        r->op, "nodes_modes has '%.*s', expected BRANCH_LEQ, _LT, _GTE, _GT, _EQ, _NEQ or LEAF",
        (int)(s.n > 40 ? 40 : s.n), s.s);
}

static bool read_child(reader *r, int i, int64_t node, bool *is_child, int *out) {
    *out = find_node(r, r->tree[i], node);
    if (*out < 0)
        return fv_op_error(r->op, "node %lld of tree %lld has child %lld, which is not there",
                           (long long)r->node[i], (long long)r->tree[i], (long long)node);
    is_child[*out] = true;
    return true;
}

static bool read_nodes(reader *r, const numbers *values, const fv_attr *modes, bool *is_child) {
    for (int i = 0; i < r->f->nnodes; i++) {
        fv_tree_node *n = &r->f->nodes[i];
        *n = (fv_tree_node){.feature = r->feature[i],
                            .value = number(values, i),
                            .missing_is_true = i < r->nmissing && r->missing[i] == 1};
        if (!read_mode(r, modes->u.strings[i], &n->mode))
            return false;
        if (n->mode != FV_TREE_LEAF && (!read_child(r, i, r->yes[i], is_child, &n->yes) ||
                                        !read_child(r, i, r->no[i], is_child, &n->no)))
            return false;
    }
    return true;
}

/* The first index of the tree among the sorted ids. */
static int first_id(const reader *r, int64_t tree) {
    int lo = 0, hi = r->f->nnodes;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (r->ids[mid].tree < tree)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Finds the root of each tree: its first node, which must be no child of another one; otherwise
 * there would be a cycle. */
static bool find_roots(reader *r, const bool *is_child) {
    fv_forest *f = r->f;
    bool *done = FV_NEW(r->a, bool, f->nnodes);
    for (int i = 0; i < f->nnodes; i++) {
        int first = first_id(r, r->tree[i]);
        if (done[first])
            continue;
        done[first] = true;
        if (is_child[i])
            return fv_op_error(r->op,
                               "node %lld of tree %lld, its first and so its root, is a child too",
                               (long long)r->node[i], (long long)r->tree[i]);
        FV_PUSH(r->a, f->roots, f->nroots, f->cap_roots, i);
    }
    return true;
}

/* Reads the weights of all leaves, concatenated in the order of leaves. */
static bool read_weights(reader *r, const names *by) {
    fv_forest *f = r->f;
    int trees, nodes, targets, n, at = 0;
    const int64_t *tree = fv_op_ints(r->op, by->trees, &trees),
                  *node = fv_op_ints(r->op, by->nodes, &nodes);
    const int64_t *target = fv_op_ints(r->op, by->targets, &targets);
    numbers weights;
    if (!read_numbers(r->op, by->weights, by->weights_tensor, &weights))
        return false;
    n = weights.n;
    if (trees != n || nodes != n || targets != n)
        return fv_op_error(r->op, "there are %d weights, %d %s, %d %s and %d %s", n, trees,
                           by->trees, nodes, by->nodes, targets, by->targets);
    int *leaf = FV_NEW(r->a, int, n + 1);
    f->weights = FV_NEW(r->a, fv_tree_weight, n + 1);
    f->nweights = n;
    for (int i = 0; i < n; i++) {
        leaf[i] = find_node(r, tree[i], node[i]);
        if (leaf[i] < 0)
            return fv_op_error(r->op, "a weight is for node %lld of tree %lld, which is not there",
                               (long long)node[i], (long long)tree[i]);
        if (target[i] < 0 || target[i] >= f->targets)
            return fv_op_error(r->op, "%s has %lld, there are %d", by->targets,
                               (long long)target[i], f->targets);
        f->nodes[leaf[i]].count++;
    }
    for (int i = 0; i < f->nnodes; at += f->nodes[i++].count)
        f->nodes[i].first = at;
    for (int i = 0; i < f->nnodes; i++)
        f->nodes[i].count = 0;
    for (int i = 0; i < n; i++) {
        fv_tree_node *l = &f->nodes[leaf[i]];
        f->weights[l->first + l->count++] = (fv_tree_weight){(int)target[i], number(&weights, i)};
    }
    return true;
}

static bool read_forest(fv_op *op, const names *by, int targets, fv_forest *f) {
    fv_arena *a = fv_op_module(op)->arena;
    const fv_attr *modes = fv_op_find_attr(op, "nodes_modes");
    numbers values;
    reader r = {.op = op, .a = a, .f = f};
    *f = (fv_forest){.targets = targets};
    r.tree = fv_op_ints(op, "nodes_treeids", &f->nnodes);
    r.missing = fv_op_ints(op, "nodes_missing_value_tracks_true", &r.nmissing);
    if (!f->nnodes)
        return fv_op_error(op, "has no nodes");
    if (!read_list(&r, "nodes_nodeids", &r.node) ||
        !read_list(&r, "nodes_featureids", &r.feature) ||
        !read_list(&r, "nodes_truenodeids", &r.yes) ||
        !read_list(&r, "nodes_falsenodeids", &r.no) ||
        !read_numbers(op, "nodes_values", "nodes_values_as_tensor", &values))
        return false;
    if (values.n != f->nnodes || !modes || modes->n != f->nnodes)
        return fv_op_error(op, "there are %d values and %d modes for %d nodes", values.n,
                           modes ? modes->n : 0, f->nnodes);
    f->nodes = FV_NEW(a, fv_tree_node, f->nnodes);
    bool *is_child = FV_NEW(a, bool, f->nnodes);
    const fv_type *x = fv_in_type(op, 0);
    return index_nodes(&r) && read_nodes(&r, &values, modes, is_child) &&
           find_roots(&r, is_child) && read_weights(&r, by) &&
           fv_forest_check(op, f, x->dims[x->rank - 1]);
}

/* ---- TreeEnsembleRegressor ---- */

static fv_value *with_base(fv_rewriter *w, fv_value *y, const numbers *base) {
    if (!y || !base->n)
        return y;
    fv_tensor *t = fv_tensor_new(w->module->arena, y->type->elem, 1, (int64_t[]){base->n});
    for (int i = 0; i < base->n; i++)
        fv_tensor_set_float(t, (size_t)i, number(base, i));
    return FV_W2(w, FV_OP_Add, y, fv_const_new(w->module, "base_values", t));
}

static fv_value *mean(fv_rewriter *w, fv_value *y, const fv_forest *f, int aggregate) {
    if (!y || aggregate != FV_TREES_AVERAGE)
        return y;
    return FV_W2(w, FV_OP_Div, y, fv_w_float(w, y->type->elem, f->nroots));
}

static void infer_scores(fv_op *op, int out, fv_elem e, int64_t n) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[2];
    fv_ml_rows(t, fv_in_type(op, 0), dims);
    dims[1] = fv_dim_const(t, n);
    fv_infer_out(op, out, e, 2, dims);
}

typedef struct regression {
    fv_forest f;
    int aggregate;
    fv_post_transform post;
    numbers base;
} regression;

static bool read_regressor(fv_op *op, regression *g) {
    static const char *const aggregates[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    int64_t targets = fv_op_int_or(op, "n_targets", 1);
    if (targets < 1 || targets > INT32_MAX)
        return fv_op_error(op, "n_targets is %lld, expected at least 1", (long long)targets);
    g->aggregate = fv_ml_choice(op, "aggregate_function", 4, aggregates);
    if (g->aggregate < 0 || !fv_ml_post_transform(op, &g->post) ||
        !read_numbers(op, "base_values", "base_values_as_tensor", &g->base) ||
        !read_forest(op, &regressor, (int)targets, &g->f))
        return false;
    return !g->base.n || g->base.n == targets ||
           fv_op_error(op, "has %d base values for %lld targets", g->base.n, (long long)targets);
}

static bool infer_regressor(fv_op *op) {
    regression g;
    if (!read_regressor(op, &g))
        return false;
    infer_scores(op, 0, FV_F32, g.f.targets);
    return true;
}

/* The type in which X is computed. */
static fv_elem wide(const fv_op *op) {
    return fv_in_type(op, 0)->elem == FV_F64 ? FV_F64 : FV_F32;
}

static bool decompose_regressor(fv_rewriter *w, fv_op *op) {
    regression g;
    if (!read_regressor(op, &g))
        return false;
    fv_value *y =
        fv_w_trees(w, fv_ml_matrix(w, op, wide(op)), &g.f, (fv_trees_aggregate)g.aggregate);
    y = with_base(w, mean(w, y, &g.f, g.aggregate), &g.base);
    fv_w_result(w, 0, fv_w_cast(w, fv_ml_transformed(w, y, g.post), FV_F32));
    return true;
}

/* ---- TreeEnsembleClassifier ---- */

typedef struct classification {
    fv_forest f;
    int classes;
    const int64_t *label;
    fv_post_transform post;
    numbers base;
    bool has[2];   /* for the first two classes: whether it has a weight */
    bool positive; /* whether all weights are at least 0 */
} classification;

/* Of two classes only one has weights: whether there is a single score, from which both are
 * computed. */
static bool is_single(const classification *c) {
    return c->classes == 2 && !c->has[1] && c->base.n < 2;
}

static bool read_classifier(fv_op *op, classification *c) {
    *c = (classification){.positive = true};
    c->label = fv_ml_labels(op, "classlabels_int64s", &c->classes);
    if (!c->classes)
        return fv_op_error(op, "has no classes: expected classlabels_int64s");
    if (!fv_ml_post_transform(op, &c->post) ||
        !read_numbers(op, "base_values", "base_values_as_tensor", &c->base) ||
        !read_forest(op, &classifier, c->classes, &c->f))
        return false;
    for (int i = 0; i < c->f.nweights; i++) {
        c->has[c->f.weights[i].target == 1] |= c->f.weights[i].target < 2;
        c->positive &= c->f.weights[i].weight >= 0;
    }
    bool fits = c->base.n == c->classes || (c->base.n == 1 && c->classes == 2);
    if (c->base.n && !fits)
        return fv_op_error(op, "has %d base values for %d classes", c->base.n, c->classes);
    if (is_single(c) && c->post == FV_POST_PROBIT)
        return fv_op_error(op, "post_transform is PROBIT, which has one score for two classes");
    return true;
}

static bool infer_classifier(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[2];
    classification c;
    if (!read_classifier(op, &c))
        return false;
    fv_ml_rows(t, fv_in_type(op, 0), dims);
    infer_scores(op, 1, FV_F32, c.classes);
    return fv_ml_infer_label(op, "classlabels_int64s", dims[0]);
}

static bool name_classes(fv_rewriter *w, fv_op *op) {
    return fv_ml_name_classes(w, op, "classlabels_int64s");
}

static fv_value *is_above(fv_rewriter *w, fv_value *x, double v) {
    return x ? FV_W2(w, FV_OP_Greater, x, fv_w_float(w, x->type->elem, v)) : NULL;
}

/* Labels and scores of two classes of which one has weights: the second class wins if the score is
 * above one half, or above 0 if weights have both signs. */
static void one_of_two(fv_rewriter *w, const classification *c, fv_value *y) {
    fv_value *second = is_above(w, fv_ml_column(w, y, c->has[1]), c->positive ? 0.5 : 0);
    fv_w_result(w, 0, fv_ml_either(w, second, c->label[1], c->label[0]));
    if (!is_single(c)) {
        fv_w_result(w, 1, fv_w_cast(w, fv_ml_transformed(w, y, c->post), FV_F32));
        return;
    }
    fv_dims *t = w->module->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    if (!y)
        return;
    fv_value *score = fv_w_slice(w, y, (const fv_dim *[]){zero, zero}, (const fv_dim *[]){one, one},
                                 (const fv_dim *[]){y->type->dims[0], one});
    fv_w_result(w, 1, fv_w_cast(w, fv_ml_two_classes(w, score, c->post, !c->positive), FV_F32));
}

/* The base values; of two classes, only those with weights have one, as in ONNX Runtime. */
static numbers base_of(fv_rewriter *w, const classification *c) {
    if (c->classes != 2 || !c->base.n)
        return c->base;
    fv_tensor *both = fv_tensor_new(w->module->arena, FV_F64, 1, (int64_t[]){2});
    for (int i = 0; i < c->base.n; i++)
        fv_tensor_set_float(both, (size_t)i, c->has[i] ? number(&c->base, i) : 0);
    return (numbers){.n = 2, .tensor = both};
}

static bool decompose_classifier(fv_rewriter *w, fv_op *op) {
    classification c;
    if (!read_classifier(op, &c))
        return false;
    numbers base = base_of(w, &c);
    fv_value *y =
        with_base(w, fv_w_trees(w, fv_ml_matrix(w, op, wide(op)), &c.f, FV_TREES_SUM), &base);
    if (c.classes == 2 && c.has[0] != c.has[1]) {
        one_of_two(w, &c, y);
        return true;
    }
    if (c.classes == 1)
        fv_w_result(w, 0, fv_ml_either(w, is_above(w, fv_ml_column(w, y, 0), 0), 1, 0));
    else
        fv_w_result(w, 0, fv_ml_best(w, y, c.classes, c.label));
    fv_w_result(w, 1, fv_w_cast(w, fv_ml_transformed(w, y, c.post), FV_F32));
    return true;
}

/* ---- TreeEnsemble: nodes and leaves are counted ---- */

typedef struct tables {
    fv_op *op;
    fv_arena *a;
    fv_forest *f;
    int n; /* number of inner nodes; leaves are numbered after them */
    const int64_t *feature, *yes, *no, *yes_is_leaf, *no_is_leaf, *missing, *target;
    int leaves;
    numbers weights;
} tables;

static bool read_table(tables *t, const char *name, const int64_t **out) {
    int n;
    *out = fv_op_ints(t->op, name, &n);
    return n == t->n || fv_op_error(t->op, "%s has %d entries for %d nodes", name, n, t->n);
}

/* The number of a node, or of a new leaf for each reference to a leaf. */
static bool read_branch(tables *t, int i, int64_t to, bool is_leaf, int *out) {
    fv_forest *f = t->f;
    int64_t n = is_leaf ? t->leaves : t->n;
    if (to < 0 || to >= n)
        return fv_op_error(t->op, "node %d goes to %s %lld, there are %lld", i,
                           is_leaf ? "leaf" : "node", (long long)to, (long long)n);
    *out = is_leaf ? f->nnodes : (int)to;
    if (!is_leaf)
        return true;
    fv_tree_node leaf = {.mode = FV_TREE_LEAF, .first = (int)to, .count = 1};
    FV_PUSH(t->a, f->nodes, f->nnodes, f->cap_nodes, leaf);
    return true;
}

/* Reads the values of nodes of mode MEMBER: those of each node end with NaN. */
static bool read_members(tables *t, const numbers *members) {
    fv_forest *f = t->f;
    int at = 0;
    f->members = FV_NEW(t->a, double, members->n + 1);
    f->nmembers = members->n;
    for (int i = 0; i < members->n; i++)
        f->members[i] = number(members, i);
    for (int i = 0; i < t->n; i++) {
        fv_tree_node *n = &f->nodes[i];
        if (n->mode != FV_TREE_MEMBER)
            continue;
        if (at >= members->n)
            return fv_op_error(t->op, "membership_values has no set for node %d", i);
        for (n->first = at; at < members->n && !isnan(f->members[at]); at++)
            n->count++;
        at++; /* skips the NaN */
    }
    return true;
}

static bool read_inner(tables *t, const fv_tensor *modes, const numbers *splits) {
    for (int i = 0; i < t->n; i++) {
        int64_t mode = fv_tensor_int(modes, (size_t)i);
        int yes = 0, no = 0;
        if (mode < FV_TREE_LEQ || mode > FV_TREE_MEMBER)
            return fv_op_error(t->op, "nodes_modes has %lld, expected 0 to 6", (long long)mode);
        if (!read_branch(t, i, t->yes[i], t->yes_is_leaf[i] != 0, &yes) ||
            !read_branch(t, i, t->no[i], t->no_is_leaf[i] != 0, &no))
            return false;
        t->f->nodes[i] = (fv_tree_node){.mode = (fv_tree_mode)mode,
                                        .feature = t->feature[i],
                                        .value = number(splits, i),
                                        .missing_is_true = t->missing && t->missing[i] == 1,
                                        .yes = yes,
                                        .no = no};
    }
    return true;
}

static bool read_leaves(tables *t) {
    t->target = fv_op_ints(t->op, "leaf_targetids", &t->leaves);
    if (!read_numbers(t->op, NULL, "leaf_weights", &t->weights))
        return false;
    if (t->weights.n != t->leaves)
        return fv_op_error(t->op, "there are %d leaf_weights, %d leaf_targetids", t->weights.n,
                           t->leaves);
    t->f->weights = FV_NEW(t->a, fv_tree_weight, t->leaves + 1);
    t->f->nweights = t->leaves;
    for (int i = 0; i < t->leaves; i++) {
        if (t->target[i] < 0 || t->target[i] >= t->f->targets)
            return fv_op_error(t->op, "leaf_targetids has %lld, there are %d",
                               (long long)t->target[i], t->f->targets);
        t->f->weights[i] = (fv_tree_weight){(int)t->target[i], number(&t->weights, i)};
    }
    return true;
}

static bool read_roots(tables *t) {
    int n;
    const int64_t *root = fv_op_ints(t->op, "tree_roots", &n);
    for (int i = 0; i < n; i++) {
        if (root[i] < 0 || root[i] >= t->n)
            return fv_op_error(t->op, "tree_roots has %lld, there are %d nodes", (long long)root[i],
                               t->n);
        FV_PUSH(t->a, t->f->roots, t->f->nroots, t->f->cap_roots, (int)root[i]);
    }
    return true;
}

static bool read_ensemble(fv_op *op, fv_forest *f) {
    const fv_attr *modes = fv_op_find_attr(op, "nodes_modes");
    const fv_type *x = fv_in_type(op, 0);
    int64_t targets = fv_op_int_or(op, "n_targets", 0);
    numbers splits, members;
    int nmissing;
    tables t = {.op = op, .a = fv_op_module(op)->arena, .f = f};
    if (targets < 1 || targets > INT32_MAX)
        return fv_op_error(op, "n_targets is %lld, expected at least 1", (long long)targets);
    *f = (fv_forest){.targets = (int)targets};
    t.feature = fv_op_ints(op, "nodes_featureids", &t.n);
    t.missing = fv_op_ints(op, "nodes_missing_value_tracks_true", &nmissing);
    if (nmissing && nmissing != t.n)
        return fv_op_error(op, "nodes_missing_value_tracks_true has %d entries for %d nodes",
                           nmissing, t.n);
    if (!nmissing)
        t.missing = NULL; /* an empty list means that no values are missing */
    if (!read_table(&t, "nodes_truenodeids", &t.yes) ||
        !read_table(&t, "nodes_falsenodeids", &t.no) ||
        !read_table(&t, "nodes_trueleafs", &t.yes_is_leaf) ||
        !read_table(&t, "nodes_falseleafs", &t.no_is_leaf) ||
        !read_numbers(op, NULL, "nodes_splits", &splits) ||
        !read_numbers(op, NULL, "membership_values", &members))
        return false;
    const fv_tensor *m = modes->u.tensor;
    if (splits.n != t.n || m->count != (size_t)t.n || !(FV_SET_INT >> m->elem & 1))
        return fv_op_error(op, "there are %d nodes_splits and %zu nodes_modes of %s for %d nodes",
                           splits.n, m->count, fv_elem_name(m->elem), t.n);
    for (int i = 0; i < t.n; i++)
        FV_PUSH(t.a, f->nodes, f->nnodes, f->cap_nodes, (fv_tree_node){0});
    return read_leaves(&t) && read_inner(&t, m, &splits) && read_members(&t, &members) &&
           read_roots(&t) && fv_forest_check(op, f, x->dims[x->rank - 1]);
}

static bool infer_ensemble(fv_op *op) {
    fv_forest f;
    int64_t aggregate = fv_op_int(op, "aggregate_function"), post = fv_op_int(op, "post_transform");
    if (aggregate < FV_TREES_AVERAGE || aggregate > FV_TREES_MAX)
        return fv_op_error(op, "aggregate_function is %lld, expected 0 to 3", (long long)aggregate);
    if (post < FV_POST_NONE || post > FV_POST_PROBIT)
        return fv_op_error(op, "post_transform is %lld, expected 0 to 4", (long long)post);
    if (!read_ensemble(op, &f))
        return false;
    infer_scores(op, 0, fv_in_type(op, 0)->elem, f.targets);
    return true;
}

static bool decompose_ensemble(fv_rewriter *w, fv_op *op) {
    fv_forest f;
    int aggregate = (int)fv_op_int(op, "aggregate_function");
    if (!read_ensemble(op, &f))
        return false;
    fv_value *y = fv_w_trees(w, fv_ml_matrix(w, op, wide(op)), &f, (fv_trees_aggregate)aggregate);
    y = fv_ml_transformed(w, mean(w, y, &f, aggregate),
                          (fv_post_transform)fv_op_int(op, "post_transform"));
    fv_w_result(w, 0, fv_w_cast(w, y, fv_in_type(op, 0)->elem));
    return true;
}

#define NODES                                                                                      \
    FV_A_OPTIONAL("nodes_falsenodeids", INTS), FV_A_OPTIONAL("nodes_featureids", INTS),            \
        FV_A_OPTIONAL("nodes_hitrates", FLOATS),                                                   \
        FV_A_OPTIONAL("nodes_hitrates_as_tensor", TENSOR),                                         \
        FV_A_OPTIONAL("nodes_missing_value_tracks_true", INTS),                                    \
        FV_A_OPTIONAL("nodes_modes", STRINGS), FV_A_OPTIONAL("nodes_nodeids", INTS),               \
        FV_A_OPTIONAL("nodes_treeids", INTS), FV_A_OPTIONAL("nodes_truenodeids", INTS),            \
        FV_A_OPTIONAL("nodes_values", FLOATS), FV_A_OPTIONAL("nodes_values_as_tensor", TENSOR)
#define TABLE(nm, t)   {nm, t, .rank = FV_RANK(1)}
#define PERHAPS(nm, t) {nm, t, FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}

const fv_opdef fv_ops_ml_trees[] = {
    {.domain = "fv",
     .name = "Trees",
     .id = FV_OP_fv_Trees,
     .since = {1},
     .decides = true,
     .doc = "for each row, the sum, minimum or maximum of the weights of the leaves that it "
            "reaches in decision trees, which are tables of nodes",
     .in = {{"X", "T", .rank = FV_RANK(2)},
            {"nodes", "I", .rank = FV_RANK(2)},
            TABLE("values", "T"),
            TABLE("roots", "I"),
            TABLE("depths", "I"),
            TABLE("together", "I"),
            TABLE("starts", "I"),
            PERHAPS("first", "I"),
            PERHAPS("targets", "I"),
            PERHAPS("weights", "T")},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("targets", INT), FV_A_STRING("aggregate", "SUM")},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}, {"I", FV_SET(I32)}},
     .infer = fv_infer_trees,
     .kernel = fv_kernel_trees},
    {FV_ML("TreeEnsemble"), .since = {5},
     .doc = "scores of targets, aggregated over the leaves that each row "
            "reaches in decision trees, after a transform",
     .in = {{"X", "T", .rank = FV_RANKS(1, 2)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("aggregate_function", 1), FV_A_REQUIRED("leaf_targetids", INTS),
               FV_A_REQUIRED("leaf_weights", TENSOR), FV_A_OPTIONAL("membership_values", TENSOR),
               FV_A_OPTIONAL("n_targets", INT), FV_A_REQUIRED("nodes_falseleafs", INTS),
               FV_A_REQUIRED("nodes_falsenodeids", INTS), FV_A_REQUIRED("nodes_featureids", INTS),
               FV_A_OPTIONAL("nodes_hitrates", TENSOR),
               FV_A_OPTIONAL("nodes_missing_value_tracks_true", INTS),
               FV_A_REQUIRED("nodes_modes", TENSOR), FV_A_REQUIRED("nodes_splits", TENSOR),
               FV_A_REQUIRED("nodes_trueleafs", INTS), FV_A_REQUIRED("nodes_truenodeids", INTS),
               FV_A_INT("post_transform", 0), FV_A_REQUIRED("tree_roots", INTS)},
     .types = {{"T", FV_SET(F16) | FV_SET(F32) | FV_SET(F64)}}, .infer = infer_ensemble,
     .decompose = decompose_ensemble},
    {FV_ML("TreeEnsembleClassifier"), .since = {1, 3},
     .doc = "the class with the highest sum of weights at the leaves of decision trees, and the "
            "scores after a transform",
     .departs = ONE_SCORE(
         "1 - s and s, or -s and s if weights have both signs") " The second class wins if s is "
                                                                "above 0.5, or above 0 if weights "
                                                                "have both signs.",
     .in = {{"X", "T1", .rank = FV_RANKS(1, 2)}}, .out = {{"Y", "T2"}, {"Z", "T3"}},
     .attrs = {NODES, FV_A_OPTIONAL("base_values", FLOATS),
               FV_A_OPTIONAL("base_values_as_tensor", TENSOR), FV_A_OPTIONAL("class_ids", INTS),
               FV_A_OPTIONAL("class_nodeids", INTS), FV_A_OPTIONAL("class_treeids", INTS),
               FV_A_OPTIONAL("class_weights", FLOATS),
               FV_A_OPTIONAL("class_weights_as_tensor", TENSOR),
               FV_A_OPTIONAL("classlabels_int64s", INTS),
               FV_A_OPTIONAL("classlabels_strings", STRINGS),
               FV_A_STRING("post_transform", "NONE")},
     .types = {{"T1", FV_ML_NUMBERS}, {"T2", FV_SET(I64) | FV_SET(STRING)}, {"T3", FV_SET(F32)}},
     .infer = infer_classifier, .decompose = decompose_classifier, .strings = name_classes},
    {FV_ML("TreeEnsembleRegressor"), .since = {1, 3},
     .doc = "scores of targets, aggregated over the leaves that each row "
            "reaches in decision trees, after a transform",
     .in = {{"X", "T", .rank = FV_RANKS(1, 2)}}, .out = {{"Y", "T2"}},
     .attrs = {NODES, FV_A_STRING("aggregate_function", "SUM"),
               FV_A_OPTIONAL("base_values", FLOATS), FV_A_OPTIONAL("base_values_as_tensor", TENSOR),
               FV_A_OPTIONAL("n_targets", INT), FV_A_STRING("post_transform", "NONE"),
               FV_A_OPTIONAL("target_ids", INTS), FV_A_OPTIONAL("target_nodeids", INTS),
               FV_A_OPTIONAL("target_treeids", INTS), FV_A_OPTIONAL("target_weights", FLOATS),
               FV_A_OPTIONAL("target_weights_as_tensor", TENSOR)},
     .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}}, .infer = infer_regressor,
     .decompose = decompose_regressor},

    {0}};
