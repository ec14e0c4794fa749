/* tokens.h - sequences of tokens without padding. */
#ifndef FV_OPS_ATTENTION_TOKENS_H
#define FV_OPS_ATTENTION_TOKENS_H

#include "ir/graph/rewriter.h"

/* Checks that token_offset, a matrix, has at least that many elements; if that is not proved, the
 * run checks it. False after a diagnostic. */
bool fv_infer_offsets(fv_op *op, const fv_dim *tokens, const fv_type *offsets) FV_MUST_USE;

#endif
