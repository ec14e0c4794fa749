/* lines.h - tiles whose rows are pixels of one line of an image. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_LINES_H
#define FV_BACKEND_SCHEDULE_CONTRACT_LINES_H

#include "backend/schedule/contract/contraction.h"

/* The number by which x divides the row, or a remainder of the row; 0: x is no such division. */
int64_t fv_divisor_of_row(const fv_expr *x, const fv_var *row);
/* The number of neighbouring rows that are a line, if the rows of the contraction are the pixels of
 * all lines of an image: the first factor is then indexed by quotients and remainders of the row by
 * that number, and by multiples of it. 0: rows are no pixels. */
int64_t fv_length_of_lines(fv_arena *a, const fv_contraction *c, const fv_var *row);
/* Is a complete tile of the contraction within one line, wherever it begins? */
bool fv_tile_is_in_line(const fv_tile *t) FV_MUST_USE;
/* Computes the line and the pixel of the first row of the tile, if it is within one line and has
 * `rows` rows. */
void fv_tile_find_line(fv_tile *t, int rows);
/* Binds the line and the pixel of row r of the tile, if fv_tile_find_line has computed those of the
 * first row. */
void fv_tile_bind_line(fv_tile *t, fv_expr *r);

#endif
