/* quant.h - checks of scales and zero points along an axis. */
#ifndef FV_OPS_QUANTIZE_QUANT_H
#define FV_OPS_QUANTIZE_QUANT_H

#include "ir/graph/graph.h"

/* Checks that scale and zero point, operands 1 and 2, fit operand 0: one number, one for each index
 * of the axis, or, if block is not 0, one for each block of that many indices along the axis. The
 * zero point may be left out. False after a diagnostic. */
bool fv_check_scale(fv_op *op, int64_t axis, int64_t block) FV_MUST_USE;

#endif
