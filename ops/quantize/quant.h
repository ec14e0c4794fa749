/* quant.h - scales and zero points. */
#ifndef FV_OPS_QUANTIZE_QUANT_H
#define FV_OPS_QUANTIZE_QUANT_H

#include "ir/graph/graph.h"

/* Is operand `in`, if it is there, one number for all of a matrix of that type, one for each place
 * of its axis -2 or -1, or a tensor that broadcasts to it? False after a diagnostic. */
bool fv_infer_fits_matrix(fv_op *op, int in, const fv_type *matrix, int axis) FV_MUST_USE;

#endif
