/* gen_shapes.c - kernels of the shapes that schedules build, with random expressions in their
 * places. */
#include "tests/consumers/gen_internal.h"

static fv_expr *integer(gen *g, int64_t i) {
    return fv_x_int(g->a, i);
}

static fv_expr *bin(gen *g, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(g->a, op, x, y);
}

static fv_expr *plain_loop(gen *g, fv_loop_kind kind, const char *name, fv_expr *lo, fv_expr *hi,
                           int64_t step) {
    return fv_kb_for(&g->b, kind, name, lo, hi, step);
}

/* ---- an axis in blocks ---- */

void gen_blocked(gen *g) {
    static const int sizes[] = {4, 7, 8, 16, 24};
    fv_expr *size = g->extents[0], *block = integer(g, PICK(g, sizes));
    fv_buf *out = fv_kernel_buf(g->k, "Y", FV_BUF_OUT, gen_memory(g), 1, &size);
    fv_expr *round = bin(g, FV_X_ADD, size, bin(g, FV_X_SUB, block, integer(g, 1)));
    fv_expr *t =
        plain_loop(g, FV_PARALLEL, "block", integer(g, 0), bin(g, FV_X_FLOORDIV, round, block), 1);
    fv_expr *lo = fv_kb_let(&g->b, "lo", bin(g, FV_X_MUL, t, block));
    fv_expr *hi = fv_kb_let(&g->b, "hi", bin(g, FV_X_MIN, size, bin(g, FV_X_ADD, lo, block)));
    fv_expr *i = plain_loop(g, FV_VECTOR, "i", lo, hi, 1);
    g->loops[g->nloops].var = i; /* it indexes as one from 0 would */
    g->loops[g->nloops++].extent = size;
    g->inner = true;
    gen_statements(g, 2);
    gen_store(g, out, &i);
    gen_close(g);
    fv_kb_end(&g->b);
}

/* ---- rows by chains ---- */

static const fv_expr_op reductions[] = {FV_X_ADD, FV_X_MIN, FV_X_MAX, FV_X_MUL};

static fv_expr *neutral(gen *g, fv_expr_op op) {
    double x = op == FV_X_ADD ? 0 : op == FV_X_MUL ? 1 : op == FV_X_MIN ? 1e30 : -1e30;
    return fv_x_const(g->a, FV_F32, x);
}

/* All chains take the element at k + lane; those at `limit` and beyond take none. */
static void chain_step(gen *g, fv_buf *acc, fv_buf *in, fv_expr *row, fv_expr *k, fv_expr *limit,
                       fv_expr_op op) {
    fv_expr *c = plain_loop(g, FV_VECTOR, "c", integer(g, 0), integer(g, 16), 1);
    fv_expr *index[2] = {row, bin(g, FV_X_ADD, k, c)}, *old = fv_x_load(g->a, acc, &c);
    fv_expr *inside = limit ? bin(g, FV_X_LT, index[1], limit) : NULL;
    fv_expr *x = inside ? fv_x_guard(g->a, in, index, inside, fv_x_const(g->a, FV_F32, 0))
                        : fv_x_load(g->a, in, index);
    fv_expr *next = op == FV_X_ADD ? fv_x_fma(g->a, x, x, old) : bin(g, op, old, x);
    fv_kb_store(&g->b, acc, &c, inside ? fv_x_select(g->a, inside, next, old) : next, NULL);
    fv_kb_end(&g->b);
}

void gen_chains(gen *g) {
    fv_expr *extent[2] = {g->extents[0], g->extents[1]}, *sixteen = integer(g, 16);
    fv_buf *in = fv_kernel_buf(g->k, "X", FV_BUF_IN, FV_F32, 2, extent);
    fv_buf *out = fv_kernel_buf(g->k, "Y", FV_BUF_OUT, FV_F32, 2, extent);
    fv_expr_op op = PICK(g, reductions);
    int64_t chains = 16;
    fv_expr *row = gen_open(g, FV_PARALLEL, "i", extent[0]);
    fv_buf *acc = fv_kb_tile(&g->b, "acc", FV_F32, 1, &chains, neutral(g, op));
    fv_expr *whole = fv_kb_let(
        &g->b, "whole", bin(g, FV_X_MUL, bin(g, FV_X_FLOORDIV, extent[1], sixteen), sixteen));
    fv_expr *k = plain_loop(g, FV_SERIAL, "k", integer(g, 0), whole, 16);
    chain_step(g, acc, in, row, k, NULL, op);
    fv_kb_end(&g->b);
    fv_kb_if(&g->b, bin(g, FV_X_LT, whole, extent[1]));
    chain_step(g, acc, in, row, whole, extent[1], op);
    fv_kb_end(&g->b);
    for (int half = 8; half; half /= 2) {
        fv_expr *c = plain_loop(g, FV_VECTOR, "c", integer(g, 0), integer(g, half), 1);
        fv_expr *other = bin(g, FV_X_ADD, c, integer(g, half));
        fv_kb_store(&g->b, acc, &c,
                    bin(g, op, fv_x_load(g->a, acc, &c), fv_x_load(g->a, acc, &other)), NULL);
        fv_kb_end(&g->b);
    }
    fv_expr *zero = integer(g, 0);
    gen_keep(g, fv_kb_let(&g->b, "sum", fv_x_load(g->a, acc, &zero)));
    g->inner = true;
    fv_expr *index[2] = {row, gen_open(g, FV_VECTOR, "j", extent[1])};
    gen_statements(g, 1);
    gen_store(g, out, index);
    gen_close(g);
    gen_close(g);
}

/* ---- a matrix product by tiles ---- */

typedef struct product {
    fv_buf *x, *y, *out;
    fv_expr *rows, *columns, *depth;
    fv_expr *i0, *j0;
    int mr, nr;
    fv_elem e;
} product;

static void whole_tile(gen *g, const product *p) {
    int64_t extent[2] = {p->mr, p->nr};
    fv_buf *acc = fv_kb_tile(&g->b, "acc", p->e, 2, extent, fv_x_const(g->a, p->e, 0));
    fv_expr *k = plain_loop(g, FV_SERIAL, "k", integer(g, 0), p->depth, 1);
    fv_buf *column = fv_kb_tile(&g->b, "a", p->e, 1, extent, NULL);
    fv_expr *r = plain_loop(g, FV_UNROLL, "r", integer(g, 0), integer(g, p->mr), 1);
    fv_expr *at[2] = {bin(g, FV_X_ADD, p->i0, r), k};
    fv_kb_store(&g->b, column, &r, fv_x_load(g->a, p->x, at), NULL);
    fv_kb_end(&g->b);
    fv_expr *c = plain_loop(g, FV_VECTOR, "c", integer(g, 0), integer(g, p->nr), 1);
    at[0] = k;
    at[1] = bin(g, FV_X_ADD, p->j0, c);
    fv_expr *b = fv_kb_let(&g->b, "b", fv_x_load(g->a, p->y, at));
    r = plain_loop(g, FV_UNROLL, "r", integer(g, 0), integer(g, p->mr), 1);
    at[0] = r;
    at[1] = c;
    fv_expr *a = fv_x_load(g->a, column, &r), *old = fv_x_load(g->a, acc, at);
    fv_kb_store(&g->b, acc, at, fv_x_fma(g->a, a, b, old), NULL);
    for (int i = 0; i < 3; i++)
        fv_kb_end(&g->b);
    r = plain_loop(g, FV_UNROLL, "r", integer(g, 0), integer(g, p->mr), 1);
    c = plain_loop(g, FV_VECTOR, "c", integer(g, 0), integer(g, p->nr), 1);
    fv_expr *from[2] = {r, c}, *to[2] = {bin(g, FV_X_ADD, p->i0, r), bin(g, FV_X_ADD, p->j0, c)};
    fv_kb_store(&g->b, p->out, to, fv_x_load(g->a, acc, from), NULL);
    fv_kb_end(&g->b);
    fv_kb_end(&g->b);
}

static void edge(gen *g, const product *p, fv_expr *i1, fv_expr *j1) {
    fv_expr *i = plain_loop(g, FV_SERIAL, "i", p->i0, i1, 1);
    fv_expr *j = plain_loop(g, FV_VECTOR, "j", p->j0, j1, 1);
    fv_buf *acc = fv_kb_tile(&g->b, "sum", p->e, 0, NULL, fv_x_const(g->a, p->e, 0));
    fv_expr *k = plain_loop(g, FV_SERIAL, "k", integer(g, 0), p->depth, 1);
    fv_expr *ik[2] = {i, k}, *kj[2] = {k, j}, *ij[2] = {i, j};
    fv_kb_store(&g->b, acc, NULL,
                fv_x_fma(g->a, fv_x_load(g->a, p->x, ik), fv_x_load(g->a, p->y, kj),
                         fv_x_load(g->a, acc, NULL)),
                NULL);
    fv_kb_end(&g->b);
    fv_kb_store(&g->b, p->out, ij, fv_x_load(g->a, acc, NULL), NULL);
    fv_kb_end(&g->b);
    fv_kb_end(&g->b);
}

/* Tasks over blocks of an axis; *end is one past the last of the block. */
static fv_expr *open_blocks(gen *g, const char *name, fv_expr *size, int step, fv_expr **end) {
    fv_expr *n =
        bin(g, FV_X_FLOORDIV, bin(g, FV_X_ADD, size, integer(g, step - 1)), integer(g, step));
    fv_expr *block = plain_loop(g, FV_PARALLEL, name, integer(g, 0), n, 1);
    fv_expr *first = fv_kb_let(&g->b, "first", bin(g, FV_X_MUL, block, integer(g, step)));
    *end = bin(g, FV_X_MIN, size, bin(g, FV_X_ADD, first, integer(g, step)));
    return first;
}

void gen_contract(gen *g) {
    product p = {.rows = g->extents[0],
                 .columns = g->extents[1],
                 .depth = g->extents[2],
                 .mr = 1 + rng_below(g->r, 6),
                 .nr = 4 << rng_below(g->r, 4),
                 .e = rng_chance(g->r, 80) ? FV_F32 : FV_F64};
    fv_expr *ik[2] = {p.rows, p.depth}, *kj[2] = {p.depth, p.columns}, *ij[2] = {p.rows, p.columns};
    fv_expr *i1, *j1;
    p.x = fv_kernel_buf(g->k, "P", FV_BUF_IN, p.e, 2, ik);
    p.y = fv_kernel_buf(g->k, "Q", FV_BUF_IN, p.e, 2, kj);
    p.out = fv_kernel_buf(g->k, "Y", FV_BUF_OUT, p.e, 2, ij);
    p.i0 = open_blocks(g, "ib", p.rows, p.mr, &i1);
    p.j0 = open_blocks(g, "jb", p.columns, p.nr, &j1);
    fv_kb_if(&g->b,
             bin(g, FV_X_AND, bin(g, FV_X_LE, bin(g, FV_X_ADD, p.i0, integer(g, p.mr)), p.rows),
                 bin(g, FV_X_LE, bin(g, FV_X_ADD, p.j0, integer(g, p.nr)), p.columns)));
    whole_tile(g, &p);
    fv_kb_else(&g->b);
    edge(g, &p, i1, j1);
    for (int i = 0; i < 3; i++)
        fv_kb_end(&g->b);
}

/* ---- a copy across ---- */

/* Transposes blocks of n x n, of any type, as tiles; elements beyond the end are neither read nor
 * stored. */
void gen_transpose(gen *g) {
    static const int sizes[] = {1, 3, 4, 8, 16, 16};
    int64_t n = PICK(g, sizes), square[2] = {n, n};
    fv_elem e = gen_memory(g);
    fv_expr *extent[2] = {g->extents[0], g->extents[1]}, *across[2] = {extent[1], extent[0]}, *end;
    fv_buf *x = fv_kernel_buf(g->k, "X", FV_BUF_IN, e, 2, extent);
    fv_buf *y = fv_kernel_buf(g->k, "Y", FV_BUF_OUT, e, 2, across);
    fv_expr *i0 = open_blocks(g, "ib", extent[0], (int)n, &end);
    fv_expr *j0 = plain_loop(g, FV_SERIAL, "j0", integer(g, 0), extent[1], n);
    fv_buf *t = fv_kb_tile(&g->b, "t", e, 2, square, NULL);
    for (int k = 0; k < 2; k++) { /* rows of x into the tile, then rows of the tile into y */
        fv_expr *r = plain_loop(g, FV_UNROLL, "r", integer(g, 0), integer(g, n), 1);
        fv_expr *c = plain_loop(g, FV_VECTOR, "c", integer(g, 0), integer(g, n), 1);
        fv_expr *rc[2] = {r, c},
                *at[2] = {bin(g, FV_X_ADD, k ? j0 : i0, r), bin(g, FV_X_ADD, k ? i0 : j0, c)};
        fv_expr *inside = bin(g, FV_X_AND, bin(g, FV_X_LT, at[0], k ? extent[1] : end),
                              bin(g, FV_X_LT, at[1], k ? end : extent[1]));
        if (k)
            fv_kb_store(&g->b, y, at, fv_x_load(g->a, t, rc), inside);
        else
            fv_kb_store(&g->b, t, rc, fv_x_guard(g->a, x, at, inside, fv_x_zero(g->a, e)), NULL);
        fv_kb_end(&g->b);
        fv_kb_end(&g->b);
        if (!k)
            fv_kb_transpose(&g->b, t);
    }
    fv_kb_end(&g->b);
    fv_kb_end(&g->b);
}

/* ---- a product of matrices ---- */

/* The word of four bytes of b that begins at that element of its last axis. */
static fv_expr *word_at(gen *g, fv_buf *b, fv_expr *first, fv_expr *last) {
    fv_expr *at[2] = {first, bin(g, FV_X_MUL, last, integer(g, 4))};
    return fv_x_cast(g->a, FV_X_BITCAST, FV_I32, fv_x_load_n(g->a, b, at, 4));
}

/* The statement: sums[r, 16 * group + c] of `words` words, for rows from i0 on. */
static void product_of_matrices(gen *g, fv_buf *sums, fv_buf *x, fv_buf *w, fv_expr *i0,
                                fv_expr *rows, int groups, int64_t words) {
    static const fv_expr_op ops[] = {FV_X_DOT_U8_I8, FV_X_DOT_I8_I8, FV_X_DOT_U8_U8};
    fv_kb_matrix(&g->b);
    fv_expr *r = plain_loop(g, FV_SERIAL, "r", integer(g, 0), rows, 1);
    fv_expr *group = plain_loop(g, FV_SERIAL, "g", integer(g, 0), integer(g, groups), 1);
    fv_expr *c = plain_loop(g, FV_SERIAL, "c", integer(g, 0), integer(g, 16), 1);
    fv_expr *column = bin(g, FV_X_ADD, bin(g, FV_X_MUL, group, integer(g, 16)), c),
            *at[2] = {r, column};
    bool adds = rng_chance(g->r, 50);
    fv_buf *acc = fv_kb_tile(&g->b, "acc", FV_I32, 0, NULL,
                             adds ? fv_x_load(g->a, sums, at) : fv_x_const_int(g->a, FV_I32, 0));
    fv_expr *q = plain_loop(g, FV_SERIAL, "q", integer(g, 0), integer(g, words), 1);
    fv_expr *a = word_at(g, x, bin(g, FV_X_ADD, i0, r), q), *b = word_at(g, w, q, column);
    bool swapped = rng_chance(g->r, 50);
    fv_kb_store(
        &g->b, acc, NULL,
        fv_x_dot(g->a, PICK(g, ops), swapped ? b : a, swapped ? a : b, fv_x_load(g->a, acc, NULL)),
        NULL);
    fv_kb_end(&g->b);
    fv_kb_store(&g->b, sums, at, fv_x_load(g->a, acc, NULL), NULL);
    for (int i = 0; i < 4; i++)
        fv_kb_end(&g->b);
}

void gen_matrix(gen *g) {
    static const int64_t lengths[] = {1, 3, 15, 16, 16, 32, 48};
    int groups = 1 + rng_below(g->r, 2), tile = 1 + rng_below(g->r, 32);
    int64_t words = PICK(g, lengths), extent[2] = {tile, 16 * groups};
    fv_expr *rows = g->extents[0];
    fv_expr *ik[2] = {rows, integer(g, 4 * words + rng_below(g->r, 9))},
            *kj[2] = {integer(g, words), integer(g, 64 * groups)},
            *ij[2] = {rows, integer(g, 16 * groups)}, *end;
    fv_buf *x = fv_kernel_buf(g->k, "P", FV_BUF_IN, rng_chance(g->r, 50) ? FV_U8 : FV_I8, 2, ik);
    fv_buf *w = fv_kernel_buf(g->k, "Q", FV_BUF_IN, rng_chance(g->r, 50) ? FV_U8 : FV_I8, 2, kj);
    fv_buf *out = fv_kernel_buf(g->k, "Y", FV_BUF_OUT, FV_I32, 2, ij);
    fv_expr *i0 = open_blocks(g, "ib", rows, tile, &end);
    fv_expr *n =
        fv_kb_let(&g->b, "rows", bin(g, FV_X_MIN, integer(g, tile), bin(g, FV_X_SUB, rows, i0)));
    fv_buf *sums = fv_kb_tile(&g->b, "sums", FV_I32, 2, extent, fv_x_const_int(g->a, FV_I32, -5));
    bool outlined = rng_chance(g->r, 40);
    if (outlined)
        fv_kb_outline(&g->b);
    for (int i = 1 + rng_below(g->r, 2); i > 0; i--)
        product_of_matrices(g, sums, x, w, i0, n, groups, words);
    if (outlined)
        fv_kb_end(&g->b);
    fv_expr *r = plain_loop(g, FV_SERIAL, "r", integer(g, 0), n, 1);
    fv_expr *c = plain_loop(g, FV_VECTOR, "c", integer(g, 0), integer(g, 16 * groups), 1);
    fv_expr *from[2] = {r, c}, *to[2] = {bin(g, FV_X_ADD, i0, r), c};
    fv_kb_store(&g->b, out, to, fv_x_load(g->a, sums, from), NULL);
    for (int i = 0; i < 3; i++)
        fv_kb_end(&g->b);
}

/* ---- sums of products of 16 bytes ---- */

void gen_sixteen(gen *g) {
    static const fv_loop_kind kinds[] = {FV_SERIAL, FV_UNROLL, FV_VECTOR};
    const fv_expr_op op = rng_chance(g->r, 50) ? FV_X_DOT16_I8_I8 : FV_X_DOT16_U8_U8;
    const fv_elem e = fv_dot16_elem(op);
    const int64_t words = 1 + rng_below(g->r, 4), columns = 1 + rng_below(g->r, 17);
    fv_expr *rows = g->extents[0], *n = integer(g, columns), *sixteen = integer(g, FV_DOT16);
    fv_expr *ik[2] = {rows, integer(g, FV_DOT16 * words + rng_below(g->r, 9))},
            *kj[2] = {integer(g, words), integer(g, FV_DOT16 * columns)}, *ij[2] = {rows, n};
    fv_buf *x = fv_kernel_buf(g->k, "P", FV_BUF_IN, e, 2, ik);
    fv_buf *w = fv_kernel_buf(g->k, "Q", FV_BUF_IN, e, 2, kj);
    fv_buf *out = fv_kernel_buf(g->k, "Y", FV_BUF_OUT, FV_I32, 2, ij);
    fv_expr *i = plain_loop(g, FV_PARALLEL, "i", integer(g, 0), rows, 1);
    fv_buf *acc = fv_kb_tile(&g->b, "acc", FV_I32, 1, &columns, fv_x_const_int(g->a, FV_I32, -7));
    fv_expr *q = plain_loop(g, FV_SERIAL, "q", integer(g, 0), integer(g, words), 1);
    fv_expr *c = plain_loop(g, PICK(g, kinds), "c", integer(g, 0), n, 1);
    fv_expr *a[2] = {i, bin(g, FV_X_MUL, q, sixteen)}, *b[2] = {q, bin(g, FV_X_MUL, c, sixteen)};
    fv_kb_store(&g->b, acc, &c,
                fv_x_dot16(g->a, op, fv_x_load_n(g->a, x, a, FV_DOT16),
                           fv_x_load_n(g->a, w, b, FV_DOT16), fv_x_load(g->a, acc, &c)),
                NULL);
    fv_kb_end(&g->b);
    fv_kb_end(&g->b);
    c = plain_loop(g, FV_VECTOR, "c", integer(g, 0), n, 1);
    fv_kb_store(&g->b, out, (fv_expr *[]){i, c}, fv_x_load(g->a, acc, &c), NULL);
    fv_kb_end(&g->b);
    fv_kb_end(&g->b);
}
