/* product.h - chooses a tile of a product of matrices, and emits its sums. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_PRODUCT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_PRODUCT_H

#include "backend/schedule/common/choice.h"
#include "backend/schedule/contract/tile.h"

/* Chooses the rows *mr and columns *nr of a tile of d, a contraction with dot.matrix: as many rows
 * as instructions have registers for, evenly divided if their number is known, and one or two
 * groups of columns. */
void fv_matrix_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c, int *mr,
                    int *nr);
/* Computes the sums of `rows` rows of the tile, of all steps, for a contraction with dot.matrix. */
void fv_tile_multiply_matrix(fv_tile *t, fv_expr *rows);

#endif
