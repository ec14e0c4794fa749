/* blocks.c - see blocks.h. */
#include "backend/schedule/common/blocks.h"

fv_expr *fv_open_blocks(fv_kemit *e, fv_loop_kind kind, const char *name, fv_expr *n,
                        fv_expr *blocks, fv_expr *step, bool fits, fv_expr **first,
                        fv_expr **size) {
    int64_t known, count, by;
    *first = integer(e, 0);
    *size = n;
    if (fits)
        return *first;
    fv_expr *block = open_loop(e, kind, name, blocks);
    step = fv_kb_let(&e->b, "step", step);
    *first = fv_kb_let(&e->b, "first", binary(e, FV_X_MUL, block, step));
    /* the last block may have no elements: `step` is rounded up to a multiple of the tile */
    bool whole = fv_x_is_int(n, &known) && fv_x_is_int(blocks, &count) && fv_x_is_int(step, &by) &&
                 known == count * by;
    *size =
        whole ? step
              : fv_kb_let(&e->b, "size", binary(e, FV_X_MIN, step, binary(e, FV_X_SUB, n, *first)));
    return block;
}

fv_expr *fv_ceildiv(fv_kemit *e, fv_expr *a, fv_expr *b) {
    return binary(e, FV_X_FLOORDIV, binary(e, FV_X_ADD, a, binary(e, FV_X_SUB, b, integer(e, 1))),
                  b);
}

int64_t fv_transposed_block(const fv_target *t, int bytes) {
    int64_t lanes = t->vector_bits / 8 / bytes, rows = t->vector_registers / 2;
    return lanes > rows ? rows : lanes;
}
