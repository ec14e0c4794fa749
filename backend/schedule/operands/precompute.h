/* precompute.h - operands that are computed by kernels of their own, before the kernel that reads
 * them. */
#ifndef FV_BACKEND_SCHEDULE_OPERANDS_PRECOMPUTE_H
#define FV_BACKEND_SCHEDULE_OPERANDS_PRECOMPUTE_H

#include "backend/lowering/lowering.h"

/* A name for an operand: that of the first value that x loads; if there is none, that of d. */
const char *fv_operand_name(const fv_expr *x, const fv_definition *d);
/* A new value without a definition, with an axis for each of the n variables `index`. */
fv_value *fv_new_value(fv_lowerer *l, const char *name, fv_elem e, int n, fv_var *const *index);
/* Defines v, an operand of `of`: it is computed at run time, before `of`, as x, with new index
 * variables in place of `index`. */
void fv_define_operand(fv_lowerer *l, fv_op *op, fv_value *v, fv_var *const *index, fv_expr *x,
                       const fv_definition *of);
/* A new value x, as an expression over these variables, which is computed at run time before d.
 * `what`: its purpose for d, which becomes part of its name. */
fv_value *fv_precompute(fv_lowerer *l, fv_op *op, const fv_definition *d, const char *what, int n,
                        fv_var *const *index, fv_expr *x);

#endif
