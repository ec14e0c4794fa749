/* ml_trees_walk.h - the operands of fv.Trees, and functions of its entry in the catalogue. */
#ifndef FV_OPS_ML_ML_TREES_WALK_H
#define FV_OPS_ML_ML_TREES_WALK_H

#include "ir/catalogue/op.h"

/* x: rows [N, F]. Nodes [P, W] of i32: the adjacent words of a node are its feature, its first
 * child (the second one follows it), the bits of the value, low ones first, and, if there is one
 * more word, whether NaN goes to the first child. Values [P]: what a leaf adds. For trees: their
 * roots, their depths, and for each tree the largest depth among the FV_TREES_LANES trees from it
 * on. Either trees starts[k] to starts[k + 1] belong to target k and add the values of their
 * leaves; or all trees are between starts[0] and starts[1], and leaf i has the weights first[i] to
 * first[i + 1]. */
enum {
    FV_TREES_X,
    FV_TREES_NODES,
    FV_TREES_VALUES,
    FV_TREES_ROOTS,
    FV_TREES_DEPTHS,
    FV_TREES_TOGETHER,
    FV_TREES_STARTS,
    FV_TREES_FIRST,
    FV_TREES_TARGETS,
    FV_TREES_WEIGHTS,
    FV_TREES_OPERANDS
};
enum { FV_TREES_FEATURE, FV_TREES_CHILD, FV_TREES_VALUE }; /* words of a node */
enum {
    /* number of lanes that are evaluated at the same time, limited by the registers for their
     * nodes */
    FV_TREES_LANES = 16
};

bool fv_infer_trees(struct fv_op *op) FV_MUST_USE;
bool fv_kernel_trees(struct fv_custom *c, struct fv_op *op) FV_MUST_USE;

#endif
