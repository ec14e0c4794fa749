/* check.h - type rules of expressions. */
#ifndef FV_IR_EXPR_CHECK_H
#define FV_IR_EXPR_CHECK_H

#include "ir/expr/expr.h"

/* Checks the type of a node and its arguments, whose own arguments are legal. Returns NULL, or a
 * text that says what is wrong. */
const char *fv_x_problem(fv_arena *a, const fv_expr *x);

#endif
