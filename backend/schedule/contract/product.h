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
/* Computes the sums of `rows` rows of the tile for a contraction with dot.matrix: of all steps, or,
 * of a sum over blocks, of the current blocks, whose terms are added to the sums. */
void fv_tile_multiply_matrix(fv_tile *t, fv_expr *rows);
/* Unpacks the words of the current blocks and of the columns of the current panel, whose elements
 * share a byte, for the tiles that follow. */
void fv_tile_unpack_words(fv_tile *t);
/* Emits prefetches of a part of the next panel, for row r of the epilogue of a tile of `rows` rows:
 * the rows of the first tile of a block of rows share the panel among them. Products of matrices
 * have no prefetches of their own, and memory would be idle during the epilogue. */
void fv_matrix_prefetch_next(fv_tile *t, fv_expr *rows, fv_expr *r);
/* May a tile with dot.matrix have fewer rows than products of matrices pay for, and has the target
 * a dot product of vectors for these? */
bool fv_matrix_may_be_few(const fv_tile *t) FV_MUST_USE;
/* The condition that `rows` rows are fewer than products of matrices pay for. */
fv_expr *fv_matrix_are_few(fv_tile *t, fv_expr *rows);
/* Computes the sums of all steps of so few rows, from t->i0 on, by dot products of vectors. */
void fv_tile_multiply_few(fv_tile *t, fv_expr *rows);

#endif
