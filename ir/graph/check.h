/* check.h - is an op what its entry in the catalogue says? */
#ifndef FV_IR_GRAPH_CHECK_H
#define FV_IR_GRAPH_CHECK_H

#include "ir/graph/graph.h"

/* Arities, attribute names and kinds, types and ranks as the entry says; sets no types. What comes
 * after -- infer, decompose, define, kernel -- trusts them. */
bool fv_op_check(fv_op *op) FV_MUST_USE;
/* The same where regions are not there yet. */
bool fv_op_check_around(fv_op *op) FV_MUST_USE;
/* The same of the operands that are there alone: before .upgrade, which adds others. */
bool fv_op_check_operands(fv_op *op) FV_MUST_USE;

/* "at least 2", "1", "1 to 3"; NULL: any. */
const char *fv_rank_str(fv_arena *a, const fv_rank_def *r);

#endif
