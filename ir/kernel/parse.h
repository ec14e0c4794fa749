/* parse.h - parses kernels and programs. */
#ifndef FV_IR_KERNEL_PARSE_H
#define FV_IR_KERNEL_PARSE_H

#include "ir/kernel/program.h"

/* The functions return NULL after a diagnostic with line and column. */
fv_kernel *fv_kernel_parse(fv_arena *a, const char *text);
/* Parses the kernel of that name in a text with several kernels; asserts that it exists. */
fv_kernel *fv_kernel_parse_called(fv_arena *a, const char *text, const char *name);
/* Parses a program, whose large constants are read from the file `side`; NULL: all constants are in
 * the text. */
fv_program *fv_program_parse(fv_arena *a, const char *text, const char *side);
/* Parses a program; the content of the side file is in memory, and the constants point into it. */
fv_program *fv_program_parse_over(fv_arena *a, const char *text, const void *side, size_t bytes);

#endif
