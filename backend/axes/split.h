/* split.h - splits an axis that a factor uses in groups into two axes. */
#ifndef FV_BACKEND_AXES_SPLIT_H
#define FV_BACKEND_AXES_SPLIT_H

#include "backend/lowering/lowering.h"

/* A copy of the definition in which each axis that one factor of its product uses in groups, as
 * v floordiv n or v mod n, is two axes. If it has no sum or several, all axes stay. */
fv_definition *fv_split_axes(fv_lowerer *l, const fv_definition *d);
/* The n for which one factor of the product uses v only as `v floordiv n`, and the other one uses v
 * in another form; 0: there is none. */
int64_t fv_group_size(const fv_expr *sum, const fv_var *v);

#endif
