/* results.h - stores the results of a tile of a contraction. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_RESULTS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_RESULTS_H

#include "backend/schedule/contract/contraction.h"

/* Are neighbouring rows neighbours in the memory of the result, and columns not, as where pixels
 * are rows and the result has its channels first? */
bool fv_rows_are_neighbours(const fv_target *target, const fv_definition *d,
                            const fv_contraction *c, const fv_tile_plan *plan) FV_MUST_USE;
/* Stores the results of `rows` rows, from row `first` of the tile on. If the tile stores its
 * results itself, its rows and columns are known, and there is no loop. */
void fv_tile_store_rows(fv_tile *t, const fv_tile_put *put, fv_expr *first, fv_expr *rows,
                        fv_expr *columns);
/* Stores y = epilogue(sums) in `value`, or calls t->put.store, for that many rows, and for the
 * columns that exist, unless the tile has stored its results itself. Sets the row and the column in
 * `index`, whose other indices must be set. */
void fv_tile_store(fv_tile *t, fv_value *value, fv_expr **index, fv_expr *rows);

#endif
