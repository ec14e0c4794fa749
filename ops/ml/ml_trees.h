/* ml_trees.h - ensembles of decision trees: a common form of the operators' attributes, which
 * becomes the tables of fv.Trees. */
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

/* A node as the standard defines it. */
typedef struct fv_tree_node {
    fv_tree_mode mode;
    int64_t feature;
    double value;
    bool missing_is_true;
    int yes, no;      /* indices of the children of an inner node */
    int first, count; /* range of a leaf's weights, or of the values of a MEMBER node */
} fv_tree_node;

/* A weight that is added to the score of a target. */
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

/* Checks that these are trees: from the roots each node is reached once, children exist, features
 * are columns of X, and targets are below the forest's number. False after a diagnostic. */
bool fv_forest_check(const fv_op *op, const fv_forest *f, const fv_dim *features) FV_MUST_USE;
/* The scores [N, targets] of rows x [N, F], of type f32 or f64, as is the result. For the aggregate
 * AVERAGE: the sums. */
fv_value *fv_w_trees(fv_rewriter *w, fv_value *x, const fv_forest *f, fv_trees_aggregate aggregate);

#endif
