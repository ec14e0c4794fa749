/* steps.h - the loops over the steps of a tile's sum. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_STEPS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_STEPS_H

#include "backend/schedule/contract/contraction.h"

/* Can the next part of the factor with the columns be prefetched? It can if its panels are a
 * constant that depends on all variables of the sum, and the number of steps is known. */
bool fv_can_prefetch(const fv_contraction *c) FV_MUST_USE;
/* Does a tile convert the elements of b, as they are stored, to floats with more bits? */
bool fv_widens_panels(const fv_contraction *c) FV_MUST_USE;
/* Is b computed from panels of constants, or converted from them to floats with more bits, in steps
 * of one variable, of a known number? Then elements can be computed before the tiles read them. */
bool fv_computes_panels(const fv_contraction *c) FV_MUST_USE;
/* The number of steps that are emitted one after the other in an iteration of the innermost loop:
 * more than 1 if elements of b share a byte, are computed in the loop over steps, and the steps
 * fill the rows of the panel; or, of the last variable of the sum, if rows are pairs of i16
 * (t->made.halves), if the sum is a depthwise one of bytes, or if the processor has several steps
 * in an iteration (loop.unrolled_steps in ir/target/processor.def). */
int64_t fv_steps_of_row(const fv_tile *t);
/* Do several steps of an iteration read the same row of the panel? */
bool fv_steps_share_row(const fv_tile *t) FV_MUST_USE;
/* Is the last step of the sum emitted after the loop over the others, so that the sums of each row
 * are stored after its last product? It is on processors with vectors, for sums of floats over one
 * variable with few steps, of a known number, one of which is an iteration; with many steps, the
 * stores take little of the time. */
bool fv_last_step_is_apart(const fv_tile *t) FV_MUST_USE;
/* Binds the variables of the sum to its last step, or to that of the current part, after the loops
 * over steps have been closed. Returns the first variable. */
fv_expr *fv_bind_last_step(fv_tile *t);
/* Opens the loops over the steps of the sum, all but that over the steps of a row of the panel, and
 * computes before each block of steps what these share. The variables of the sum are bound to the
 * first step of the row; returns the variable of the innermost loop. */
fv_expr *fv_open_rows_of_panel(fv_tile *t);
/* The same in two parts: the loops over the first variable of the sum, of which the first function
 * returns the variable, and those over the others, unless t->rows.now replaces the second one. */
fv_expr *fv_open_first_steps(fv_tile *t);
fv_expr *fv_open_other_steps(fv_tile *t, fv_expr *k);
/* Opens the loop over the steps of row `row`, which fv_open_rows_of_panel has returned. Returns the
 * step. */
fv_expr *fv_open_row_of_panel(fv_tile *t, fv_expr *row);
/* Adds the steps over which the open loops iterate to t->rows.steps. */
void fv_count_steps(fv_tile *t);
/* Do the loops that were counted since t->rows.steps was 0 iterate over all steps of the sum, as
 * far as bounds of loops are known? True if the tile is restricted to a range of steps, or to those
 * within a border. */
bool fv_has_all_steps(const fv_tile *t) FV_MUST_USE;
/* The number of words of a row before the current step of the sum, whose factors are words. */
fv_expr *fv_word_now(fv_tile *t);
/* Adds the products of the current step to acc[r, c], for `rows` rows from row `first` of the tile
 * on. b: the words of the columns. Leaves loops open, as the caller's loop over steps is. */
void fv_tile_add_halves(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, const fv_buf *b);
/* Lets the expression of b load, for column c of the tile, what was computed before the steps. */
void fv_bind_shared(fv_tile *t, fv_expr *c);

#endif
