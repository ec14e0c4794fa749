/* scheduler.h - the interface of a schedule: functions that choose a plan, define operands, and
 * emit the kernel of a value. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_SCHEDULER_H
#define FV_BACKEND_SCHEDULE_COMMON_SCHEDULER_H

#include "backend/lowering/lowering.h"

typedef struct fv_scheduler {
    /* Makes a plan for s, which is passed to the other two functions; NULL: the schedule does not
     * apply to s. Records reasons, and changes nothing else. */
    void *(*choose)(fv_lowerer *l, const fv_storage *s)FV_MUST_USE;
    /* Defines the operands that need kernels of their own (fv_define_operand); NULL: there are
     * none. */
    void (*place)(fv_lowerer *l, fv_op *op, void *plan);
    void (*emit)(fv_lowerer *l, const fv_storage *s, fv_op *op, void *plan);
} fv_scheduler;

#define SCHEDULE(id, ...) extern const fv_scheduler fv_schedule_##id;
#include "backend/schedule/schedules.def"
#undef SCHEDULE

#endif
