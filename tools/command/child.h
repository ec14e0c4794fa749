/* child.h - other runs of programs: of this one too, so that what crashes is the child. */
#ifndef FV_TOOLS_COMMAND_CHILD_H
#define FV_TOOLS_COMMAND_CHILD_H

#include "tools/command/command.h"

/* This very program. */
extern const char fv_child_self[];
/* Runs `program` with words, NULL terminated, of which the first is its name; what it says goes
 * into the file `said`, its standard input is empty. Returns its exit status, 128 and the signal
 * where one ended it; -1 after a diagnostic: it cannot be run. */
int fv_child_run(const fv_context *c, const char *program, const char *const *words,
                 const char *said);
/* The words as a line for a shell. */
const char *fv_child_line(fv_arena *a, const char *const *words);

#endif
