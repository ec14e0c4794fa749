/* rewrite.h - rewriting an op into simpler ones as its entry in the catalogue says. */
#ifndef FV_IR_RULE_REWRITE_H
#define FV_IR_RULE_REWRITE_H

#include "ir/graph/graph.h"

/* Does the op have a .rule, .decompose or .body, or is it associative with so many operands
 * (MAX_FAN, rewrite.c) that it becomes a tree? False for an If of which either branch may be
 * taken. */
bool fv_op_must_rewrite(const fv_op *op) FV_MUST_USE;
/* Replaces an op for which fv_op_must_rewrite holds by simpler ones and erases it; false after a
 * diagnostic. */
bool fv_op_rewrite(fv_op *op) FV_MUST_USE;

#endif
