/* progress.c - a line on the terminal while something takes long. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/command/print.h"
#include "tools/command/progress.h"

static bool is_shown(const fv_args *a) {
    return !a->print.quiet && fv_is_terminal(STDERR_FILENO);
}

void fv_progress(const fv_args *a, const char *format, ...) {
    char line[200];
    va_list list;
    if (!is_shown(a))
        return;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    fv_err("\r\033[K%.120s", line);
}

void fv_progress_end(const fv_args *a) {
    if (is_shown(a))
        fv_err("\r\033[K");
}
