/* any_tuning.h - random legal schedules for the kernels of a program. */
#ifndef TESTS_TUNING_ANY_TUNING_H
#define TESTS_TUNING_ANY_TUNING_H

#include "backend/lowering/options.h"
#include "ir/base/random.h"

/* Are the values of all parameters that are choices legal? */
bool any_tuning_is_legal(fv_arena *a, const fv_choice *c, const fv_schedule *s);
/* A schedule for each kernel for which one is found: what was chosen, with some parameters at
 * random, small values as often as large ones. */
fv_tuning any_tuning(fv_arena *a, fv_random *r, const fv_choices *all);
/* The schedules as text, for messages. */
const char *any_tuning_text(fv_arena *a, const fv_tuning *u);

#endif
