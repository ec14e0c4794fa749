/* child.h - runs programs as children, including this one, so that a crash ends only the child. */
#ifndef FV_TOOLS_COMMAND_CHILD_H
#define FV_TOOLS_COMMAND_CHILD_H

#include "tools/command/command.h"

/* The path of this program. */
extern const char fv_child_self[];
/* Runs `program` with the arguments `words` (NULL terminated, the first is its name). Its outputs
 * go into the file `said`; its standard input is empty. Returns its exit status, or 128 plus the
 * number of the signal that ended it; -1 after a diagnostic if it cannot be run. */
int fv_child_run(const fv_context *c, const char *program, const char *const *words,
                 const char *said);
/* The words as a command line for a shell, quoted where necessary. */
const char *fv_child_line(fv_arena *a, const char *const *words);

#endif
