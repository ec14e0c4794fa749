/* attend_parts.h - the keys of a single query, shared among tasks: kernels beside that of
 * attention. */
#ifndef FV_BACKEND_SCHEDULE_ATTEND_ATTEND_PARTS_H
#define FV_BACKEND_SCHEDULE_ATTEND_ATTEND_PARTS_H

#include "backend/schedule/attend/attend.h"

/* Sets a->shared, where dims leave it open or say so; behind what else is placed. */
void fv_attend_place_parts(fv_attend *a);
/* The kernels that come before that of the attention, and those behind it; of none, where nothing
 * is shared. Each uses a->e anew. */
void fv_attend_share_scores(fv_attend *a, fv_op *op);
void fv_attend_share_values(fv_attend *a, fv_op *op);

#endif
