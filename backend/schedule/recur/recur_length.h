/* recur_length.h - steps of a recurrence that change nothing any more: where rows of a batch have
 * fewer than others. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_LENGTH_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_LENGTH_H

#include "ir/definition/recurrence.h"

/* How many steps a place takes, over the variables of r: behind them every state stays as it is,
 * and no element depends on one. NULL: all of them. */
fv_expr *fv_recur_length(fv_arena *a, const fv_recurrence *r);
/* An element as it is behind the steps of its place, of a recurrence that has a length. */
fv_emission fv_recur_rest(fv_arena *a, const fv_recurrence *r, const fv_emission *m);

#endif
