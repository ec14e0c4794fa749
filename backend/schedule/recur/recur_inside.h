/* recur_inside.h - makes one kernel that runs all steps of a recurrence. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_INSIDE_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_INSIDE_H

#include "backend/schedule/recur/recur_parts.h"

/* Makes the kernel for a recurrence in which each element reads only its own states: the states are
 * in registers. */
void fv_recur_alone(fv_parts *p);
void fv_recur_inside(fv_parts *p); /* Makes the kernel with the states in memory. */

#endif
