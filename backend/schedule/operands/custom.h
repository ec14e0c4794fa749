/* custom.h - launches of custom operators. */
#ifndef FV_BACKEND_SCHEDULE_OPERANDS_CUSTOM_H
#define FV_BACKEND_SCHEDULE_OPERANDS_CUSTOM_H

#include "backend/lowering/lowering.h"

/* Builds the kernels of the op. False after a diagnostic. */
bool fv_schedule_custom(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
