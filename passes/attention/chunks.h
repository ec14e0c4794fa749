/* chunks.h - keys in chunks, an axis of [.., chunks, .., queries, keys of a chunk] like heads, as
 * one axis of keys. The axis of chunks stays, as one of 1, so that all others keep their
 * numbers. */
#ifndef FV_PASSES_ATTENTION_CHUNKS_H
#define FV_PASSES_ATTENTION_CHUNKS_H

#include "ir/graph/rewriter.h"

/* Are the scores made of a product, whose left factor is the same for all chunks along `axis`, by a
 * view of what it reads? And may the values [.., chunks, .., keys of a chunk, features] be viewed
 * so? */
bool fv_are_chunks(fv_module *m, fv_value *scores, fv_value *values, int axis) FV_MUST_USE;
/* Such scores and values, with all keys along one axis; NULL: the rewriter has failed. */
fv_value *fv_w_chunk_scores(fv_rewriter *w, fv_value *scores, int axis);
fv_value *fv_w_chunk_values(fv_rewriter *w, fv_value *values, int axis);

#endif
