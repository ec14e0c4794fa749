/* pieces.h - divides a row where conditions on its index change. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_PIECES_H
#define FV_BACKEND_SCHEDULE_ROWS_PIECES_H

#include <stdint.h>

#include "ir/expr/expr.h"

enum { FV_MOST_PIECES = 32 };

/* The row's elements [start[i], start[i + 1]) are piece i. */
typedef struct fv_row_pieces {
    int n;
    int64_t start[FV_MOST_PIECES + 1];
} fv_row_pieces;

/* Pieces of a row along v. In each of them, every comparison of the body that depends on v alone is
 * always true or always false; if there are more than 64, this is so for 64 of them. n is 0 if the
 * length is not known when the model is compiled, or if pieces do not pay. */
fv_row_pieces fv_row_pieces_of(fv_arena *a, const fv_expr *body, const fv_var *v);

/* The inside of a row along v: the elements from lo to before hi. */
typedef struct fv_row_inside {
    int64_t lo, hi;
} fv_row_inside;
/* The elements of a row, around its middle, for which no test of the body can have another outcome
 * than for the others: each comparison of indices has the same value, and each minimum and maximum
 * of indices selects the same operand, for all of these elements and all terms of reductions. Tests
 * that are neither functions of v alone nor affine in v and variables of reductions are ignored.
 * The length of the row must be known. lo >= hi: there are no such elements. */
fv_row_inside fv_row_inside_of(fv_arena *a, fv_dims *dims, const fv_expr *body, const fv_var *v);

#endif
