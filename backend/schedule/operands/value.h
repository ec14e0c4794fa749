/* value.h - the kernel of one value, by the first schedule of schedules.def that takes it. */
#ifndef FV_BACKEND_SCHEDULE_OPERANDS_VALUE_H
#define FV_BACKEND_SCHEDULE_OPERANDS_VALUE_H

#include "backend/lowering/lowering.h"

/* Of s by its definition, behind those of its operands; and those of operands that were defined for
 * a kernel to come. */
void fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op);
/* of a value with no elements: nothing is read for it */
void fv_spare_empty(fv_lowerer *l, fv_storage *s);
void fv_schedule_operands(fv_lowerer *l, fv_op *op);

#endif
