/* lengths.h - the lengths of lists that the entry of an operator determines. */
#ifndef FV_IR_GRAPH_LENGTHS_H
#define FV_IR_GRAPH_LENGTHS_H

#include "ir/graph/graph.h"

/* The number of elements that the entry determines for operand `in` of this op, a list or a scalar;
 * -1: it determines none. */
int fv_op_length(const fv_op *op, int in) FV_MUST_USE;

#endif
