/* tile.h - emits the loops of a register tile of a contraction. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_TILE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_TILE_H

#include "backend/schedule/contract/contraction.h"

/* Opens a loop over panels of columns. Sets the members of t that describe the panel: its number
 * (panel), its first column (j0) and the number of its columns (columns); and, unless t->only
 * restricts the loop over several panels, prefetch.next and prefetch.last. */
void fv_open_panels(fv_tile *t, fv_loop_kind kind);
/* Opens a loop over tiles of `rows` rows, beginning at row `first`. Sets t->i0 to the first row of
 * the tile, t->rows.done, and, if there may be several tiles and panels are prefetched,
 * t->prefetch.whole. Returns the number of rows of the tile. */
fv_expr *fv_open_tiles(fv_tile *t, fv_expr *first, fv_expr *rows);
/* The number of complete tiles in that many rows. */
fv_expr *fv_tile_whole(fv_tile *t, fv_expr *rows);
/* Lets all tiles of a block of that many rows, from row `first` on, share the prefetches of the
 * next panel, where that pays: sets t->prefetch.whole, and first, rows and rest in
 * t->prefetch.shared. */
void fv_tile_share_prefetches(fv_tile *t, fv_expr *first, fv_expr *rows);
/* Declares the tile with the sums of that many rows: of one tile, or of all tiles of a block of
 * rows, which a caller sets to 0 before products of the first of several blocks of steps are added.
 * A row has the columns of all sums, one after the other. */
void fv_tile_sums(fv_tile *t, int64_t rows);
/* If the tile computes blocks of `depth` steps: are these all steps of the sum? */
bool fv_tile_has_all_steps(const fv_tile *t) FV_MUST_USE;
/* Opens a loop over blocks of `depth` steps of the sum; a block is computed for all tiles before
 * the next one. Sets t->from to the first step of the block. */
void fv_open_steps(fv_tile *t);
/* Opens a loop over the blocks of a sum over blocks, whose variable is bound: over `depth` of them
 * from t->from on. */
void fv_tile_open_blocks(fv_tile *t);
/* Adds to the sums, of a sum over blocks, the terms of the current block for `rows` rows, which are
 * computed from its sums of products, products[row, column]. */
void fv_tile_add_terms(fv_tile *t, fv_buf *products, fv_expr *rows);
/* Computes b for the current block of steps and the columns of the current panel, once for all
 * tiles of a block of rows: before them or in the first one (plan.unpacks). Then opens the loop
 * over the tiles, or over those after the first one, as fv_open_tiles does. */
fv_expr *fv_open_unpacked_tiles(fv_tile *t, fv_expr *first, fv_expr *rows);
/* Computes the sums, at t->sums, of `rows` rows; with blocks of steps, adds the products of this
 * block to the sums. */
void fv_tile_multiply(fv_tile *t, fv_expr *rows);

#endif
