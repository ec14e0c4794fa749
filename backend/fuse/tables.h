/* tables.h - constants that say what a comparison of positions says. */
#ifndef FV_BACKEND_FUSE_TABLES_H
#define FV_BACKEND_FUSE_TABLES_H

#include "backend/lowering/lowering.h"

/* x with comparisons of indices in place of loads of constants of two values, one of which is a run
 * in each row whose ends stay or move with the row: triangles, bands, prefixes. `known` keeps what
 * was found out of each constant. */
fv_expr *fv_without_tables(fv_arena *a, fv_ptrmap *known, const fv_expr *x);

#endif
