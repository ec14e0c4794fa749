/* tokens.h - sequences of tokens without padding, and their n-grams. */
#ifndef FV_OPS_ATTENTION_TOKENS_H
#define FV_OPS_ATTENTION_TOKENS_H

#include "ir/graph/rewriter.h"

/* Are there places for so many tokens in token_offset, a matrix? What is not proved the run checks.
 * False after a diagnostic. */
bool fv_infer_offsets(fv_op *op, const fv_dim *tokens, const fv_type *offsets) FV_MUST_USE;

#endif
