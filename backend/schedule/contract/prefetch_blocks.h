/* prefetch_blocks.h - prefetches of what a sum over blocks reads: panels of weights, and panels of
 * the scales and zero points with which the term of each block is computed. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_PREFETCH_BLOCKS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_PREFETCH_BLOCKS_H

#include "backend/schedule/contract/contraction.h"

enum { FV_MOST_BLOCK_LOADS = 4 }; /* panels of which a block is prefetched */

/* Sets `loads` to the load of weights, and to the loads of other panels in the terms of blocks; has
 * room for FV_MOST_BLOCK_LOADS. Scales that are stored in the panels of the weights have no load of
 * their own there. Returns the number of loads. */
int fv_block_loads(const fv_tile *t, const fv_expr **loads);
/* The number of lines of a cache that a block takes in the panels from which x loads; 0: it is not
 * known, or x does not load by the number of a block and indices within it. `line`: bytes of a
 * line. */
int64_t fv_block_lines(const fv_tile *t, const fv_expr *x, int line);
/* Emits a prefetch to that level of cache from the i-th panel of that tile, among the panels from
 * which x loads: of the element that is `at` elements after the first one of the current block. x
 * must load from blocks with a known number of lines. */
void fv_tile_prefetch_in_block(fv_tile *t, const fv_expr *x, fv_expr *tile, int i, fv_expr *at,
                               int cache);
/* Emits the prefetches of scales and zero points, which are as many blocks ahead as those of the
 * weights. In tiles with few rows, which wait for memory, they matter as much as those: scales of
 * f32 are a fifth of the bytes of a sum over blocks of 32 weights of 4 bits. */
void fv_tile_prefetch_terms(fv_tile *t);

#endif
