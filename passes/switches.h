/* switches.h - the names that --disable and --enable take: passes, rules of passes and steps of
 * lowering. */
#ifndef FV_PASSES_SWITCHES_H
#define FV_PASSES_SWITCHES_H

#include "ir/base/arena.h"

/* What is wrong with the lists of --enable and --disable; NULL: nothing. All lists are NULL
 * terminated, or NULL. The text is in the arena and begins with "enable=" or "disable=". passes,
 * steps: lists that replace those of the level; a name that is enabled must then be in its list. */
const char *fv_switches_wrong(fv_arena *a, const char *const *passes, const char *const *steps,
                              const char *const *enable, const char *const *disable);
/* The ids of the steps that a list of names lacks (NULL terminated; NULL: it lacks none). In the
 * arena. */
const char *const *fv_switches_steps(fv_arena *a, const char *const *steps);

#endif
