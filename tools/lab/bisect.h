/* bisect.h - `opt --bisect`: finds the one optional change of a compilation that makes a model
 * fail. */
#ifndef FV_TOOLS_LAB_BISECT_H
#define FV_TOOLS_LAB_BISECT_H

#include "tools/command/command.h"

/* Finds the one optional change that makes the model fail, by running this program with
 * --stop-after, and writes a folder with the files that are needed to repeat the failure. Returns
 * the exit status: FV_EXIT_OK if nothing fails, FV_EXIT_MODEL if the change was found, or if the
 * model fails without any change as well; another one after a message. */
int fv_bisect(fv_context *c);

#endif
