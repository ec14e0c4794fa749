/* select.h - selects elements by their values, for expansions of other operators. */
#ifndef FV_OPS_TENSOR_SELECT_H
#define FV_OPS_TENSOR_SELECT_H

#include "ir/graph/rewriter.h"

/* Positions [a, k, c] of the first k items of x[a, i, c, ..] in sorted order, for each line; k is
 * at most the number of items. */
fv_value *fv_w_order(fv_rewriter *w, fv_value *x, const fv_dim *k, bool descending);
/* The positions of the nonzero elements of x, one in each column. `count` is their number: a symbol
 * that the run binds, or a dim that it checks. */
fv_value *fv_w_non_zero(fv_rewriter *w, fv_value *x, const fv_dim *count);

#endif
