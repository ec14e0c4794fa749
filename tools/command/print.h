/* print.h - the one border to the terminal: what the command prints passes here. */
#ifndef FV_TOOLS_COMMAND_PRINT_H
#define FV_TOOLS_COMMAND_PRINT_H

#include <stdarg.h>
#include <stdio.h>

/* printf to standard output and to standard error, but that texts (%s) are shown as
 * ir/base/quoted.h says: a name of a model or a file can neither begin a line nor command the
 * terminal. The format is ours, and may. Widths count characters, precisions bytes. Conversions: s
 * c d i u x g f e, with h l ll z j. */
void fv_out(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fv_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fv_verr(const char *format, va_list args);
void fv_print(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What the width of a column has to be for the text to fit in. */
int fv_shown_width(const char *text);
/* A text of several lines that Fovea wrote: help, a graph. It goes out as it is. */
void fv_put_text(FILE *f, const char *text);
/* A text that somebody else wrote, n bytes: line ends and tabs stay, the rest is shown as names
 * are. */
void fv_put_lines(FILE *f, const char *text, size_t n);

#endif
