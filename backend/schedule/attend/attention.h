/* attention.h - what others ask of the schedule of attention. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTENTION_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTENTION_H

#include "backend/fuse/form.h"
#include "backend/schedule/common/scheduler.h"

/* A plan of fv_schedule_attend is to store the weights as well, as the element of these, over
 * variables of the result but for the key. */
void fv_attend_keeps(void *plan, const fv_definition *weights);

/* Would one kernel make both results of such a group, merged by fv_merge_group? Decides, and does
 * nothing. */
bool fv_is_attended_with(fv_lowerer *l, const fv_definition *weights,
                         const fv_definition *result) FV_MUST_USE;
/* The kernel of a group of the two. False: it is none; nothing was done. */
bool fv_schedule_kept(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
