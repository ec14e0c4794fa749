/* concat.h - kernels write the operands of a Concat directly into its memory. */
#ifndef FV_BACKEND_STEPS_CONCAT_H
#define FV_BACKEND_STEPS_CONCAT_H

#include "backend/lowering/lowering.h"

/* Can kernels write at least half of the elements of this Concat directly? Then its result gets
 * memory, and is not substituted. */
bool fv_concat_pays(fv_lowerer *l, const fv_op *op) FV_MUST_USE;

#endif
