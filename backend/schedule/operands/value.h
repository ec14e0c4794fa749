/* value.h - builds the kernel of a value, by the first schedule of schedules.def that applies to
 * it. */
#ifndef FV_BACKEND_SCHEDULE_OPERANDS_VALUE_H
#define FV_BACKEND_SCHEDULE_OPERANDS_VALUE_H

#include "backend/lowering/lowering.h"

/* Builds the kernel of s, after the kernels of its operands. */
void fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op);
/* replaces the definition of a value without elements, so that nothing is read for it */
void fv_spare_empty(fv_lowerer *l, fv_storage *s);
void fv_schedule_operands(fv_lowerer *l, fv_op *op);

#endif
