/* repeats.h - finds operations that a block of statements contains more than once with the same
 * operands: compilers compute them once. */
#ifndef FV_BACKEND_COST_REPEATS_H
#define FV_BACKEND_COST_REPEATS_H

#include "ir/kernel/kernel.h"

/* For each node of an expression that an earlier statement of its block has computed: the statement
 * that contains it, fv_expr -> fv_stmt. Loads count if nothing stores to the buffer. */
fv_ptrmap fv_find_repeats(fv_arena *a, const fv_kernel *k);

#endif
