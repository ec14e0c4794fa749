/* later_steps.h - a tile's prefetches of a factor that is read once, row by row, without panels. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_LATER_STEPS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_LATER_STEPS_H

#include "backend/schedule/contract/contraction.h"

/* Plans the prefetches of `load`, which the factor with the columns contains: a load that is
 * contiguous along the columns, of which there are `columns` in all. Nothing is prefetched if that
 * gains no time: if `load` reads no input of the model, or `weights`, the bytes of weights that are
 * read until it is read again, leave it in the second-level cache; if a row has more bytes than the
 * distance of prefetches, or rows are at no constant distance; or if the target has no vectors or
 * small code is wanted. */
void fv_tile_plan_later_steps(fv_tile *t, const fv_expr *load, int64_t columns, int64_t weights);
/* Emits the prefetches that belong to the current step of the sum, if any are planned. */
void fv_tile_prefetch_later_steps(fv_tile *t);

#endif
