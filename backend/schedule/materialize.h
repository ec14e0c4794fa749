/* materialize.h - factors of contractions that are more than a load, computed before. */
#ifndef FV_BACKEND_SCHEDULE_MATERIALIZE_H
#define FV_BACKEND_SCHEDULE_MATERIALIZE_H

#include "backend/lowering/lowering.h"

/* A factor that is more than a load as a load of what a kernel of its own has computed; else itself.
 * If `last` is not NULL: only where a window slides over it, and contiguous along that variable. */
fv_expr *fv_materialize(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum,
                       fv_expr *factor, const fv_var *last);

#endif
