/* columns.h - vector loops whose iterations each reduce a column of a matrix. */
#ifndef FV_BACKEND_EXPAND_COLUMNS_H
#define FV_BACKEND_EXPAND_COLUMNS_H

#include "ir/kernel/kernel.h"
#include "ir/target/target.h"

/* The number of vectors (1, 2 or 4), each of `lanes` elements, that the vector loop should compute
 * at a time. */
int fv_vectors_at_once(fv_arena *a, const fv_target *t, const fv_stmt *loop, int lanes);

#endif
