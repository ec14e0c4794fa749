/* chunks.h - a Reshape may have divided the keys into chunks, so that scores are [.., chunks, ..,
 * queries, keys of a chunk] with chunks as an axis like heads. These functions rewrite them to one
 * axis of keys. The axis of chunks is kept with dim 1, so that the other axes keep their
 * numbers. */
#ifndef FV_PASSES_ATTENTION_CHUNKS_H
#define FV_PASSES_ATTENTION_CHUNKS_H

#include "ir/graph/rewriter.h"

/* Can scores and values be rewritten to have all keys along one axis? The scores must come from a
 * product whose left factor is the same for all chunks along `axis`, and whose right factor is a
 * view that divides an axis of keys into chunks; the values [.., chunks, .., keys of a chunk,
 * features] must be such a view, too. */
bool fv_are_chunks(fv_module *m, fv_value *scores, fv_value *values, int axis) FV_MUST_USE;
/* Rewrites scores and values for which fv_are_chunks holds to have all keys along one axis; NULL:
 * the rewriter has failed. */
fv_value *fv_w_chunk_scores(fv_rewriter *w, fv_value *scores, int axis);
fv_value *fv_w_chunk_values(fv_rewriter *w, fv_value *values, int axis);

#endif
