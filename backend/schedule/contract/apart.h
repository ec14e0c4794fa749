/* apart.h - copies of rows with space between them, so that they are in different sets of the
 * first-level cache. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_APART_H
#define FV_BACKEND_SCHEDULE_CONTRACT_APART_H

#include "backend/schedule/contract/tile.h"

/* Chooses the space after each row of the copy of the factor with the rows, of which a tile reads
 * mr: sets c->dense.of_a.space. */
void fv_space_rows(fv_lowerer *l, const fv_definition *d, fv_contraction *c, int mr);
/* Decides whether rows that are only loaded are copied once for all panels, because tiles of mr x
 * nr would compete for sets where they are: sets c->dense. */
void fv_choose_apart(fv_lowerer *l, const fv_definition *d, fv_contraction *c, int mr, int nr);

#endif
