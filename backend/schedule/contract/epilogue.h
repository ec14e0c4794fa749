/* epilogue.h - a tile's prefetches of operands of its epilogue. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_EPILOGUE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_EPILOGUE_H

#include "backend/schedule/contract/contraction.h"

/* Emits prefetches of what the epilogue of `rows` rows of the tile accesses, before its products
 * are computed: elements of other values at the rows and columns of the tile, such as a residual,
 * and the results, which are stored in `value`, whose outer indices are `index`. */
void fv_tile_prefetch_operands(fv_tile *t, fv_value *value, fv_expr *const *index, fv_expr *rows);

#endif
