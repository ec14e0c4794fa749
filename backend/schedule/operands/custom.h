/* custom.h - ops that bring their own kernels. */
#ifndef FV_BACKEND_SCHEDULE_OPERANDS_CUSTOM_H
#define FV_BACKEND_SCHEDULE_OPERANDS_CUSTOM_H

#include "backend/lowering/lowering.h"

/* The kernels that the op brings along. */
bool fv_schedule_custom(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
