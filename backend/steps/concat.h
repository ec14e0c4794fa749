/* concat.h - what is made for a Concat is written where it belongs. */
#ifndef FV_BACKEND_STEPS_CONCAT_H
#define FV_BACKEND_STEPS_CONCAT_H

#include "backend/lowering/lowering.h"

/* Would most of what a Concat puts together be written where it belongs? Then it has memory. */
bool fv_concat_pays(fv_lowerer *l, const fv_op *op) FV_MUST_USE;

#endif
