/* later_steps.h - a tile's prefetches of a factor that is read once, row by row, without panels. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_LATER_STEPS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_LATER_STEPS_H

#include "backend/schedule/contract/contraction.h"

/* Plans the prefetches of `load`, which the factor with the columns contains, or of nothing if they
 * gain no time: a load of an input of the model, contiguous along the columns, `columns` of them in
 * all. weights: the bytes of weights that a run reads. */
void fv_tile_plan_later_steps(fv_tile *t, const fv_expr *load, int64_t columns, int64_t weights);
/* Emits the prefetches that belong to the current step of the sum, if any are planned. */
void fv_tile_prefetch_later_steps(fv_tile *t);

#endif
