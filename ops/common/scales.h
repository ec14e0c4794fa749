/* scales.h - checks for scales and zero points of operators on quantized tensors. */
#ifndef FV_OPS_COMMON_SCALES_H
#define FV_OPS_COMMON_SCALES_H

#include "ir/graph/graph.h"

/* Rank 0, or rank 1 with a single element. */
bool fv_is_one_element(const fv_type *t) FV_MUST_USE;
/* Checks that all elements of operand `in`, if it is a constant, are positive and finite, as scales
 * must be. False after a diagnostic. */
bool fv_infer_positive(fv_op *op, int in) FV_MUST_USE;
/* The same for several operands. */
bool fv_infer_scales(fv_op *op, int n, const int *in) FV_MUST_USE;
#define FV_INFER_SCALES(op, ...)                                                                   \
    fv_infer_scales((op), (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (int[]){__VA_ARGS__})

/* Checks that operand `in`, if present, is one number for all of a matrix of that type, a vector
 * with one for each index of its axis -2 or -1, or a tensor that broadcasts to the matrix. False
 * after a diagnostic. */
bool fv_infer_fits_matrix(fv_op *op, int in, const fv_type *matrix, int axis) FV_MUST_USE;

#endif
