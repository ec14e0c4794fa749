/* tokens.h - sequences of tokens without padding, and their n-grams. */
#ifndef FV_OPS_ATTENTION_TOKENS_H
#define FV_OPS_ATTENTION_TOKENS_H

#include "ir/graph/rewriter.h"

/* Are there places for so many tokens in token_offset, a matrix? What is not proved the run checks.
 * False after a diagnostic. */
bool fv_infer_offsets(fv_op *op, const fv_dim *tokens, const fv_type *offsets) FV_MUST_USE;

/* Scores [batch, vocabulary], `blocked` for tokens that would make an n-gram of ids, i64 [batch,
 * length], occur again. */
fv_value *fv_w_block_repeats(fv_rewriter *w, fv_value *ids, fv_value *scores, int64_t n,
                             double blocked);

#endif
