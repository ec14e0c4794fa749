/* branch.h - which branch of an If runs. */
#ifndef FV_IR_GRAPH_BRANCH_H
#define FV_IR_GRAPH_BRANCH_H

#include "ir/graph/graph.h"

enum { FV_BRANCH_ELSE, FV_BRANCH_THEN, FV_BRANCH_EITHER };

const fv_region *fv_branch_of(const fv_op *op, int which);
/* Of an If: the only one that can run, where shapes and constants tell it, or the one to which it
 * is held since a value has one rank and one element type (see fv_branch_hold); or EITHER, and the
 * run decides. */
int fv_branch_taken(const fv_op *op);
/* Where the results of the branches differ in rank or element type: assumes that the run takes the
 * one that is declared, or else `then_branch` (squeezing an axis of 1 is exported as an If on
 * that). False after a diagnostic. */
bool fv_branch_hold(fv_op *op) FV_MUST_USE;

#endif
