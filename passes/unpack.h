/* unpack.h - what a block takes and gives, and is a sequence, an optional, a map or a tensor of
 * strings, becomes the tensors that it is made of (ir/ops/sequence.h, ir/ops/map.h,
 * ir/ops/text.h). */
#ifndef FV_PASSES_UNPACK_H
#define FV_PASSES_UNPACK_H

#include "ir/graph/graph.h"

/* In their place the block gets parameters that are tensors, and makes an fv.Ragged of them, which
 * its ops read. */
void fv_unpack_params(fv_region *block);
/* Does a Loop, or an If that the run decides, take or give such values? */
bool fv_unpack_must(const fv_op *op) FV_MUST_USE;
/* One of tensors in the place of such an op, whose bodies have unpacked parameters, and in which
 * each such value is an fv.Ragged by now. NULL after a diagnostic. */
fv_op *fv_unpack_op(fv_op *op);
/* The same of a function's results. False after a diagnostic. */
bool fv_unpack_results(fv_func *f) FV_MUST_USE;

#endif
