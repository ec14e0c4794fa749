/* moved.h - elements of small integer tensors that pass through tensors of higher rank. Elements
 * are known of tensors of rank 0 and 1 only (ir/graph/graph.h), but torch.nn.functional.pad turns
 * the order of its pads around by Reshape to [3, 2], Slice by step -1, Transpose and Reshape to
 * [6]. */
#ifndef FV_OPS_TENSOR_MOVED_H
#define FV_OPS_TENSOR_MOVED_H

#include "ir/graph/graph.h"

/* Sets the elements of result 0 of a Reshape, whose type is known, if it is a small vector of
 * integers or a scalar, and its elements are found through Reshape, Transpose and Slice. */
void fv_infer_moved(fv_op *op);
/* Sets `index`, which has one number for each axis of the result of a Slice, to the index of the
 * same element in its operand. False: the Slice depends on data or on symbols. */
bool fv_slice_source(fv_op *slice, int64_t *index) FV_MUST_USE;

#endif
