/* types.h - the first step of expansion: MATH, missing instructions and storage types become
 * arithmetic. */
#ifndef FV_BACKEND_EXPAND_TYPES_H
#define FV_BACKEND_EXPAND_TYPES_H

#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

/* Step 1 of expansion (expand.h). False after a diagnostic: backend/math lacks a function. */
bool fv_expand_types(fv_arena *a, const fv_target *t, const fv_block *in,
                     fv_block *out) FV_MUST_USE;

#endif
