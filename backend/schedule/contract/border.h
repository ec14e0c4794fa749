/* border.h - steps of a sum that are left out, since all of their elements are 0 (border.c). */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_BORDER_H
#define FV_BACKEND_SCHEDULE_CONTRACT_BORDER_H

#include "backend/schedule/contract/contraction.h"

/* Finds the border of zeros around the factor with the rows, if steps in it may be left out: sets
 * the borders of c->context.image. */
void fv_find_border(fv_lowerer *l, const fv_definition *d, fv_contraction *c);
/* The share of the steps that tiles within a line take; `lines`: the number of lines of the
 * result. */
double fv_share_within_border(const fv_contraction *c, int64_t lines);
/* Finds which lines the `rows` rows of the tile from `first` on read, if all of them read the same
 * ones: sets t->rows.border, or else to NULL. */
void fv_tile_find_border(fv_tile *t, fv_expr *first, int rows);
/* Limits the range of the first variable of the sum, *from to *to, to steps whose elements may not
 * be 0. */
void fv_tile_leave_border(fv_tile *t, fv_expr **from, fv_expr **to);
/* The number of values of the second variable of the sum, if the tile, of that many rows, has code
 * of its own for each of them, since some pixels at the ends of a line have no elements there; 0:
 * there is a loop over these values. */
int64_t fv_tile_taps(fv_tile *t, int rows);
/* Sets t->rows.now to that value of the second variable of the sum. Returns the condition that the
 * tile is at the end of its line where pixels have no elements; otherwise it computes all rows.
 * NULL: each tile computes the same rows. */
fv_expr *fv_tile_take_tap(fv_tile *t, int64_t tap);

#endif
