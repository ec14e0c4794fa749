/* print.h - all output of the command to the terminal goes through these functions. */
#ifndef FV_TOOLS_COMMAND_PRINT_H
#define FV_TOOLS_COMMAND_PRINT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "ir/base/answer.h"

/* printf to standard output and to standard error. Texts (%s) are escaped as in ir/base/quoted.h,
 * so that a name of a model or file can neither begin a line nor control the terminal; the format
 * itself is not. Widths count characters, precisions count bytes. Conversions: s c d i u x g f e,
 * with h l ll z j. */
void fv_out(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fv_err(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fv_verr(const char *format, va_list args);
void fv_print(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Is it a terminal that can erase a line and show colours? */
bool fv_is_terminal(int fd) FV_MUST_USE;
/* Shows one line, without a line end, on standard error in place of the one before; the next output
 * of these functions erases it, and an empty text does, too. Nothing is shown after an output that
 * did not end its line. The text is written as it is. */
void fv_show_line(const char *text);
/* The width that a column needs for this text, in characters. */
int fv_shown_width(const char *text);
/* Prints a text of several lines that Fovea wrote, such as help or a graph, unchanged. */
void fv_put_text(FILE *f, const char *text);
/* Prints n bytes of a text that Fovea did not write. Line ends and tabs are kept, other characters
 * are escaped as in names. */
void fv_put_lines(FILE *f, const char *text, size_t n);

#endif
