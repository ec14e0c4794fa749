/* assemble.h - helper functions for expansions that slice and concatenate tensors. Each returns
 * NULL if an operand is NULL. */
#ifndef FV_OPS_COMMON_ASSEMBLE_H
#define FV_OPS_COMMON_ASSEMBLE_H

#include "ir/graph/rewriter.h"

/* The elements first .. first + n - 1 along an axis. */
fv_value *fv_w_cut(fv_rewriter *w, fv_value *x, int axis, const fv_dim *first, const fv_dim *n);
fv_value *fv_w_concat(fv_rewriter *w, int axis, int n, fv_value *const *parts);
fv_value *fv_w_flat(fv_rewriter *w, fv_value *x); /* reshaped to rank 1 */
/* reduces along the axis, and removes it */
fv_value *fv_w_reduce(fv_rewriter *w, fv_op_id kind, fv_value *x, int axis);
/* For each element of a vector, the sum of the elements before it. */
fv_value *fv_w_sums_before(fv_rewriter *w, fv_value *x);

#endif
