/* alternatives.h - the schedules that `fovea tune` tries for a kernel. */
#ifndef FV_TOOLS_MEASURE_ALTERNATIVES_H
#define FV_TOOLS_MEASURE_ALTERNATIVES_H

#include "backend/lowering/options.h"

/* Sets *out to the values in which the i-th alternative differs from the chosen schedule. The
 * alternative is legal; the most promising ones come first. Returns -1 if there are no more, 0 if
 * the i-th does not apply to this kernel, 1 if *out is set. */
int fv_alternative(fv_arena *a, const fv_choice *chosen, int threads, int i, fv_schedule *out);
/* Sets *out to both changes of the chosen schedule together. False: they change the same parameter,
 * or are not legal together. */
bool fv_alternative_both(fv_arena *a, const fv_choice *chosen, const fv_schedule *first,
                         const fv_schedule *second, fv_schedule *out) FV_MUST_USE;

#endif
