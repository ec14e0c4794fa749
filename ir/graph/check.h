/* check.h - checks an op against its entry in the catalogue. */
#ifndef FV_IR_GRAPH_CHECK_H
#define FV_IR_GRAPH_CHECK_H

#include "ir/graph/graph.h"

/* Checks number of operands, names and kinds of attributes, types and ranks against the entry; does
 * not set types. The functions of the entry (infer, decompose, define, kernel) rely on it. False
 * after a diagnostic. */
bool fv_op_check(fv_op *op) FV_MUST_USE;
/* fv_op_check for an op whose regions do not exist yet. */
bool fv_op_check_around(fv_op *op) FV_MUST_USE;
/* Checks the operands that the op has, but not whether it has enough: used before .upgrade, which
 * may add operands. */
bool fv_op_check_operands(fv_op *op) FV_MUST_USE;

/* The ranks that an operand may have, as text: "at least 2", "1", "1 to 3"; NULL: any rank. */
const char *fv_rank_str(fv_arena *a, const fv_rank_def *r);

#endif
