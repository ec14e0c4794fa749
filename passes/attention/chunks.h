/* chunks.h - keys that a Reshape divided into chunks, an axis of [.., chunks, .., queries, keys of
 * a chunk] like heads, become one axis of keys again. The axis of chunks is kept with dim 1, so
 * that the other axes keep their numbers. */
#ifndef FV_PASSES_ATTENTION_CHUNKS_H
#define FV_PASSES_ATTENTION_CHUNKS_H

#include "ir/graph/rewriter.h"

/* Can scores and values be rewritten so? The scores must come from a product whose left factor is
 * the same for all chunks along `axis`, by a view of its operand, and the values [.., chunks, ..,
 * keys of a chunk, features] must be such a view. */
bool fv_are_chunks(fv_module *m, fv_value *scores, fv_value *values, int axis) FV_MUST_USE;
/* Rewrites such scores and values to have all keys along one axis; NULL: the rewriter has
 * failed. */
fv_value *fv_w_chunk_scores(fv_rewriter *w, fv_value *scores, int axis);
fv_value *fv_w_chunk_values(fv_rewriter *w, fv_value *values, int axis);

#endif
