/* recur_length.h - finds after how many steps a recurrence no longer changes, as in a batch whose
 * rows have different lengths. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_LENGTH_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_LENGTH_H

#include "ir/definition/recurrence.h"

/* Returns the number of steps that each row takes, an expression over the variables of r: after
 * these steps no state changes, and no element depends on states. NULL: all steps are needed. */
fv_expr *fv_recur_length(fv_arena *a, const fv_recurrence *r);
/* Returns m with the value that its element has after the steps of its row. Only for a recurrence
 * with a length. */
fv_emission fv_recur_rest(fv_arena *a, const fv_recurrence *r, const fv_emission *m);

#endif
