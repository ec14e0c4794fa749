/* product.c - the sums of a tile as a product of matrices (ir/kernel/matrix.h), which stores them
 * in the memory that the epilogue reads. Words that do not fill an instruction are a product of
 * their own, whose products are added to the sums:
 *
 *     sums[r, j] = sum q < 48: dot(a[i0 + r, q], b[q, j])
 *     sums[r, j] = sums[r, j] + sum q < 3: dot(a[i0 + r, 48 + q], b[48 + q, j])
 */
#include "backend/schedule/contract/product.h"

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/steps.h"
#include "ir/kernel/matrix.h"

/* registers of one row each that hold the largest tile of a product of matrices, and operands */
enum { MATRIX_REGISTERS = FV_MATRIX_ROWS * FV_MATRIX_TILES + 2 };

void fv_matrix_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c, int *mr,
                    int *nr) {
    const fv_dim *rows = d->index[c->row]->dim;
    int64_t most = rows->hi < FV_MATRIX_ROWS ? rows->hi : FV_MATRIX_ROWS, even = most;
    if (fv_dim_is_const(rows))
        even =
            (rows->value + (rows->value + most - 1) / most - 1) / ((rows->value + most - 1) / most);
    int groups = d->index[c->column]->dim->hi > FV_MATRIX_SIDE ? FV_MATRIX_TILES : 1;
    u->limits.lanes = FV_MATRIX_SIDE;
    u->limits.registers = MATRIX_REGISTERS;
    u->limits.sums = 1;
    *mr = (int)fv_choose(u, FV_PARAMETER_rows, even, 1, most, 1);
    *nr = (int)fv_choose(u, FV_PARAMETER_columns, groups * FV_MATRIX_SIDE, FV_MATRIX_SIDE,
                         groups * FV_MATRIX_SIDE, FV_MATRIX_SIDE);
}

/* Appends a store as it is: a product of matrices contains no let. */
static void put(fv_kemit *e, fv_buf *b, fv_expr *const *index, fv_expr *x) {
    fv_stmt *s = fv_kb_add(&e->b, FV_S_STORE);
    s->buf = b;
    s->index = fv_x_copy_list(e->arena, b->rank, index);
    s->x = x;
}

/* Binds row r of the tile, and column c of its g-th group of columns. */
static void bind(fv_tile *t, fv_expr *r, fv_expr *g, fv_expr *c) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    const bool one = fv_panels_of_tile(t) <= 1;
    fv_expr *column = binary(e, FV_X_ADD, binary(e, FV_X_MUL, g, integer(e, FV_MATRIX_SIDE)), c);
    fv_kemit_bind(e, e->def->index[t->c->row], binary(e, FV_X_ADD, t->i0, r));
    fv_kemit_bind(e, e->def->index[t->c->column], binary(e, FV_X_ADD, t->j0, column));
    fv_kemit_bind(e, p->column, one ? column : c);
    fv_kemit_bind(e, p->panel_index, fv_panel_of_tile(t, t->panel, one ? NULL : g));
}

/* Emits the products of n words from number `from` on. */
static void multiply(fv_tile *t, fv_expr *rows, int64_t from, int64_t n) {
    fv_kemit *e = t->e;
    const fv_dot *dot = &t->c->dot;
    fv_kmark m = fv_kemit_mark(e);
    const int outer = e->b.depth;
    fv_kb_matrix(&e->b);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows),
            *g = open_loop(e, FV_SERIAL, "g", integer(e, t->plan.nr / FV_MATRIX_SIDE)),
            *c = open_loop(e, FV_SERIAL, "c", integer(e, FV_MATRIX_SIDE));
    fv_expr *at[2] = {r,
                      binary(e, FV_X_ADD, binary(e, FV_X_MUL, g, integer(e, FV_MATRIX_SIDE)), c)};
    fv_buf *sum = fv_kb_tile(&e->b, "acc", FV_I32, 0, NULL,
                             from ? fv_x_load(e->arena, t->sums.buf, at)
                                  : fv_x_const_int(e->arena, FV_I32, 0));
    fv_expr *q = open_loop(e, FV_SERIAL, "q", integer(e, n));
    bind(t, r, g, c);
    fv_kemit_bind(e, t->c->panels.words.number, binary(e, FV_X_ADD, q, integer(e, from)));
    fv_expr *a = fv_kemit_expr(e, t->c->a), *b = fv_kemit_expr(e, t->c->b);
    put(e, sum, NULL,
        fv_x_dot(e->arena, dot->op, dot->swapped ? b : a, dot->swapped ? a : b,
                 fv_x_load(e->arena, sum, NULL)));
    fv_kb_end(&e->b);
    put(e, t->sums.buf, at, fv_x_load(e->arena, sum, NULL));
    while (e->b.depth > outer)
        fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

void fv_tile_multiply_matrix(fv_tile *t, fv_expr *rows) {
    const int64_t words = t->c->panels.words.number->dim->value, rest = words % FV_MATRIX_SIDE;
    if (words > rest)
        multiply(t, rows, 0, words - rest);
    if (rest)
        multiply(t, rows, words - rest, rest);
}
