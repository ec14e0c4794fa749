/* schedule.h - makes the kernels that compute the results of an op. */
#ifndef FV_BACKEND_SCHEDULE_SCHEDULE_H
#define FV_BACKEND_SCHEDULE_SCHEDULE_H

#include "backend/lowering/lowering.h"

/* Adds the steps of the program that compute op. Returns false after a diagnostic. */
bool fv_schedule_op(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
