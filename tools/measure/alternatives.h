/* alternatives.h - what `fovea tune` tries for a kernel. */
#ifndef FV_TOOLS_MEASURE_ALTERNATIVES_H
#define FV_TOOLS_MEASURE_ALTERNATIVES_H

#include "backend/lowering/options.h"

/* The ith alternative to what was chosen, legal: the most promising first, the parameters that are
 * other in *out. -1: there are no more; 0: the ith is none for this kernel; 1: it is there. */
int fv_alternative(fv_arena *a, const fv_choice *chosen, int threads, int i, fv_schedule *out);

#endif
