/* expand.h - the steps of fv_kernel_expand; ir/kernel/kernel.h says what comes out.
 *
 *   1. types    MATH, missing instructions and storage types become arithmetic (expand_types.c)
 *   2. vectors  vector loops become vector code, or serial (expand_vector.c, expand_lanes.c)
 *   3. flatten  loops are unrolled, the parallel nest becomes the task, dead lets go (expand.c)
 * Each step makes new statements in a new block; parameters and dims stay the source kernel's. */
#ifndef FV_BACKEND_EXPAND_H
#define FV_BACKEND_EXPAND_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

/* Step 1. False after a diagnostic: a function of the target's library is missing. */
bool fv_expand_types(fv_arena *a, const fv_target *t, const fv_block *in, fv_block *out) FV_MUST_USE;
/* Step 2. */
void fv_expand_vectors(fv_arena *a, const fv_target *t, const fv_block *in, fv_block *out);

#endif
