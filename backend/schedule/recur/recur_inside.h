/* recur_inside.h - recurrences with all steps in one kernel. */
#ifndef FV_BACKEND_SCHEDULE_RECUR_RECUR_INSIDE_H
#define FV_BACKEND_SCHEDULE_RECUR_RECUR_INSIDE_H

#include "backend/schedule/recur/recur_parts.h"

void fv_recur_alone(fv_parts *p);  /* each place has its own steps, with states in registers */
void fv_recur_inside(fv_parts *p); /* states are memory of the kernel */

#endif
