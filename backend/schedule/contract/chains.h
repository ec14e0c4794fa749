/* chains.h - products of bf16 whose sum is in tiles (FV_ORDER_TILES), where they are not multiplied
 * as matrices: in blocks of 16 words, with two chains for each sum. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_CHAINS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_CHAINS_H

#include "backend/schedule/contract/contraction.h"

/* Adds the products of all words to acc[r, c], bits of f32, for `rows` rows of the tile from
 * `first` on. */
void fv_tile_add_chains(fv_tile *t, fv_buf *acc, fv_expr *first, int rows);

#endif
