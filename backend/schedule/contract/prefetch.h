/* prefetch.h - a tile's prefetches of weights that are read later. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_PREFETCH_H
#define FV_BACKEND_SCHEDULE_CONTRACT_PREFETCH_H

#include "backend/schedule/contract/contraction.h"

/* Sets the distances of prefetches (near, far), `streams`, `shared_streams` and `outlined` in the
 * plan for a tile of c, which the kernel of op contains, to the defaults of the target. */
void fv_tile_defaults(const fv_lowerer *l, const fv_op *op, const fv_contraction *c,
                      fv_tile_plan *plan);
/* Sets `shared_streams` to 0 if what a tile prefetches of the next panel, or of the next steps of
 * this one, would not stay in the second-level cache until it is read, or if all blocks have so
 * many rows that they share nothing. The depth of the plan is known. `block`: the most rows of a
 * block; rows: those of the contraction, NULL: one. */
void fv_tile_limit_shares(const fv_lowerer *l, const fv_contraction *c, const fv_dim *rows,
                          int64_t block, fv_tile_plan *plan);
/* Does the plan of the tile prefetch anything? */
bool fv_tile_prefetches(const fv_tile *t) FV_MUST_USE;
/* Computes where the prefetches of a tile begin, as distances in elements from the current element
 * of the panel. Tiles of a block share the prefetches of the next panel, or of the next steps of
 * this one. A tile that reads several panels counts as one panel of their columns, except for
 * `ahead`, which is a distance in each of them. A tile that reads elements which were computed in
 * advance reads no panel, so it has no `ahead`. */
void fv_tile_plan_prefetch(fv_tile *t);
/* Does it pay to share the prefetches among all tiles of the block, given its first row, the number
 * of its rows, and that of its complete tiles? */
fv_expr *fv_tile_shares_pay(fv_tile *t);
/* Prepares the prefetches of one of the tiles for the rows that fill no complete tile: of the tile
 * of `rows` rows that begins with row `first` of these. */
void fv_tile_prefetch_rest(fv_tile *t, fv_expr *first, int rows);
/* Emits the prefetches for the current row of the panel, for a whole tile or one with fewer
 * rows. */
void fv_tile_emit_prefetch(fv_tile *t, bool whole);
/* Emits the prefetches for the row of scales after the words of the current block
 * (fv_panel_words). Its place is after the prefetches of these words, since a processor recognizes
 * a stream of lines only in order. */
void fv_tile_prefetch_scales(fv_tile *t, bool whole);
/* Emits a prefetch of the element at [row, at] of the i-th panel of a tile, to that level of
 * cache. */
void fv_tile_prefetch_from(fv_tile *t, fv_expr *tile, fv_expr *i_th, fv_expr *row, fv_expr *at,
                           int cache);

/* A tile with fewer steps does not prefetch rows and results: the prefetches would take a
 * considerable part of its time. */
enum { FV_FAR_STEPS = 64 };

/* May the value, which is no constant, have left the second-level cache when it is used? */
bool fv_may_be_far(const fv_lowerer *l, const fv_value *v) FV_MUST_USE;

#endif
