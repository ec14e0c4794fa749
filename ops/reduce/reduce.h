/* reduce.h - reductions over axes that are data. */
#ifndef FV_OPS_REDUCE_REDUCE_H
#define FV_OPS_REDUCE_REDUCE_H

#include "ir/graph/graph.h"

/* Whether it is a reduction over axes whose number only the run knows. */
bool fv_has_open_axes(const fv_op *op) FV_MUST_USE;
/* Sets the rank of such a reduction without keepdims; the run checks it. False after a
 * diagnostic. */
bool fv_fix_axes(fv_op *op, int rank) FV_MUST_USE;

#endif
