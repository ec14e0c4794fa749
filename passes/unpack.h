/* unpack.h - parameters and results of blocks that are sequences, optionals, maps or tensors of
 * strings are replaced by the tensors that represent them (ops/sequence/sequence.h,
 * ops/sequence/map.h, ops/text/text.h). */
#ifndef FV_PASSES_UNPACK_H
#define FV_PASSES_UNPACK_H

#include "ir/graph/graph.h"

/* Replaces parameters of a block that are no tensors, or tensors of strings, by the tensors that
 * represent them, and inserts an fv.Ragged, fv.Map or fv.Strings of these, which the ops of the
 * block read. */
void fv_unpack_params(fv_region *block);
/* Is the op a Loop, or an If whose branch data decide, with an operand or result that is no tensor,
 * or a tensor of strings? */
bool fv_unpack_must(const fv_op *op) FV_MUST_USE;
/* Replaces an op for which fv_unpack_must holds by one on tensors. The parameters of its bodies
 * must have been replaced, and each of its operands that is no tensor, or a tensor of strings, must
 * be the result of an fv.Ragged, fv.Map or fv.Strings. Returns the new op; NULL after a
 * diagnostic. */
fv_op *fv_unpack_op(fv_op *op);
/* Replaces results of a function that are no tensors, or tensors of strings, by the tensors that
 * represent them. False after a diagnostic. */
bool fv_unpack_results(fv_func *f) FV_MUST_USE;

#endif
