/* parameters.h - chooses the parameters of the schedule `contract`. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_PARAMETERS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_PARAMETERS_H

#include "backend/schedule/common/choice.h"
#include "backend/schedule/contract/tile.h"

struct fv_contract_plan;

/* Chooses the rows *mr and columns *nr of the register tile; sets them to 0 if there are no rows or
 * no columns. */
void fv_contract_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c,
                      fv_parameter rows, fv_parameter columns, int *mr, int *nr);
/* The least number of columns for which a contraction has tiles, 1 or 2. */
int fv_least_columns(const fv_lowerer *l, const fv_contraction *c);
/* Chooses the columns of a panel, p->tile.panel: those of a tile, or a part of them if panels are
 * made when the model is compiled and belong to a single sum. The tile must have been chosen. */
void fv_contract_choose_panel(fv_lowerer *l, struct fv_contract_plan *p);
/* Chooses all parameters other than those of the tile and of the panel, after panels are made;
 * returns the rows of a block. */
int64_t fv_contract_choose_rest(fv_choosing *u, const fv_op *op, const fv_contraction *c,
                                fv_tile_plan *plan, const fv_definition *d);

/* Is the code of simple loops, one product after the other, so much smaller than that of a tile
 * that a small program (-Os) takes it? Only for sums of floats, and where the constant of the
 * columns is small, since a tile takes some hundred bytes more. */
bool fv_loops_are_smaller(const fv_lowerer *l, const fv_definition *d,
                          const fv_contraction *c) FV_MUST_USE;

#endif
