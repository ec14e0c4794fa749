/* turned.h - transposes the sums of a tile in registers (turned.c). */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_TURNED_H
#define FV_BACKEND_SCHEDULE_CONTRACT_TURNED_H

#include "backend/schedule/contract/contraction.h"

/* Can the sums of a complete tile be transposed in registers, and does it have so many rows that
 * this pays? */
bool fv_tile_may_turn_sums(const fv_tile *t) FV_MUST_USE;
/* Transposes the sums of a complete tile: sets t->sums.turned. */
void fv_tile_turn_sums(fv_tile *t);
/* The least number of rows in a block of rows, whose sums are all in memory, with which these can
 * be transposed in registers; 0: they cannot. */
int64_t fv_tile_turned_rows(const fv_tile *t);
/* Transposes the sums of a block of at least so many rows: sets t->sums.turned. The last rows are
 * transposed together with some of those before them. */
void fv_tile_turn_block(fv_tile *t, fv_expr *rows);

#endif
