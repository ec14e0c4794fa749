/* gathered.h - prefetches of the rows that a gather reads next:
 *
 *     for i: y[i, j] = f(table[ids[i], j])        prefetches table[ids[i + 1], j] for all j
 *
 * No bit depends on it. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_GATHERED_H
#define FV_BACKEND_SCHEDULE_ROWS_GATHERED_H

#include "backend/schedule/common/emit.h"

/* Emits, at the beginning of a row of n definitions, prefetches of what they gather for the next
 * iteration of the loop over axis `axis` of e->def, the innermost loop around the row; -1: there is
 * no such loop. The definitions share the variables of the loops around the row, which are
 * bound. */
void fv_prefetch_gathered(fv_kemit *e, int n, const fv_definition *const *all, int axis);

#endif
