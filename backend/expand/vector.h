/* vector.h - the second step of expansion: vector loops become vector code, or serial. */
#ifndef FV_BACKEND_EXPAND_VECTOR_H
#define FV_BACKEND_EXPAND_VECTOR_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

/* Step 2 of expansion (expand.h): appends `in` to `out` with vector code in place of vector loops.
 * bounds: what is known of parameters that are constants (fv_constant_bounds). */
void fv_expand_vectors(fv_arena *a, const fv_target *t, const fv_ptrmap *bounds, const fv_block *in,
                       fv_block *out);

#endif
