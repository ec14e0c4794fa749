/* search_cross.h - cross-attention scores (cross_qk) of the returned sequences, for each of their
 * tokens.
 *
 * An iteration returns scores for its rows, and a sequence may be in another row in each iteration.
 * So each sequence has a path, i32 [.., most]: its row in each iteration, or -1 after its end. At
 * the end scores are selected from the rows of all iterations. */
#ifndef FV_OPS_SEARCH_SEARCH_CROSS_H
#define FV_OPS_SEARCH_SEARCH_CROSS_H

#include "ops/search/search.h"

/* Numbers of heads of a layer with scores, of such layers, and of frames. */
const fv_dim *fv_search_shown_heads(const fv_search *s);
int fv_search_shown_layers(const fv_search *s);
const fv_dim *fv_search_frames(const fv_search *s);
/* The paths before the first iteration, i32 [rows, most]; and the paths with the rows of the
 * iteration for sequences of that length. */
fv_value *fv_w_no_path(fv_rewriter *w, const fv_search *s);
fv_value *fv_w_path(fv_rewriter *w, const fv_search *s, fv_value *path, const fv_dim *length);
/* f32 [rows, pairs, frames]: the scores of those heads, given as (layer, head) in i32 [pairs, 2],
 * or of all heads; zeros for pairs that are no head. */
fv_value *fv_w_shown(fv_rewriter *w, const fv_search *s, const fv_decoded *d, fv_value *pairs);
/* Selects the scores along the paths [batch, n, most] from those of all iterations, [iterations,
 * rows, pairs, frames]: f32 [batch, n, pairs, iterations, frames]. */
fv_value *fv_w_shown_along(fv_rewriter *w, const fv_search *s, fv_value *turns, fv_value *paths);

#endif
