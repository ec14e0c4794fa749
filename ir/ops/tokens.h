/* tokens.h - sequences of tokens without padding. */
#ifndef FV_IR_OPS_TOKENS_H
#define FV_IR_OPS_TOKENS_H

#include "ir/graph/graph.h"

/* Are there places for so many tokens in token_offset, a matrix? What is not proved the run checks. False after a
 * diagnostic. */
bool fv_infer_offsets(fv_op *op, const fv_dim *tokens, const fv_type *offsets) FV_MUST_USE;

#endif
