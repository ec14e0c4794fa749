/* print.h - prints kernels as text that can be parsed again. */
#ifndef FV_IR_KERNEL_PRINT_H
#define FV_IR_KERNEL_PRINT_H

#include "ir/base/text.h"
#include "ir/kernel/kernel.h"

void fv_kernel_print(fv_text *t, const fv_kernel *k);

void fv_expr_print(fv_text *t, const fv_expr *x);

/* A text that is equal for kernels that differ only in names, comments and other information for
 * people: names of buffers, dims and variables are replaced by numbers, and the rest is left out.
 * Kernels with equal texts compute the same; used as a key for sharing and caching. */
const char *fv_kernel_key(fv_arena *a, const fv_kernel *k);

#endif
