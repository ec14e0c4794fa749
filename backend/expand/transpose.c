/* transpose.c - transposing a square tile: in registers if it is a tile of vectors.
 *
 * n vectors of n lanes are divided into blocks of n / 2, n / 4, ... 1 lanes, one round for each
 * size. A round takes pairs of vectors whose distance is the length of a block, and exchanges the
 * blocks off the diagonal: the even blocks of both vectors form one result, the odd ones the
 * other. */
#include "backend/expand/transpose.h"

#include "backend/expand/lanes.h"

typedef struct transposer {
    fv_kbuilder *b;
    fv_buf *tile;
    int lanes; /* lanes of the tile's vectors */
} transposer;

static fv_expr *const *place(const transposer *t, int row, int column) {
    fv_expr *index[] = {fv_x_int(t->b->arena, row), fv_x_int(t->b->arena, column)};
    return fv_x_copy_list(t->b->arena, 2, index);
}

/* Transposes the lanes x lanes block of vectors at (p, q); `row` gets the result. */
static void transpose_block(const transposer *t, int p, int q, fv_expr **row) {
    fv_arena *a = t->b->arena;
    for (int i = 0; i < t->lanes; i++)
        row[i] = fv_x_load(a, t->tile, place(t, p * t->lanes + i, q));
    for (int block = t->lanes / 2; block; block /= 2)
        for (int i = 0; i < t->lanes; i++) {
            if (i & block)
                continue;
            fv_expr *x = row[i], *y = row[i + block];
            row[i] = fv_kb_let(t->b, "even", fv_x_blocks(a, FV_X_EVEN, block, x, y));
            row[i + block] = fv_kb_let(t->b, "odd", fv_x_blocks(a, FV_X_ODD, block, x, y));
        }
}

static void store_block(const transposer *t, int p, int q, fv_expr *const *row) {
    for (int i = 0; i < t->lanes; i++)
        fv_kb_store(t->b, t->tile, place(t, p * t->lanes + i, q), row[i], NULL);
}

static void transpose_vectors(const transposer *t, int n) {
    fv_expr *low[FV_MAX_LANES], *high[FV_MAX_LANES];
    for (int p = 0; p < n / t->lanes; p++)
        for (int q = 0; q <= p; q++) {
            transpose_block(t, p, q, low);
            if (q < p) {
                transpose_block(t, q, p, high);
                store_block(t, p, q, high);
            }
            store_block(t, q, p, low);
        }
}

static void transpose_scalars(const transposer *t, int n) {
    fv_arena *a = t->b->arena;
    fv_expr *i = fv_kb_for(t->b, FV_SERIAL, "i", fv_x_int(a, 1), fv_x_int(a, n), 1);
    fv_expr *j = fv_kb_for(t->b, FV_SERIAL, "j", fv_x_int(a, 0), i, 1);
    fv_expr *ij[] = {i, j}, *ji[] = {j, i};
    fv_expr *x = fv_kb_let(t->b, "x", fv_x_load(a, t->tile, ij));
    fv_kb_store(t->b, t->tile, ij, fv_x_load(a, t->tile, ji), NULL);
    fv_kb_store(t->b, t->tile, ji, x, NULL);
    fv_kb_end(t->b);
    fv_kb_end(t->b);
}

void fv_expand_transpose(fv_kbuilder *b, fv_buf *tile) {
    transposer t = {b, tile, tile->lanes};
    int64_t n = fv_x_int_value(tile->extent[0]);
    if (t.lanes > 1)
        transpose_vectors(&t, (int)n);
    else
        transpose_scalars(&t, (int)n);
}
