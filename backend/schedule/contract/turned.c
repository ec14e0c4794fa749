/* turned.c - transposes the sums of a tile in registers, for results whose rows, not columns, are
 * contiguous in memory, such as images with channels first:
 *
 *     for c0 < width step n:
 *       block[r, c] = sums[r, c0 + c]; transpose block; turned[c0 + c, r] = block[c, r]
 *
 * A column is then loaded in vectors. From `sums` it would be gathered, element by element, which
 * took 0.8 ns for each result: a convolution of 7 x 7 taps, 3 to 64 channels and 112 x 112 pixels
 * takes 0.87 of its time (Zen 4). */
#include "backend/schedule/contract/turned.h"

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/element.h"
#include "ir/base/divisor.h"

bool fv_tile_may_turn_sums(const fv_tile *t) {
    const int bytes = fv_elem_storage_bytes(fv_sum_elem(t->c));
    const int64_t n = fv_transposed_block(t->e->l->target, bytes);
    return n > 1 && bytes == 4 && fv_tile_width(t) % n == 0 && 4 * t->plan.mr > n;
}

/* Transposes n rows from r0 on. last: the row that takes the place of those after it; NULL: there
 * are n rows. */
static void turn_rows(fv_tile *t, fv_buf *turned, fv_expr *r0, fv_expr *last, int64_t n) {
    fv_kemit *e = t->e;
    fv_expr *c0 = fv_kb_for(&e->b, FV_SERIAL, "c0", integer(e, 0), integer(e, fv_tile_width(t)), n);
    fv_buf *block = fv_kb_tile(&e->b, "block", turned->elem, 2, (int64_t[]){n, n}, NULL);
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, n)),
            *c = open_loop(e, FV_VECTOR, "c", integer(e, n)), *row = binary(e, FV_X_ADD, r0, r);
    row = last ? binary(e, FV_X_MIN, row, last) : row;
    fv_expr *from[FV_MAX_RANK];
    fv_tile_place(t, row, binary(e, FV_X_ADD, c0, c), from);
    fv_kb_store(&e->b, block, (fv_expr *[]){r, c}, fv_x_load(e->arena, t->sums.buf, from), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kb_transpose(&e->b, block);
    c = open_loop(e, FV_UNROLL, "c", integer(e, n));
    r = open_loop(e, FV_VECTOR, "r", integer(e, n));
    fv_expr *to[2] = {binary(e, FV_X_ADD, c0, c), binary(e, FV_X_ADD, r0, r)};
    fv_kb_store(&e->b, turned, to, fv_x_load(e->arena, block, (fv_expr *[]){c, r}), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

/* The side of the blocks of sums that are transposed in registers; 1: none are. */
static int64_t side_of_blocks(const fv_tile *t) {
    return fv_transposed_block(t->e->l->target, fv_elem_storage_bytes(t->sums.buf->elem));
}

void fv_tile_turn_sums(fv_tile *t) {
    fv_kemit *e = t->e;
    const int64_t n = side_of_blocks(t), mr = t->plan.mr;
    const int64_t size[2] = {fv_tile_width(t), fv_round_up(mr, n)};
    fv_buf *turned = fv_kb_tile(&e->b, "turned", t->sums.buf->elem, 2, size, NULL);
    for (int64_t r0 = 0; r0 < mr; r0 += n)
        turn_rows(t, turned, integer(e, r0), integer(e, mr - 1), n);
    t->sums.turned = turned;
}

int64_t fv_tile_turned_rows(const fv_tile *t) {
    const int64_t n = side_of_blocks(t), most = fv_x_int_value(t->sums.buf->extent[0]);
    return n > 1 && fv_tile_width(t) % n == 0 && most >= n ? n : 0;
}

void fv_tile_turn_block(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    const int64_t n = side_of_blocks(t), most = fv_x_int_value(t->sums.buf->extent[0]);
    fv_buf *turned = fv_kb_tile(&e->b, "turned", t->sums.buf->elem, 2,
                                (int64_t[]){fv_tile_width(t), most}, NULL);
    fv_expr *r0 = fv_kb_for(&e->b, FV_SERIAL, "r0", integer(e, 0), rows, n);
    /* the maximum with 0 shows the verifier that no index is negative */
    r0 = binary(e, FV_X_MIN, r0, binary(e, FV_X_SUB, rows, integer(e, n)));
    r0 = fv_kb_let(&e->b, "r0", binary(e, FV_X_MAX, r0, integer(e, 0)));
    turn_rows(t, turned, r0, NULL, n);
    fv_kb_end(&e->b);
    t->sums.turned = turned;
}
