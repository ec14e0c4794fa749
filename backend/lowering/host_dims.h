/* host_dims.h - translates dims to expressions over variables of the host program. */
#ifndef FV_BACKEND_LOWERING_HOST_DIMS_H
#define FV_BACKEND_LOWERING_HOST_DIMS_H

#include "backend/lowering/lowering.h"

/* Is the symbol one whose value the caller passes? */
bool fv_p_caller_knows(const fv_lowerer *l, const fv_dim *symbol) FV_MUST_USE;
/* The variable of a symbol, which is made if needed. */
fv_var *fv_p_symbol_var(fv_lowerer *l, const fv_dim *symbol);
/* Makes the variables of all symbols that the caller passes. */
void fv_p_symbols(fv_lowerer *l);
/* d as an expression over variables of the program. Symbols that depend on data must be bound
 * before it is used. */
fv_expr *fv_p_dim(fv_lowerer *l, const fv_dim *d);
/* d in the table t, whose symbols have the bounds that assumptions leave: `max(h - 2, 0)` is `h -
 * 2` there if a crop requires h >= 2. Symbols that t lacks are added. */
const fv_dim *fv_p_in_bounds(fv_lowerer *l, fv_dims *t, const fv_dim *d);
void fv_p_add_buffer(fv_lowerer *l, fv_buf *b);
/* Adds a LET to the plan and returns its variable. */
fv_expr *fv_p_plan_let(fv_lowerer *l, const char *name, fv_expr *x);

#endif
