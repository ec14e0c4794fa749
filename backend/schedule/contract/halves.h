/* halves.h - the bytes of a tile's rows as pairs of i16, widened once for all panels of columns. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_HALVES_H
#define FV_BACKEND_SCHEDULE_CONTRACT_HALVES_H

#include "backend/schedule/contract/tile.h"

/* Widens the bytes of that many rows, those of a tile that begins at row `first`: sets
 * t->made.halves and t->i0. c->dot.halves must be set, and the factors must be words. */
void fv_tile_widen(fv_tile *t, fv_expr *first, fv_expr *rows);

#endif
