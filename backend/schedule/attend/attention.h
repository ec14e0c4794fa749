/* attention.h - kernels of attention that also store the attention weights, because the weights
 * have other readers. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTENTION_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTENTION_H

#include "backend/fuse/form.h"
#include "backend/schedule/common/scheduler.h"

/* Makes the plan of fv_schedule_attend store the weights as well. `weights`: the definition of an
 * element, over the index variables of the result and the key. */
void fv_attend_keeps(void *plan, const fv_definition *weights);

/* Would one kernel compute both the attention weights and the attention `result`, as definitions of
 * a group merged by fv_merge_group? Changes nothing. */
bool fv_is_attended_with(fv_lowerer *l, const fv_definition *weights,
                         const fv_definition *result) FV_MUST_USE;
/* Builds the kernel of op, a group of attention weights and the attention's result. False: op is
 * not such a group, and nothing was changed. */
bool fv_schedule_kept(fv_lowerer *l, fv_op *op) FV_MUST_USE;

#endif
