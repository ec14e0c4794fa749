/* group.h - which definitions are substituted into their uses. */
#ifndef FV_BACKEND_FUSE_GROUP_H
#define FV_BACKEND_FUSE_GROUP_H

#include "backend/lowering/lowering.h"

/* What else reads a value than definitions needs it in memory. */
bool fv_must_have_memory(fv_lowerer *l, const fv_value *v) FV_MUST_USE;
/* x with the definitions of values that are substituted in it; their origins join *origin. */
fv_expr *fv_substitute(fv_lowerer *l, fv_expr *x, const fv_origin **origin);

#endif
