/* pieces.h - divides a row where conditions on its index change. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_PIECES_H
#define FV_BACKEND_SCHEDULE_ROWS_PIECES_H

#include <stdint.h>

#include "ir/expr/expr.h"

enum { FV_MOST_PIECES = 16 };

/* The row's elements [start[i], start[i + 1]) are piece i. */
typedef struct fv_row_pieces {
    int n;
    int64_t start[FV_MOST_PIECES + 1];
} fv_row_pieces;

/* Pieces of a row along v. In each of them, every comparison of the body that depends on v alone is
 * always true or always false; if there are more than 64, this is so for 64 of them. n is 0 if the
 * length is not known when the model is compiled, or if pieces do not pay. */
fv_row_pieces fv_row_pieces_of(fv_arena *a, const fv_expr *body, const fv_var *v);

/* The inside of a row along v, whose length is known: the elements from lo to before hi, for all of
 * which, and for all terms of reductions, comparisons, minima and maxima choose the same operand.
 * That is found for those that depend on v alone, or are affine in v and in variables of
 * reductions; others are ignored. If there are such elements, the middle of the row is among
 * them. */
typedef struct fv_row_inside {
    int64_t lo, hi;
} fv_row_inside;
fv_row_inside fv_row_inside_of(fv_arena *a, fv_dims *dims, const fv_expr *body, const fv_var *v);

#endif
