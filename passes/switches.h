/* switches.h - passes, rules of passes and steps of lowering by name: what --disable leaves out,
 * and --enable asks for. */
#ifndef FV_PASSES_SWITCHES_H
#define FV_PASSES_SWITCHES_H

#include "ir/base/arena.h"

/* What is wrong with such lists of names, NULL terminated or NULL; NULL: nothing. In the arena; it
 * begins with "enable=" or "disable=".
 *  passes, steps  lists that replace the level's, or NULL; what is enabled has no place in them */
const char *fv_switches_wrong(fv_arena *a, const char *const *passes, const char *const *steps,
                              const char *const *enable, const char *const *disable);
/* Ids of the steps that are not in the list of names, NULL terminated; NULL: all are. In the
 * arena. */
const char *const *fv_switches_steps(fv_arena *a, const char *const *steps);

#endif
