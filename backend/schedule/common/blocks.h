/* blocks.h - loops over blocks, and short names for what contractions write all the time. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_BLOCKS_H
#define FV_BACKEND_SCHEDULE_COMMON_BLOCKS_H

#include "backend/schedule/common/emit.h"

static inline fv_expr *binary(fv_kemit *e, fv_expr_op op, fv_expr *a, fv_expr *b) {
    return fv_x_bin(e->arena, op, a, b);
}

static inline fv_expr *integer(fv_kemit *e, int64_t n) {
    return fv_x_int(e->arena, n);
}

static inline fv_expr *open_loop(fv_kemit *e, fv_loop_kind kind, const char *name, fv_expr *n) {
    return fv_kb_for(&e->b, kind, name, integer(e, 0), n, 1);
}

/* Tasks over blocks of `step` out of n: returns the number of the block; *first is where it begins,
 * *size how much it has. One block where `fits`: no loop. */
fv_expr *fv_open_blocks(fv_kemit *e, fv_loop_kind kind, const char *name, fv_expr *n,
                        fv_expr *blocks, fv_expr *step, bool fits, fv_expr **first, fv_expr **size);
/* Rows of a square block of such elements that is turned round in registers, as many as a vector
 * has, while others are free for what goes on. */
int64_t fv_turned_block(const fv_target *t, int bytes);
fv_expr *fv_ceildiv(fv_kemit *e, fv_expr *a, fv_expr *b);

#endif
