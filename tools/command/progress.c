/* progress.c - a line on the terminal while something takes long. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/command/print.h"
#include "tools/command/progress.h"

static bool is_on_terminal; /* a line that fv_progress_end has not erased yet */

void fv_progress(const fv_args *a, const char *format, ...) {
    char line[200];
    va_list list;
    if (a->print.quiet || !fv_is_terminal(STDERR_FILENO))
        return;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    fv_err("\r\033[K%.120s", line);
    is_on_terminal = true;
}

void fv_progress_end(void) {
    if (is_on_terminal)
        fv_err("\r\033[K");
    is_on_terminal = false;
}
