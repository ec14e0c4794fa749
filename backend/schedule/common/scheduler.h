/* scheduler.h - what a schedule is: it chooses, has operands placed, and emits the kernel of a
 * value. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_SCHEDULER_H
#define FV_BACKEND_SCHEDULE_COMMON_SCHEDULER_H

#include "backend/lowering/lowering.h"

typedef struct fv_scheduler {
    /* What it would make of s, for the other two; NULL: s is not its kind. Says why, and does
     * nothing. */
    void *(*choose)(fv_lowerer *l, const fv_storage *s)FV_MUST_USE;
    /* Defines the operands that kernels of their own make before (fv_define_operand); NULL: there
     * are none. */
    void (*place)(fv_lowerer *l, fv_op *op, void *plan);
    void (*emit)(fv_lowerer *l, const fv_storage *s, fv_op *op, void *plan);
} fv_scheduler;

#define SCHEDULE(id, ...) extern const fv_scheduler fv_schedule_##id;
#include "backend/schedule/schedules.def"
#undef SCHEDULE

#endif
