/* assemble.h - what expansions that cut tensors and lay the pieces together are written with. Each
 * gives NULL where an operand is. */
#ifndef FV_OPS_COMMON_ASSEMBLE_H
#define FV_OPS_COMMON_ASSEMBLE_H

#include "ir/graph/rewriter.h"

/* Elements first .. first + n - 1 along an axis. */
fv_value *fv_w_cut(fv_rewriter *w, fv_value *x, int axis, const fv_dim *first, const fv_dim *n);
fv_value *fv_w_concat(fv_rewriter *w, int axis, int n, fv_value *const *parts);
fv_value *fv_w_flat(fv_rewriter *w, fv_value *x);                            /* of rank 1 */
fv_value *fv_w_reduce(fv_rewriter *w, fv_op_id kind, fv_value *x, int axis); /* which is gone */
/* Of a vector: for each element the sum of the elements before it. */
fv_value *fv_w_sums_before(fv_rewriter *w, fv_value *x);

#endif
