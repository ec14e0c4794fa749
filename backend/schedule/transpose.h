/* transpose.h - blocks whose rows become columns. */
#ifndef FV_BACKEND_SCHEDULE_TRANSPOSE_H
#define FV_BACKEND_SCHEDULE_TRANSPOSE_H

#include "backend/lowering/lowering.h"

/* The kernel of one value. False, and nothing done: not its kind. */
bool fv_schedule_transpose(fv_lowerer *l, fv_storage *s, fv_op *op) FV_MUST_USE;

#endif
