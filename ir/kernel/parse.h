/* parse.h - kernels and programs from text. */
#ifndef FV_IR_KERNEL_PARSE_H
#define FV_IR_KERNEL_PARSE_H

#include "ir/kernel/program.h"

/* The functions return NULL after a diagnostic with line and column. */
fv_kernel *fv_kernel_parse(fv_arena *a, const char *text);
/* The kernel of that name from a text with several; asserts that it exists. */
fv_kernel *fv_kernel_parse_called(fv_arena *a, const char *text, const char *name);
/* Constants are read from the file `side`; NULL: all are in the text. */
fv_program *fv_program_parse(fv_arena *a, const char *text, const char *side);
/* The same with the content of the side file in memory, to which the constants then point. */
fv_program *fv_program_parse_over(fv_arena *a, const char *text, const void *side, size_t bytes);

#endif
