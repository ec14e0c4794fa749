/* parse.h - kernels and programs from text. */
#ifndef FV_IR_KERNEL_PARSE_H
#define FV_IR_KERNEL_PARSE_H

#include "ir/kernel/program.h"

/* All give NULL or false after a diagnostic with line and column. */
fv_kernel *fv_kernel_parse(fv_arena *a, const char *text);
/* The kernel of that name, out of a text of several; asserts that it is there. */
fv_kernel *fv_kernel_parse_called(fv_arena *a, const char *text, const char *name);
/* Constants of a program text are read from `side` (NULL: none given, small ones are inline). */
fv_program *fv_program_parse(fv_arena *a, const char *text, const char *side);
/* The same with the content of the side file in memory: constants point into it. */
fv_program *fv_program_parse_over(fv_arena *a, const char *text, const void *side, size_t bytes);

#endif
