/* split.h - splits an axis that a factor uses in groups into two axes. */
#ifndef FV_BACKEND_AXES_SPLIT_H
#define FV_BACKEND_AXES_SPLIT_H

#include "backend/lowering/lowering.h"

/* A copy of the definition in which an axis that one factor of its product uses in groups is two
 * axes. */
fv_definition *fv_split_axes(fv_lowerer *l, const fv_definition *d);
/* The size of the groups in which exactly one factor of the product uses v; 0: there are none. */
int64_t fv_group_size(const fv_expr *sum, const fv_var *v);

#endif
