/* ml_trees_walk.h - the operands of fv.Trees, and its functions. */
#ifndef FV_OPS_ML_ML_TREES_WALK_H
#define FV_OPS_ML_ML_TREES_WALK_H

#include "ir/catalogue/op.h"

/* Rows [N, F]. Nodes [P, W]: words of i32, those of a node next to each other: the feature it asks
 * for, its first child (behind which the second one is), the bits of the value, low ones first, and
 * where there is a word more whether NaN goes to the first child. Values [P]: what a leaf adds.
 * Trees: roots, steps to the deepest leaf, and the most of these of FV_TREES_LANES trees from each
 * on. Trees starts[k] to starts[k + 1] are those of target k, whose values at the leaves are taken;
 * or all of them lie between starts[0] and starts[1], and the weights of leaf i are those from
 * first[i] to first[i + 1]. */
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
    /* that walk next to each other: as many as there are registers for where they are */
    FV_TREES_LANES = 16
};

bool fv_infer_trees(struct fv_op *op) FV_MUST_USE;
bool fv_kernel_trees(struct fv_custom *c, struct fv_op *op) FV_MUST_USE;

#endif
