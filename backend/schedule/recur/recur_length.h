/* recur_length.h - steps of a recurrence that change nothing any more: where rows of a batch have
 * fewer than others. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_LENGTH_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_LENGTH_H

#include "ir/definition/recurrence.h"

/* The number of steps of an element, over the variables of r: after these steps every state keeps
 * its value, and no element depends on it. NULL: all steps. */
fv_expr *fv_recur_length(fv_arena *a, const fv_recurrence *r);
/* The value of an element after the steps of its row, for a recurrence that has a length. */
fv_emission fv_recur_rest(fv_arena *a, const fv_recurrence *r, const fv_emission *m);

#endif
