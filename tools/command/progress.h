/* progress.h - a line on the terminal while something takes long.
 *
 * It is shown on standard error if that is a terminal, and neither -q is given nor `-o -` writes to
 * the same terminal. It is never wider than the terminal, and any other output erases it. */
#ifndef FV_TOOLS_COMMAND_PROGRESS_H
#define FV_TOOLS_COMMAND_PROGRESS_H

#include "tools/command/command.h"

/* Shows the line, which says what the command does until fv_progress_end. */
void fv_progress(const fv_args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Shows what is done with the model at `path`, such as "runs": after the line of fv_progress, or
 * after the path if there is none. */
void fv_progress_phase(const fv_args *a, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Erases the line and forgets the text of fv_progress. */
void fv_progress_end(void);
/* Callbacks that show each pass and step of lowering as a phase; none if nothing is shown. */
fv_step_progress fv_progress_of_steps(fv_context *c);

#endif
