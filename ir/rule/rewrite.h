/* rewrite.h - an op into simpler ones, by its entry. */
#ifndef FV_IR_RULE_REWRITE_H
#define FV_IR_RULE_REWRITE_H

#include "ir/graph/graph.h"

/* Has it a .rule or a .decompose, or too many operands for one kernel? */
bool fv_op_must_rewrite(const fv_op *op) FV_MUST_USE;
/* Rewrites such an op, and erases it; false after a diagnostic. */
bool fv_op_rewrite(fv_op *op) FV_MUST_USE;

#endif
