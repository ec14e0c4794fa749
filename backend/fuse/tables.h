/* tables.h - replaces constants that are masks of positions by comparisons of positions. */
#ifndef FV_BACKEND_FUSE_TABLES_H
#define FV_BACKEND_FUSE_TABLES_H

#include "backend/lowering/lowering.h"

/* x with comparisons of indices in place of loads of constants that have two values, one of which
 * is a run in each row with fixed or moving ends: triangles, bands, prefixes. `known` caches what
 * is found about each constant. */
fv_expr *fv_without_tables(fv_arena *a, fv_ptrmap *known, const fv_expr *x);

#endif
