/* switches.h - passes and steps of lowering by name: what --disable leaves out, and --enable asks for. */
#ifndef FV_PASSES_SWITCHES_H
#define FV_PASSES_SWITCHES_H

#include "ir/base/arena.h"

/* What is wrong with such lists of names, NULL terminated or NULL; NULL: nothing. In the arena; it
 * begins with "enable=" or "disable=".
 *  passes  a list that replaces the level's, or NULL; what is enabled has no place in it */
const char *fv_switches_wrong(fv_arena *a, const char *const *passes, const char *const *enable, const char *const *disable);
/* Ids of the steps that are disabled, NULL terminated; NULL: none is. In the arena. */
const char *const *fv_switches_steps(fv_arena *a, const char *const *disable);

#endif
