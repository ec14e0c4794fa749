/* next_rows.h - a tile's prefetches of the rows that the next tile reads. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_NEXT_ROWS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_NEXT_ROWS_H

#include "backend/schedule/contract/contraction.h"

/* Computes where the rows of the next tile are, if that is worth prefetching: if the tile has
 * `rows` rows, as a complete one has, and the factor with the rows may have left the second-level
 * cache. */
void fv_tile_find_next_rows(fv_tile *t, int rows);
/* Emits the prefetch of one step of the sum, if fv_tile_find_next_rows has found the rows. */
void fv_tile_prefetch_next_rows(fv_tile *t);

#endif
