/* host_dims.h - dims as expressions over the host program's variables. */
#ifndef FV_BACKEND_LOWERING_HOST_DIMS_H
#define FV_BACKEND_LOWERING_HOST_DIMS_H

#include "backend/lowering/lowering.h"

/* Does the caller give the value of the symbol? */
bool fv_p_caller_knows(const fv_lowerer *l, const fv_dim *symbol) FV_MUST_USE;
/* The variable of a symbol; made where there is none. */
fv_var *fv_p_symbol_var(fv_lowerer *l, const fv_dim *symbol);
/* Makes the variables of the symbols that the caller gives. */
void fv_p_symbols(fv_lowerer *l);
/* A dim over the program's variables; data-dependent symbols must be bound when it is used. */
fv_expr *fv_p_dim(fv_lowerer *l, const fv_dim *d);
/* The same dim in another table, in which symbols have the bounds that assumptions leave: `max(h -
 * 2, 0)` is `h - 2` there if a crop asks for h >= 2. Symbols that t lacks are added. */
const fv_dim *fv_p_in_bounds(fv_lowerer *l, fv_dims *t, const fv_dim *d);
void fv_p_add_buffer(fv_lowerer *l, fv_buf *b);
/* A LET of the plan. */
fv_expr *fv_p_plan_let(fv_lowerer *l, const char *name, fv_expr *x);

#endif
