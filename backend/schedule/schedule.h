/* schedule.h - the kernels of what an op gives. */
#ifndef FV_BACKEND_SCHEDULE_SCHEDULE_H
#define FV_BACKEND_SCHEDULE_SCHEDULE_H

#include "backend/lowering/lowering.h"

/* Adds the steps of op; false after a diagnostic. */
bool fv_schedule_op(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
