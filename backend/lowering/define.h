/* define.h - makes definitions of ops. */
#ifndef FV_BACKEND_LOWERING_DEFINE_H
#define FV_BACKEND_LOWERING_DEFINE_H

#include "backend/lowering/lowering.h"

/* Replaces operand i of `ret`, which is the return or a mark, by a copy; false after a
 * diagnostic. */
bool fv_copy_result(fv_lowerer *l, fv_op *ret, int i) FV_MUST_USE;

/* Makes the definitions of the results of op, or its recurrence. A statement, and an op with a
 * kernel of its own, gets none. False after a diagnostic. */
bool fv_define_op(fv_lowerer *l, fv_op *op) FV_MUST_USE;

/* The values that x loads, each once, in the order in which they occur: the operands of an op with
 * the definition x. *n: their number. */
fv_value **fv_values_loaded(fv_lowerer *l, const fv_expr *x, int *n);

#endif
