/* order.h - the kernel of fv.Order for lines of single elements. */
#ifndef FV_OPS_TENSOR_ORDER_H
#define FV_OPS_TENSOR_ORDER_H

#include "ir/definition/custom.h"

/* Is the kernel of fv_order_lines faster for the positions of the first k of n elements than a heap
 * of positions? It takes additional memory. */
bool fv_order_suits(const fv_custom *c, const fv_dim *k, const fv_dim *n) FV_MUST_USE;
/* Adds the kernel of op, fv.Order of X[line, i]. */
void fv_order_lines(fv_custom *c, fv_op *op);

#endif
