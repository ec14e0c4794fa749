/* blocks.h - loops over blocks, and short names for expressions that schedules of contractions use
 * often. */
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

/* Opens a loop over `blocks` blocks of `step` out of n elements and returns the number of the
 * block; *first: where it begins, *size: how many elements it has, which may be 0 or less for the
 * last blocks. If `fits`, there is one block and no loop. */
fv_expr *fv_open_blocks(fv_kemit *e, fv_loop_kind kind, const char *name, fv_expr *n,
                        fv_expr *blocks, fv_expr *step, bool fits, fv_expr **first, fv_expr **size);
/* The number of rows of a square block that is transposed in registers, of elements with that many
 * bytes: as many as a vector has lanes, but at most half of the registers. */
int64_t fv_transposed_block(const fv_target *t, int bytes);
fv_expr *fv_ceildiv(fv_kemit *e, fv_expr *a, fv_expr *b);

#endif
