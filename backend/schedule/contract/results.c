/* results.c - stores the results of a tile: the epilogue computes them from the sums, row by row,
 * or column by column where the rows of the result are contiguous in memory. */
#include "backend/schedule/contract/results.h"

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/element.h"
#include "backend/schedule/contract/turned.h"
#include "ir/expr/helium.h"
#include "ir/expr/visit.h"

/* Makes the sums of row r and column c available to the epilogue. */
static void name_sums(fv_tile *t, fv_expr *r, fv_expr *c) {
    fv_kemit *e = t->e;
    for (int i = 0; i < t->c->nsums; i++) {
        fv_expr *at[FV_MAX_RANK];
        fv_expr *column = binary(e, FV_X_ADD, c, integer(e, i * t->plan.nr));
        fv_tile_place(t, r, column, at);
        fv_expr *s = t->sums.turned ? fv_x_load(e->arena, t->sums.turned, (fv_expr *[]){column, r})
                                    : fv_x_load(e->arena, t->sums.buf, at);
        /* a sum of words of bf16: the float's bits */
        s = fv_x_cast(e->arena, FV_X_BITCAST, (fv_elem)t->c->sums[i]->type.elem, s);
        fv_kemit_memo(e, t->c->sums[i], fv_kb_let(&e->b, "s", s));
    }
}

/* The kind of the loop over the columns of a row whose results are stored. With Helium the sums of
 * a row are converted together, also if they were computed in core registers. */
static fv_loop_kind stored_kind(const fv_tile *t) {
    enum { LANES = FV_HELIUM_BYTES / 4 };
    bool together = fv_has_helium(t->e->l->target) && fv_tile_width(t) % LANES == 0;
    return t->plan.stores && !together ? FV_UNROLL : FV_VECTOR;
}

bool fv_rows_are_neighbours(const fv_target *target, const fv_definition *d,
                            const fv_contraction *c, const fv_tile_plan *plan) {
    return !plan->stores && !d->place && c->row >= 0 && c->row == d->rank - 1 && plan->mr > 1 &&
           fv_is_vector_processor(target);
}

/* Binds row r and column c of the tile, and stores the result there. */
static void store_element(fv_tile *t, const fv_tile_put *put, fv_expr *r, fv_expr *c) {
    fv_kemit *e = t->e;
    fv_tile_bind(t, r, c);
    if (t->c->row >= 0)
        put->index[t->c->row] = binary(e, FV_X_ADD, t->i0, r);
    put->index[t->c->column] = binary(e, FV_X_ADD, t->j0, c);
    name_sums(t, r, c);
    if (put->store)
        put->store(put->user, put->index);
    else
        fv_kemit_store(e, fv_kemit_out(e, put->value), put->index, fv_kemit_expr(e, e->def->body));
}

/* Emits the loops that store `rows` rows column by column. */
static void store_columns(fv_tile *t, const fv_tile_put *put, fv_expr *rows, fv_expr *columns) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, FV_SERIAL, "c", columns), *r = open_loop(e, FV_VECTOR, "r", rows);
    store_element(t, put, r, c);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* The same for all rows of a tile whose sums are transposed: a column is stored in vectors whose
 * lengths are powers of two, 14 rows as 8, 4 and 2. */
static void store_turned(fv_tile *t, const fv_tile_put *put, fv_expr *columns) {
    fv_kemit *e = t->e;
    const int lanes = (int)t->e->l->target->vector_bits / 32;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, FV_SERIAL, "c", columns);
    for (int at = 0, n = lanes; at < t->plan.mr; at += n) {
        while (n > t->plan.mr - at)
            n /= 2;
        fv_kmark own = fv_kemit_mark(e);
        fv_expr *r = open_loop(e, n > 1 ? FV_VECTOR : FV_SERIAL, "r", integer(e, n));
        store_element(t, put, binary(e, FV_X_ADD, integer(e, at), r), c);
        fv_kb_end(&e->b);
        fv_kemit_release(e, own);
    }
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Stores the results of `rows` rows column by column: each line of memory is then accessed once,
 * and not once for each of its rows. Lines of different columns compete for few sets of the cache
 * if their distance is a multiple of 4 kB: a convolution of 320 channels and 32 x 32 pixels with a
 * residual takes 0.87 of the time (Zen 4). */
static void store_by_columns(fv_tile *t, const fv_tile_put *put, fv_expr *rows, fv_expr *columns) {
    fv_kemit *e = t->e;
    int64_t known;
    if (t->plan.depth && !t->plan.together)
        t->sums.at[0] = t->rows.done;
    if (t->plan.together || !fv_tile_may_turn_sums(t)) {
        store_columns(t, put, rows, columns);
        return;
    }
    const bool all = fv_x_is_int(rows, &known) && known == t->plan.mr;
    if (!all)
        fv_kb_if(&e->b, binary(e, FV_X_EQ, rows, integer(e, t->plan.mr)));
    fv_tile_turn_sums(t);
    if (all)
        store_turned(t, put, columns);
    else /* the bound `rows` proves that the rows are in their block */
        store_columns(t, put, rows, columns);
    t->sums.turned = NULL;
    if (all)
        return;
    fv_kb_else(&e->b);
    store_columns(t, put, rows, columns);
    fv_kb_end(&e->b);
}

/* Stores the results of a block of rows, whose sums are in memory, column by column. If blocks of
 * sums can be transposed in registers, no sum is loaded on its own. */
static void store_together(fv_tile *t, const fv_tile_put *put, fv_expr *rows, fv_expr *columns) {
    fv_kemit *e = t->e;
    const int64_t least = fv_tile_turned_rows(t);
    int64_t known;
    const bool always = fv_x_is_int(rows, &known) && known >= least;
    t->sums.at[0] = integer(e, 0);
    if (!least) {
        store_by_columns(t, put, rows, columns);
        return;
    }
    if (!always)
        fv_kb_if(&e->b, binary(e, FV_X_LE, integer(e, least), rows));
    fv_tile_turn_block(t, rows);
    store_by_columns(t, put, rows, columns);
    t->sums.turned = NULL;
    if (always)
        return;
    fv_kb_else(&e->b);
    store_by_columns(t, put, rows, columns);
    fv_kb_end(&e->b);
}

/* The number of vectors of a complete row of sums of integers that become bytes without a loop, so
 * that the scales of the columns stay in registers for all rows: MobileNetV2 in bytes takes 0.97 of
 * its time (Zen 4). 16 registers are too few for them, and an elementary function is too long to
 * be repeated. 0: there is a loop over vectors. */
static int vectors_apart(const fv_tile *t, const fv_tile_put *put, const fv_expr *columns) {
    enum { REGISTERS = 32, MOST = 2 };
    const fv_target *target = t->e->l->target;
    const int lanes = target->vector_bits / fv_elem_bits(fv_sum_elem(t->c));
    int64_t n;
    bool may = target->vector_registers >= REGISTERS && lanes > 1 && t->c->nsums == 1 &&
               fv_elem_is_int(fv_sum_elem(t->c)) &&
               fv_elem_bits(t->e->def->value->type->elem) == 8 && !put->store && !put->row &&
               !t->plan.stores && fv_x_is_int(columns, &n) && n == t->plan.nr && n % lanes == 0 &&
               n / lanes <= MOST;
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(t->e->arena, t->e->def->body); may && (x = fv_x_next(&v));)
        may = !fv_expr_op_is_math((fv_expr_op)x->op);
    return may ? (int)n / lanes : 0;
}

void fv_tile_store_rows(fv_tile *t, const fv_tile_put *put, fv_expr *first, fv_expr *rows,
                        fv_expr *columns) {
    fv_kemit *e = t->e;
    fv_kmark m = fv_kemit_mark(e);
    const int outer = e->b.depth;
    if (t->plan.depth)
        t->sums.at[0] = t->rows.done;
    fv_expr *r = open_loop(e, t->plan.stores ? FV_UNROLL : FV_SERIAL, "r", rows);
    r = binary(e, FV_X_ADD, first, r);
    if (put->row)
        put->row(t, rows, r);
    const int apart = vectors_apart(t, put, columns);
    fv_expr *v = apart > 1 ? open_loop(e, FV_UNROLL, "v", integer(e, apart)) : NULL;
    fv_expr *n = v ? integer(e, t->plan.nr / apart) : columns;
    fv_expr *c = open_loop(e, stored_kind(t), "c", n);
    store_element(t, put, r, v ? binary(e, FV_X_ADD, binary(e, FV_X_MUL, v, n), c) : c);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

void fv_tile_store(fv_tile *t, fv_value *value, fv_expr **index, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    fv_expr *nr = integer(e, t->plan.nr), *first = integer(e, 0);
    fv_tile_put put = t->put;
    put.value = value;
    put.index = index;
    if (t->plan.stores)
        return;
    if (t->plan.together) {
        store_together(t, &put, rows, t->columns);
        return;
    }
    if (!put.store && !put.row && fv_rows_are_neighbours(e->l->target, e->def, t->c, &t->plan)) {
        store_by_columns(t, &put, rows, t->columns);
        return;
    }
    if (fv_is_small_code(e->l->options) || fv_x_is_int(t->columns, &known)) {
        fv_tile_store_rows(t, &put, first, rows, t->columns);
        return;
    }
    /* if all columns exist, the loop has a constant length */
    fv_kb_if(&e->b, binary(e, FV_X_EQ, t->columns, nr));
    fv_tile_store_rows(t, &put, first, rows, nr);
    fv_kb_else(&e->b);
    fv_tile_store_rows(t, &put, first, rows, t->columns);
    fv_kb_end(&e->b);
}
