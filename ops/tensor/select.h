/* select.h - picking elements by their values, for operators that do more with them. */
#ifndef FV_OPS_TENSOR_SELECT_H
#define FV_OPS_TENSOR_SELECT_H

#include "ir/graph/rewriter.h"

/* Positions [a, k, c] of the first k of the items x[a, i, c, ..], sorted along each line; k is at
 * most their number. */
fv_value *fv_w_order(fv_rewriter *w, fv_value *x, const fv_dim *k, bool descending);
/* The positions of what is not 0 in x, one a column, `count` of them: a symbol that the run binds,
 * or what it checks. */
fv_value *fv_w_non_zero(fv_rewriter *w, fv_value *x, const fv_dim *count);

#endif
