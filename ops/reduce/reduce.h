/* reduce.h - reductions over axes that are data. */
#ifndef FV_OPS_REDUCE_REDUCE_H
#define FV_OPS_REDUCE_REDUCE_H

#include "ir/graph/graph.h"

/* Is it a reduction over axes of which only the run knows how many there are? */
bool fv_has_open_axes(const fv_op *op) FV_MUST_USE;
/* Such a reduction without keepdims gives a tensor of that rank, which the run checks. False after
 * a diagnostic. */
bool fv_fix_axes(fv_op *op, int rank) FV_MUST_USE;

#endif
