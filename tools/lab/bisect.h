/* bisect.h - `opt --bisect`: the one change of a compilation after which a model goes wrong. */
#ifndef FV_TOOLS_LAB_BISECT_H
#define FV_TOOLS_LAB_BISECT_H

#include "tools/command/command.h"

/* Finds it by runs of this command with --stop-after, and leaves a folder with what repeats it.
 * Returns the exit status: FV_EXIT_OK where nothing goes wrong, FV_EXIT_MODEL where it is found. */
int fv_bisect(fv_context *c);

#endif
