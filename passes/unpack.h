/* unpack.h - parameters and results of blocks that are sequences, optionals, maps or tensors of
 * strings are replaced by the tensors that represent them (ops/sequence/sequence.h,
 * ops/sequence/map.h, ops/text/text.h). */
#ifndef FV_PASSES_UNPACK_H
#define FV_PASSES_UNPACK_H

#include "ir/graph/graph.h"

/* Replaces such parameters of a block by tensors, and inserts an fv.Ragged or fv.Strings of them,
 * which the ops of the block read. */
void fv_unpack_params(fv_region *block);
/* Does a Loop, or an If that data decide, take or give such values? */
bool fv_unpack_must(const fv_op *op) FV_MUST_USE;
/* Replaces such an op by one on tensors. The parameters of its bodies must have been replaced, and
 * each such value must be an fv.Ragged, fv.Map or fv.Strings. NULL after a diagnostic. */
fv_op *fv_unpack_op(fv_op *op);
/* Replaces such results of a function. False after a diagnostic. */
bool fv_unpack_results(fv_func *f) FV_MUST_USE;

#endif
