/* progress.h - a line on the terminal while something takes long. */
#ifndef FV_TOOLS_COMMAND_PROGRESS_H
#define FV_TOOLS_COMMAND_PROGRESS_H

#include "tools/command/command.h"

/* Shows the line on standard error in place of the one before, if that is a terminal and -q is not
 * given. fv_progress_end erases it if there is one, and must be called before anything else is
 * printed. */
void fv_progress(const fv_args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fv_progress_end(void);

#endif
