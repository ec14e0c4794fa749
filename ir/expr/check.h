/* check.h - what types the parts of an expression must have. */
#ifndef FV_IR_EXPR_CHECK_H
#define FV_IR_EXPR_CHECK_H

#include "ir/expr/expr.h"

/* What is wrong with the types of a node and its arguments, those being right; NULL: nothing. */
const char *fv_x_problem(fv_arena *a, const fv_expr *x);

#endif
