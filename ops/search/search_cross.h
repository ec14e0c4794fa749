/* search_cross.h - scores of what an encoder read (cross_qk): of each sequence that is given, those
 * of the tokens that it went through.
 *
 * A turn gives such scores for the rows of that turn, and a sequence changes its row from turn to
 * turn. So each has a path, i32 [.., most], the row that it was in each turn, -1: it was none any
 * more; scores are taken from the rows of all turns in the end. */
#ifndef FV_OPS_SEARCH_SEARCH_CROSS_H
#define FV_OPS_SEARCH_SEARCH_CROSS_H

#include "ops/search/search.h"

/* Of how many heads of a layer there are scores, of how many layers and frames. */
const fv_dim *fv_search_shown_heads(const fv_search *s);
int fv_search_shown_layers(const fv_search *s);
const fv_dim *fv_search_frames(const fv_search *s);
/* i32 [rows, most] before the first turn; with the rows of the turn of sequences of that length. */
fv_value *fv_w_no_path(fv_rewriter *w, const fv_search *s);
fv_value *fv_w_path(fv_rewriter *w, const fv_search *s, fv_value *path, const fv_dim *length);
/* f32 [rows, pairs, frames]: of those heads, i32 [pairs, 2] by layer and head, or all; what is no
 * head has zeros. */
fv_value *fv_w_shown(fv_rewriter *w, const fv_search *s, const fv_decoded *d, fv_value *pairs);
/* f32 [batch, n, pairs, turns, frames] of those of all turns, [turns, rows, pairs, frames], by
 * paths [batch, n, most]. */
fv_value *fv_w_shown_along(fv_rewriter *w, const fv_search *s, fv_value *turns, fv_value *paths);

#endif
