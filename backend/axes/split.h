/* split.h - an axis that is seen in groups becomes two. */
#ifndef FV_BACKEND_AXES_SPLIT_H
#define FV_BACKEND_AXES_SPLIT_H

#include "backend/lowering/lowering.h"

/* The same definition with an axis that one factor of its product sees in groups as two. */
fv_definition *fv_split_axes(fv_lowerer *l, const fv_definition *d);
/* Of the groups in which one factor sees v, and only that one; 0: there are none. */
int64_t fv_group_size(const fv_expr *sum, const fv_var *v);

#endif
