/* plan.h - the buffer in which each value is stored, and how long it lives. */
#ifndef FV_BACKEND_MEMORY_PLAN_H
#define FV_BACKEND_MEMORY_PLAN_H

#include "backend/lowering/lowering.h"

/* Of a value of that type; a dim that is negative counts as 0: the run says so before it is
 * used. */
fv_expr *fv_bytes_of(fv_lowerer *l, const fv_type *t);
/* Roles, sizes and places of all buffers. */
void fv_plan_buffers(fv_lowerer *l);

#endif
