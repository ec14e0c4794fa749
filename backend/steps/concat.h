/* concat.h - kernels write the operands of a Concat directly into its memory. */
#ifndef FV_BACKEND_STEPS_CONCAT_H
#define FV_BACKEND_STEPS_CONCAT_H

#include "backend/lowering/lowering.h"

/* Is op a Concat of which kernels can write at least half of the elements directly? Then its result
 * gets memory, and is not substituted; the reason is recorded. */
bool fv_concat_pays(fv_lowerer *l, const fv_op *op) FV_MUST_USE;

#endif
