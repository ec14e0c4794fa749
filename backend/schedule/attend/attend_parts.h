/* attend_parts.h - dividing the keys of a single query among tasks: kernels in addition to that of
 * attention. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_PARTS_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_PARTS_H

#include "backend/schedule/attend/attend.h"

/* Sets a->shared if dims require or allow that tasks share keys; called after other operands are
 * placed. */
void fv_attend_place_parts(fv_attend *a);
/* Emit the kernels before and after that of the attention; none if keys are not shared. Each call
 * resets a->e. */
void fv_attend_share_scores(fv_attend *a, fv_op *op);
void fv_attend_share_values(fv_attend *a, fv_op *op);

#endif
