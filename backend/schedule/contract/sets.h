/* sets.h - rows of a contraction that compete for sets of the first-level cache. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_SETS_H
#define FV_BACKEND_SCHEDULE_CONTRACT_SETS_H

#include "backend/schedule/contract/tile.h"

/* The lines that a tile reads of its rows in one step of the sum. */
typedef struct fv_competing {
    const fv_expr *load; /* the load of the rows */
    int rows;            /* rows of a tile */
    int sets, ways;      /* number of sets that the rows' lines are in; lines in a set */
} fv_competing;

/* Do mr rows at this distance in bytes compete for sets? Sets all of *out but the load if so. */
bool fv_distance_competes(const fv_target *t, int64_t distance, int mr,
                          fv_competing *out) FV_MUST_USE;
/* Would the lines of the mr rows of a tile take more than half of the ways of the sets that they
 * are in? The factor `a` must be a load of rows at a known constant distance, whose
 * terms are contiguous. Sets *out if so. */
bool fv_rows_compete(const fv_target *t, const fv_contraction *c, const fv_definition *d, int mr,
                     fv_competing *out) FV_MUST_USE;

#endif
