/* levels.h - programs of one model for several targets, whose code is in one file. */
#ifndef FV_BACKEND_CONSUMER_LEVELS_H
#define FV_BACKEND_CONSUMER_LEVELS_H

#include "ir/kernel/program.h"

/* A copy of levels[0] that has the constants of all n programs, for which code is emitted together.
 * Constants of equal bytes are one: afterwards the programs have the same address for them, by
 * which fv_level_constant finds them. */
fv_program *fv_program_of_levels(fv_arena *a, int n, fv_program *const *levels);
/* The number in `all`, which fv_program_of_levels has made, of constant i of one of its
 * programs. */
int fv_level_constant(const fv_program *all, const fv_program *level, int i);
/* The bytes of constants in `all` that are not constants of every one of the programs. */
size_t fv_levels_unshared(const fv_program *all, int n, fv_program *const *levels);

#endif
