/* recur.h - makes the kernels of recurrences. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_H

#include "backend/lowering/lowering.h"
#include "ir/definition/recurrence.h"

/* Adds the launches that run the recurrence r, and those that pack the operands it reads. */
void fv_schedule_recurrence(fv_lowerer *l, fv_recurrence *r);

#endif
