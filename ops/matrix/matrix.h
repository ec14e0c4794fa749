/* matrix.h - types of matrix products. */
#ifndef FV_OPS_MATRIX_MATRIX_H
#define FV_OPS_MATRIX_MATRIX_H

#include "ir/graph/graph.h"

/* The type of the standard's MatMul, whose operands may be vectors: a row on the left, a column on
 * the right. Sets result 0. */
bool fv_infer_matmul(fv_op *op, const fv_type *a, const fv_type *b, fv_elem e) FV_MUST_USE;
bool fv_infer_gemm(fv_op *op) FV_MUST_USE;

#endif
