/* attend_parts.h - kernels in addition to that of attention, which divide the keys of a single
 * query among tasks. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_PARTS_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_PARTS_H

#include "backend/schedule/attend/attend.h"

/* Sets p->shared if dims require or allow it; must be called after other operands were placed. */
void fv_attend_place_parts(fv_attend_plan *p);
/* Emit the kernels before and after that of the attention; none, if keys are never shared. Each
 * kernel uses a->e, whose previous contents are lost. */
void fv_attend_share_scores(fv_attend *a, fv_op *op);
void fv_attend_share_values(fv_attend *a, fv_op *op);

#endif
