/* program.h - what plan.c and program.c share: dims as expressions over the program's variables. */
#ifndef FV_BACKEND_PROGRAM_H
#define FV_BACKEND_PROGRAM_H

#include "backend/lower.h"

/* Makes the variables of the symbols that the caller gives. */
void fv_p_symbols(fv_lowerer *l);
bool fv_p_mentions(const fv_dim *d, const fv_dim *symbol) FV_MUST_USE;
/* A dim over the program's variables; data-dependent symbols must be bound when it is used. */
fv_expr *fv_p_dim(fv_lowerer *l, const fv_dim *d);
void fv_p_add_buffer(fv_lowerer *l, fv_buf *b);
/* A LET of the plan. */
fv_expr *fv_p_plan_let(fv_lowerer *l, const char *name, fv_expr *x);

#endif
