/* chains.c - see chains.h.
 *
 *     for block = 0 to words step 16:
 *       even[r, c] = odd[r, c] = 0                            registers
 *       for q = block to min(block + 16, words):
 *         even[r, c] = dot_bf16_even(a[i0 + r, q], b[q, j0 + c], even[r, c])
 *         odd[r, c] = dot_bf16_odd(a[i0 + r, q], b[q, j0 + c], odd[r, c])
 *       acc[r, c] = add_flushed(acc[r, c], add_flushed(even[r, c], odd[r, c])) */
#include "backend/schedule/contract/chains.h"

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/order_tiles.h"
#include "backend/schedule/contract/element.h"

/* Opens loops over the rows and columns of the tile. Sets at[0] and at[1] to their variables. */
static void open_sums(fv_tile *t, int rows, fv_expr **at) {
    at[0] = open_loop(t->e, FV_UNROLL, "r", integer(t->e, rows));
    at[1] = open_loop(t->e, FV_VECTOR, "c", integer(t->e, fv_tile_width(t)));
}

/* The words of the columns of the tile for the current step. */
static fv_buf *words_of_columns(fv_tile *t) {
    fv_kemit *e = t->e;
    const int64_t width = fv_tile_width(t);
    fv_buf *b = fv_kb_tile(&e->b, "b", FV_I32, 1, &width, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, width));
    fv_tile_bind_column(t, c);
    fv_kb_store(&e->b, b, &c, fv_kemit_expr(e, t->c->b), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    return b;
}

/* Adds the products of the current words to both chains. */
static void add_words(fv_tile *t, fv_buf *const *chain, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    fv_buf *b = words_of_columns(t);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    fv_tile_bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_expr *a = fv_kb_let(&e->b, "a", fv_kemit_expr(e, t->c->a));
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, fv_tile_width(t))), *at[] = {r, c};
    fv_expr *word = fv_x_load(e->arena, b, &c);
    for (int i = 0; i < FV_NCHAINS; i++)
        fv_kb_store(&e->b, chain[i], at,
                    fv_add_to_chain(e->arena, i, a, word, fv_x_load(e->arena, chain[i], at)), NULL);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

void fv_tile_add_chains(fv_tile *t, fv_buf *acc, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    fv_var *q = t->c->sum->u.red.vars[0];
    const int64_t words = q->dim->value, size[2] = {rows, fv_tile_width(t)};
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *block =
        fv_kb_for(&e->b, FV_SERIAL, "block", integer(e, 0), integer(e, words), FV_TILE_WORDS);
    fv_expr *to = binary(e, FV_X_ADD, block, integer(e, FV_TILE_WORDS)), *at[2];
    if (words % FV_TILE_WORDS)
        to = binary(e, FV_X_MIN, to, integer(e, words));
    fv_buf *chain[FV_NCHAINS];
    for (int i = 0; i < FV_NCHAINS; i++)
        chain[i] = fv_kb_tile(&e->b, fv_chain_name(i), FV_I32, 2, size,
                              fv_x_const_int(e->arena, FV_I32, 0));
    const int within = e->b.depth;
    fv_kemit_bind(e, q, fv_kb_for(&e->b, FV_SERIAL, q->name, block, to, 1));
    add_words(t, chain, first, rows);
    fv_kb_end_to(&e->b, within);
    open_sums(t, rows, at);
    fv_expr *sum = fv_x_load(e->arena, acc, at);
    sum = fv_add_chains(e->arena, sum, fv_x_load(e->arena, chain[0], at),
                        fv_x_load(e->arena, chain[1], at));
    fv_kb_store(&e->b, acc, at, sum, NULL);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}
