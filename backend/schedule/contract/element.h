/* element.h - the elements of a register tile: their rows, columns and panels, and their sums. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_ELEMENT_H
#define FV_BACKEND_SCHEDULE_CONTRACT_ELEMENT_H

#include "backend/schedule/contract/contraction.h"

/* The number of panels that a tile reads: more than 1 if panels are narrower than tiles. */
int fv_panels_of_tile(const fv_tile *t);
/* The number of the i-th panel of a tile; of a last tile that has fewer panels, that of its last
 * one. */
fv_expr *fv_panel_of_tile(fv_tile *t, fv_expr *tile, fv_expr *i);
/* Binds the variables of the column axis and of the panel's columns to column c of the tile. */
void fv_tile_bind_column(fv_tile *t, fv_expr *c);
/* Binds the variable of the row axis to row r of the tile. */
void fv_tile_bind_row(fv_tile *t, fv_expr *r);
/* Binds row r and column c of the tile, for expressions that are emitted from now on. */
void fv_tile_bind(fv_tile *t, fv_expr *r, fv_expr *c);
/* Sets the index of the sum of that row and column in t->sums.buf. */
void fv_tile_place(const fv_tile *t, fv_expr *row, fv_expr *column, fv_expr **index);

#endif
