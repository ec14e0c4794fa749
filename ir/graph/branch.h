/* branch.h - determines which branch of an If runs. */
#ifndef FV_IR_GRAPH_BRANCH_H
#define FV_IR_GRAPH_BRANCH_H

#include "ir/graph/graph.h"

enum { FV_BRANCH_ELSE, FV_BRANCH_THEN, FV_BRANCH_EITHER };

const fv_region *fv_branch_of(const fv_op *op, int which);
/* The branch of an If that runs, if shapes and constants decide it or fv_branch_hold has assumed
 * it; EITHER if it is known only at run time. */
int fv_branch_taken(const fv_op *op);
/* Where the results of the two branches have the same elements, but other ranks, adds a Reshape to
 * the branch whose result has not the declared rank, or else to `else_branch` (exporters write the
 * squeezing of an axis of size 1 as an If). If results differ otherwise in rank or element type,
 * assumes that the branch with the declared types, or else `then_branch`, runs. False after a
 * diagnostic. */
bool fv_branch_hold(fv_op *op) FV_MUST_USE;

#endif
