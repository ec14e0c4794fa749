/* precompute.h - operands that kernels of their own make before. */
#ifndef FV_BACKEND_SCHEDULE_OPERANDS_PRECOMPUTE_H
#define FV_BACKEND_SCHEDULE_OPERANDS_PRECOMPUTE_H

#include "backend/lowering/lowering.h"

/* What an operand is called by: the first value that x loads, else that of d. */
const char *fv_operand_name(const fv_expr *x, const fv_definition *d);
/* A new value with these axes; it has no definition. */
fv_value *fv_new_value(fv_lowerer *l, const char *name, fv_elem e, int n, fv_var *const *index);
/* v is made in the run, before `of`: x, over other index variables than those of `index`. */
void fv_define_operand(fv_lowerer *l, fv_op *op, fv_value *v, fv_var *const *index, fv_expr *x,
                       const fv_definition *of);
/* A new value of d's operand `what`, x over these variables, made before by a kernel of its own. */
fv_value *fv_precompute(fv_lowerer *l, fv_op *op, const fv_definition *d, const char *what, int n,
                        fv_var *const *index, fv_expr *x);

#endif
