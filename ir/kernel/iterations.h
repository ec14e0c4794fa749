/* iterations.h - how often loops iterate, at most. */
#ifndef FV_IR_KERNEL_ITERATIONS_H
#define FV_IR_KERNEL_ITERATIONS_H

#include "ir/kernel/kernel.h"

/* The most iterations that a loop has each time that it is reached; INT64_MAX: they are not
 * known. */
int64_t fv_most_iterations(const fv_stmt *loop);
/* The most combinations of values that n expressions have while the statements `open` are executed,
 * each of which contains the next one: the product of the iterations of those loops on which the
 * expressions depend. INT64_MAX: it is not known. */
int64_t fv_most_combinations(fv_arena *scratch, int nopen, fv_stmt *const *open, int n,
                             fv_expr *const *x);

#endif
