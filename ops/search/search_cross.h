/* search_cross.h - cross-attention scores (cross_qk) of the returned sequences, for each of their
 * tokens.
 *
 * An iteration returns scores for its rows, and a sequence may be in another row in each iteration.
 * So each sequence has a path, i32 [.., most]: its row in each iteration, or -1 after its end. At
 * the end scores are selected from the rows of all iterations. */
#ifndef FV_OPS_SEARCH_SEARCH_CROSS_H
#define FV_OPS_SEARCH_SEARCH_CROSS_H

#include "ops/search/search.h"

/* Of how many heads of a layer there are scores, of how many layers and frames. */
const fv_dim *fv_search_shown_heads(const fv_search *s);
int fv_search_shown_layers(const fv_search *s);
const fv_dim *fv_search_frames(const fv_search *s);
/* i32 [rows, most] before the first iteration; with the rows of the iteration for sequences of that
 * length. */
fv_value *fv_w_no_path(fv_rewriter *w, const fv_search *s);
fv_value *fv_w_path(fv_rewriter *w, const fv_search *s, fv_value *path, const fv_dim *length);
/* f32 [rows, pairs, frames]: of those heads, i32 [pairs, 2] by layer and head, or all; what is no
 * head has zeros. */
fv_value *fv_w_shown(fv_rewriter *w, const fv_search *s, const fv_decoded *d, fv_value *pairs);
/* From the scores of all iterations, [iterations, rows, pairs, frames], those along the paths
 * [batch, n, most]: f32 [batch, n, pairs, iterations, frames]. */
fv_value *fv_w_shown_along(fv_rewriter *w, const fv_search *s, fv_value *turns, fv_value *paths);

#endif
