/* substitute.h - definitions in the place of what loads them. */
#ifndef FV_BACKEND_FUSE_SUBSTITUTE_H
#define FV_BACKEND_FUSE_SUBSTITUTE_H

#include "backend/lowering/lowering.h"

/* x with the definitions of values that are substituted in it; their origins join *origin. */
fv_expr *fv_substitute(fv_lowerer *l, fv_expr *x, const fv_origin **origin);

#endif
