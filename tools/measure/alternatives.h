/* alternatives.h - the schedules that `fovea tune` tries for a kernel. */
#ifndef FV_TOOLS_MEASURE_ALTERNATIVES_H
#define FV_TOOLS_MEASURE_ALTERNATIVES_H

#include "backend/lowering/options.h"

/* Sets *out to the i-th alternative of the chosen schedule, which is legal; the most promising ones
 * come first. Returns -1: there are no more; 0: the i-th does not apply to this kernel; 1: *out is
 * set. */
int fv_alternative(fv_arena *a, const fv_choice *chosen, int threads, int i, fv_schedule *out);

#endif
