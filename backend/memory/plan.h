/* plan.h - decides in which buffer each value is stored, and computes how long it is needed. */
#ifndef FV_BACKEND_MEMORY_PLAN_H
#define FV_BACKEND_MEMORY_PLAN_H

#include "backend/lowering/lowering.h"

/* The bytes of a value of that type. Negative dims count as 0; the run refuses them before the
 * memory is used. */
fv_expr *fv_bytes_of(fv_lowerer *l, const fv_type *t);
/* Computes roles, sizes and offsets of all buffers of the program. */
void fv_plan_buffers(fv_lowerer *l);

#endif
