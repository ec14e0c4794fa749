/* substitute.h - replaces loads of values by the definitions of these values. */
#ifndef FV_BACKEND_FUSE_SUBSTITUTE_H
#define FV_BACKEND_FUSE_SUBSTITUTE_H

#include "backend/lowering/lowering.h"

/* x with loads of substituted values replaced by the definitions of these values. Loads of
 * constants with one element become numbers if their type has arithmetic, or if it is f16 or bf16
 * and is converted to f32 or f64. With FV_RELAX_F16_INTERMEDIATES, f32(f16(y)) and f32(bf16(y))
 * become y. The origins of the values are added to *origin. */
fv_expr *fv_substitute(fv_lowerer *l, fv_expr *x, const fv_origin **origin);

#endif
