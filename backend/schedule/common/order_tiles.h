/* order_tiles.h - the expressions of a sum in the order FV_ORDER_TILES (ir/expr/expr.h). */
#ifndef FV_BACKEND_SCHEDULE_COMMON_ORDER_TILES_H
#define FV_BACKEND_SCHEDULE_COMMON_ORDER_TILES_H

#include "ir/expr/expr.h"

/* The chains of a block of FV_ORDER_TILES: of the even and of the odd terms. */
enum { FV_NCHAINS = 2 };
static inline const char *fv_chain_name(int chain) {
    return chain ? "odd" : "even";
}
/* The bits of chain `chain`, which was `so_far`, plus its product of the words x and y. */
static inline fv_expr *fv_add_to_chain(fv_arena *a, int chain, fv_expr *x, fv_expr *y,
                                       fv_expr *so_far) {
    return fv_x_dot(a, chain ? FV_X_DOT_BF16_ODD : FV_X_DOT_BF16_EVEN, x, y, so_far);
}
/* The bits of a sum plus both chains of a block. */
static inline fv_expr *fv_add_chains(fv_arena *a, fv_expr *sum, fv_expr *even, fv_expr *odd) {
    return fv_x_bin(a, FV_X_ADD_FLUSHED, sum, fv_x_bin(a, FV_X_ADD_FLUSHED, even, odd));
}

#endif
