/* value.h - builds the kernel of a value, by the first schedule of schedules.def that applies to
 * it. */
#ifndef FV_BACKEND_SCHEDULE_OPERANDS_VALUE_H
#define FV_BACKEND_SCHEDULE_OPERANDS_VALUE_H

#include "backend/lowering/lowering.h"

/* Builds the kernel of s, after the kernels of its operands. */
void fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op);
/* fv_schedule_value for a value on which the steps split and merge did not run, or ran together
 * with others of its group: a value that a recurrence needs, or of a group that is not one
 * kernel. */
void fv_schedule_alone(fv_lowerer *l, fv_storage *s, fv_op *op);
void fv_schedule_operands(fv_lowerer *l, fv_op *op);

#endif
