/* plan.h - which buffer each value lies in, and how long. */
#ifndef FV_BACKEND_MEMORY_PLAN_H
#define FV_BACKEND_MEMORY_PLAN_H

#include "backend/lowering/lowering.h"

/* Roles, sizes and places of all buffers. */
void fv_plan_buffers(fv_lowerer *l);

#endif
