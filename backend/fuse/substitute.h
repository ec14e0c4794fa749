/* substitute.h - replaces loads of values by the definitions of these values. */
#ifndef FV_BACKEND_FUSE_SUBSTITUTE_H
#define FV_BACKEND_FUSE_SUBSTITUTE_H

#include "backend/lowering/lowering.h"

/* x with loads of substituted values replaced by the definitions of these values, and loads of
 * constants with one element replaced by numbers. The origins of the values are added to
 * *origin. */
fv_expr *fv_substitute(fv_lowerer *l, fv_expr *x, const fv_origin **origin);

#endif
