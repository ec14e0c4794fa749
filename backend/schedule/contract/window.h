/* window.h - tiles whose rows are lines of an image that share what they load (window.c). */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_WINDOW_H
#define FV_BACKEND_SCHEDULE_CONTRACT_WINDOW_H

#include "backend/schedule/contract/contraction.h"

/* Finds lines of an image along which the window of a sum without rows slides: sets c->row to their
 * axis, and c->context.image.lines, unless there are none. How b is read must have been chosen. */
void fv_find_lines(fv_lowerer *l, const fv_definition *d, fv_contraction *c);
/* Adds the products of `rows` lines from `first` on to acc[r, c]. `edge`: some columns may not
 * exist. */
void fv_tile_multiply_lines(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, bool edge);

#endif
