/* progress.c - a line on the terminal while something takes long. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "tools/command/print.h"
#include "tools/command/progress.h"

static bool is_shown(const fv_context *c) {
    return !c->args->print.quiet && fv_is_terminal(STDERR_FILENO);
}

void fv_progress(const fv_context *c, const char *format, ...) {
    char line[200];
    va_list args;
    if (!is_shown(c))
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fv_err("\r\033[K%.120s", line);
}

void fv_progress_end(const fv_context *c) {
    if (is_shown(c))
        fv_err("\r\033[K");
}
