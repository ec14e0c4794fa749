/* ml_trees.h - ensembles of decision trees as tables: what the attributes of the operators become,
 * and fv.Trees walks. */
#ifndef FV_OPS_ML_ML_TREES_H
#define FV_OPS_ML_ML_TREES_H

#include "ops/ml/ml.h"

typedef enum {
    FV_TREE_LEQ,
    FV_TREE_LT,
    FV_TREE_GTE,
    FV_TREE_GT,
    FV_TREE_EQ,
    FV_TREE_NEQ,
    FV_TREE_MEMBER,
    FV_TREE_LEAF
} fv_tree_mode;

/* A node as the standard has it. */
typedef struct fv_tree_node {
    fv_tree_mode mode;
    int64_t feature;
    double value;
    bool missing_is_true;
    int yes, no;      /* nodes; not of a leaf */
    int first, count; /* of a leaf: its weights. MEMBER: its values */
} fv_tree_node;

/* Adds to the score of a target. */
typedef struct fv_tree_weight {
    int target;
    double weight;
} fv_tree_weight;

typedef struct fv_forest {
    int nnodes, cap_nodes, nroots, cap_roots, nweights, cap_weights, nmembers, cap_members;
    fv_tree_node *nodes;
    int *roots;
    fv_tree_weight *weights;
    double *members;
    int targets;
} fv_forest;

typedef enum { FV_TREES_AVERAGE, FV_TREES_SUM, FV_TREES_MIN, FV_TREES_MAX } fv_trees_aggregate;

/* Are these trees: each node, from its root, met once, children there, features among those of X,
 * targets among the forest's? False after a diagnostic. */
bool fv_forest_check(const fv_op *op, const fv_forest *f, const fv_dim *features) FV_MUST_USE;
/* The scores [N, targets] of rows x [N, F], which are of type f32 or f64, as the results. Of an
 * average: the sum. */
fv_value *fv_w_trees(fv_rewriter *w, fv_value *x, const fv_forest *f, fv_trees_aggregate aggregate);

#endif
