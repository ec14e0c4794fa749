/* epilogue.h - a tile's prefetches of operands of its epilogue. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_EPILOGUE_H
#define FV_BACKEND_SCHEDULE_CONTRACT_EPILOGUE_H

#include "backend/schedule/contract/contraction.h"

/* Emits prefetches of what the epilogue of `rows` rows of the tile loads, before its products are
 * computed: elements of other values at the rows and columns of the tile, such as a residual. */
void fv_tile_prefetch_operands(fv_tile *t, fv_expr *rows);

#endif
