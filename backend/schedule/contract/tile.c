/* tile.c - emits the loops of a register tile: sums of products in registers, and the epilogue that
 * uses them.
 *
 *     acc[r, c] = 0                                     registers
 *     for k ascending: acc[r, c] = fma(a[i0 + r, k], b[k, j0 + c], acc[r, c])
 *     sums[r, c] = acc[r, c]                            first-level cache
 *     for rows and columns that exist: y[i0 + r, j0 + c] = epilogue(sums[r, c])
 *
 * Rows that do not fill a tile are computed by tiles whose rows are powers of two, such as 8, 4, 2
 * and 1. The terms of each output are added in ascending order, within blocks if the sum has blocks
 * (tile.h), the two terms of a pair as dot_bf16 adds them, and words of a sum in tiles in two
 * chains (chains.h), so tiles change no bit. Products of integers are added without fma, and
 * wrap. */
#include "backend/schedule/contract/tile.h"

#include <string.h>

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/border.h"
#include "backend/schedule/contract/chains.h"
#include "backend/schedule/contract/element.h"
#include "backend/schedule/contract/later_steps.h"
#include "backend/schedule/contract/lines.h"
#include "backend/schedule/contract/next_rows.h"
#include "backend/schedule/contract/prefetch.h"
#include "backend/schedule/contract/prefetch_blocks.h"
#include "backend/schedule/contract/results.h"
#include "backend/schedule/contract/steps.h"
#include "backend/schedule/contract/vectors.h"
#include "backend/schedule/contract/window.h"
#include "ir/expr/helium.h"

/* ---- loops around tiles ---- */

void fv_open_panels(fv_tile *t, fv_loop_kind kind) {
    fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->column]->dim;
    fv_expr *n = fv_kemit_dim(e, d), *nr = integer(e, t->plan.nr);
    /* if there may be no column, there may be no panel */
    bool one = d->hi <= t->plan.nr && d->lo > 0;
    if (t->only.columns[0] && !one) {
        t->panel = fv_kb_for(&e->b, kind, "panel", binary(e, FV_X_FLOORDIV, t->only.columns[0], nr),
                             fv_ceildiv(e, t->only.columns[1], nr), 1);
        t->j0 = fv_kb_let(&e->b, "first", binary(e, FV_X_MUL, t->panel, nr));
        t->columns =
            fv_kb_let(&e->b, "size", binary(e, FV_X_MIN, nr, binary(e, FV_X_SUB, n, t->j0)));
        return;
    }
    fv_expr *panel = t->panel =
        fv_open_blocks(e, kind, "panel", n, fv_ceildiv(e, n, nr), nr, one, &t->j0, &t->columns);
    t->prefetch.last = binary(e, FV_X_SUB, fv_ceildiv(e, n, nr), integer(e, 1));
    fv_expr *after =
        binary(e, FV_X_MIN, t->prefetch.last, binary(e, FV_X_ADD, panel, integer(e, 1)));
    t->prefetch.next = one ? panel : fv_kb_let(&e->b, "next", after);
}

/* The number of steps of the sum's first variable, of which `depth` are a block. */
static int64_t first_steps(const fv_contraction *c) {
    return fv_all_steps(c)->u.red.vars[0]->dim->value;
}

bool fv_tile_has_all_steps(const fv_tile *t) {
    return t->plan.depth >= first_steps(t->c);
}

fv_expr *fv_tile_whole(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    return fv_kb_let(&e->b, "whole", binary(e, FV_X_FLOORDIV, rows, integer(e, t->plan.mr)));
}

void fv_tile_share_prefetches(fv_tile *t, fv_expr *first, fv_expr *rows) {
    t->prefetch.whole = fv_tile_whole(t, rows);
    t->prefetch.shared.first = first;
    t->prefetch.shared.rows = rows;
    t->prefetch.shared.rest =
        fv_kb_let(&t->e->b, "rest", binary(t->e, FV_X_FLOORMOD, rows, integer(t->e, t->plan.mr)));
}

/* Sets what the tiles of a block of `rows` rows, beginning with row `first`, share: i0 and
 * rows.done for the first one, and what their prefetches need. Returns whether there may be several
 * tiles. */
static bool begin_tiles(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    t->rows.done = integer(e, 0);
    t->i0 = first;
    if (t->plan.prefetch.shared_streams)
        fv_tile_share_prefetches(t, first, rows);
    if (fv_x_is_int(rows, &known) && known <= t->plan.mr)
        return false;
    if (fv_tile_prefetches(t) && !t->prefetch.whole && (!t->c->dot.matrix || t->c->blocks.sum))
        t->prefetch.whole = fv_tile_whole(t, rows);
    if (t->plan.prefetch.sharing)
        t->prefetch.tiles = fv_kb_let(&e->b, "tiles", fv_ceildiv(e, rows, integer(e, t->plan.mr)));
    return true;
}

/* Opens a loop over the tiles of a block, without the first ones, which have `done` rows. Returns
 * the number of rows of the tile. */
static fv_expr *open_tiles_after(fv_tile *t, int64_t done, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    t->rows.done = fv_kb_for(&e->b, FV_SERIAL, "tile", integer(e, done), rows, t->plan.mr);
    t->i0 = fv_kb_let(&e->b, "i0", binary(e, FV_X_ADD, first, t->rows.done));
    return fv_x_is_int(rows, &known) && known % t->plan.mr == 0
               ? integer(e, t->plan.mr)
               : fv_kb_let(&e->b, "rows",
                           binary(e, FV_X_MIN, integer(e, t->plan.mr),
                                  binary(e, FV_X_SUB, rows, t->rows.done)));
}

fv_expr *fv_open_tiles(fv_tile *t, fv_expr *first, fv_expr *rows) {
    return begin_tiles(t, first, rows) ? open_tiles_after(t, 0, first, rows) : rows;
}

void fv_tile_sums(fv_tile *t, int64_t rows) {
    fv_kemit *e = t->e;
    t->sums.buf =
        fv_kb_tile(&e->b, "sums", fv_sum_elem(t->c), 2, (int64_t[]){rows, fv_tile_width(t)}, NULL);
    t->sums.at[0] = t->sums.at[1] = integer(e, 0);
}

void fv_open_steps(fv_tile *t) {
    if (t->plan.together && fv_tile_has_all_steps(t)) {
        t->from = integer(t->e, 0);
        return;
    }
    t->from = fv_kb_for(&t->e->b, FV_SERIAL, "from", integer(t->e, 0),
                        integer(t->e, first_steps(t->c)), t->plan.depth);
}

void fv_tile_open_blocks(fv_tile *t) {
    fv_kemit *e = t->e;
    fv_var *v = t->c->blocks.sum->u.red.vars[0];
    fv_expr *to = binary(e, FV_X_ADD, t->from, integer(e, t->plan.depth));
    if (first_steps(t->c) % t->plan.depth)
        to = binary(e, FV_X_MIN, to, fv_kemit_dim(e, v->dim));
    fv_kemit_bind(e, v, fv_kb_for(&e->b, FV_SERIAL, v->name, t->from, to, 1));
}

/* ---- a tile ---- */

/* The kind of a loop over the columns of the tile. Without vectors, few columns are unrolled on
 * microcontrollers: their sums are then in registers at any level of optimization of the C
 * compiler, and such code is shorter than a loop over an array. */
static fv_loop_kind column_kind(const fv_tile *t) {
    enum { MOST = 8 };
    const fv_target *target = t->e->l->target;
    if (fv_has_helium(target) && fv_contract_lanes(target, t->e->def, t->c) > 1)
        return FV_VECTOR;
    bool unrolls =
        target->kind != FV_TARGET_SERVER && !target->vector_bits && fv_tile_width(t) <= MOST;
    return unrolls ? FV_UNROLL : FV_VECTOR;
}

/* Stores element `column` of b, for step k, among those that later tiles read. */
static void keep_unpacked(fv_tile *t, fv_expr *k, fv_expr *column, fv_expr *x) {
    fv_expr *at[2] = {binary(t->e, FV_X_SUB, k, t->from), column};
    fv_kb_store(&t->e->b, t->made.unpacked, at, x, NULL);
}

/* Computes b for the steps of the current block and the columns of the current panel. */
static void unpack(fv_tile *t) {
    fv_kemit *e = t->e;
    fv_kmark m = fv_kemit_mark(e);
    int outer = e->b.depth;
    fv_expr *k = fv_open_row_of_panel(t, fv_open_rows_of_panel(t)),
            *c = open_loop(e, FV_VECTOR, "c", integer(e, fv_tile_width(t)));
    fv_tile_bind_column(t, c);
    fv_bind_shared(t, c);
    keep_unpacked(t, k, c, fv_kemit_expr(e, t->c->b));
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

fv_expr *fv_open_unpacked_tiles(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    t->made.unpacked = fv_kb_tile(&e->b, "unpacked", (fv_elem)t->c->sum->type.elem, 2,
                                  (int64_t[]){t->plan.depth, fv_tile_width(t)}, NULL);
    if (t->plan.unpacks == FV_UNPACKED_BEFORE) {
        unpack(t);
        return fv_open_tiles(t, first, rows);
    }
    const bool several = begin_tiles(t, first, rows);
    FV_HOLDS(e->l->session, several); /* otherwise the tile computes b for itself */
    t->made.unpacking = true;
    fv_tile_multiply(t, integer(e, t->plan.mr));
    t->made.unpacking = false;
    return open_tiles_after(t, t->plan.mr, first, rows);
}

/* What is stored for the sum of that row and column of the tile. */
static fv_expr *as_stored(fv_tile *t, fv_expr *row, fv_expr *column, fv_expr *sum) {
    fv_kemit *e = t->e;
    if (!t->sums.as)
        return sum;
    fv_kmark m = fv_kemit_mark(e);
    fv_tile_bind(t, row, column);
    fv_kemit_memo(e, t->c->sums[0], sum);
    fv_expr *x = fv_kemit_expr(e, (fv_expr *)t->sums.as);
    fv_kemit_release(e, m);
    return x;
}

typedef enum { TO_SUMS, FROM_SUMS } direction;

/* Moves the sums of row r of acc, which is row first + r of the tile. */
static void move_row(fv_tile *t, fv_buf *acc, fv_expr *first, fv_expr *r, direction d) {
    fv_kemit *e = t->e;
    fv_expr *c = open_loop(e, column_kind(t), "c", integer(e, fv_tile_width(t)));
    fv_expr *here[2] = {r, c}, *there[FV_MAX_RANK], *row = binary(e, FV_X_ADD, first, r);
    fv_tile_place(t, row, c, there);
    if (d == TO_SUMS)
        fv_kb_store(&e->b, t->sums.buf, there, as_stored(t, row, c, fv_x_load(e->arena, acc, here)),
                    NULL);
    else
        fv_kb_store(&e->b, acc, here, fv_x_load(e->arena, t->sums.buf, there), NULL);
    fv_kb_end(&e->b);
}

static void move_sums(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, direction d) {
    fv_kemit *e = t->e;
    move_row(t, acc, first, open_loop(e, FV_UNROLL, "r", integer(e, rows)), d);
    fv_kb_end(&e->b);
}

/* Returns a copy of `rows` rows of a, from `first` on, for the current block of steps, in
 * contiguous memory. */
static fv_buf *copy_rows(fv_tile *t, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    fv_var *k = t->c->sum->u.red.vars[0];
    fv_buf *near = fv_kb_tile(&e->b, "near", (fv_elem)t->c->a->type.elem, 2,
                              (int64_t[]){rows, t->plan.depth + FV_SPACE}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", integer(e, rows));
    fv_tile_bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_expr *left = binary(e, FV_X_SUB, fv_kemit_dim(e, k->dim), t->from);
    fv_expr *n = first_steps(t->c) % t->plan.depth
                     ? binary(e, FV_X_MIN, integer(e, t->plan.depth), left)
                     : integer(e, t->plan.depth);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", n);
    fv_kemit_bind(e, k, binary(e, FV_X_ADD, t->from, c));
    fv_kb_store(&e->b, near, (fv_expr *[]){r, c}, fv_kemit_expr(e, t->c->a), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    return near;
}

/* Adds the product of an element of rows and one of columns, or that of their words. */
static fv_expr *add_product(const fv_tile *t, fv_expr *a, fv_expr *b, fv_expr *sum) {
    const fv_dot *dot = &t->c->dot;
    if (!dot->group)
        return fv_kemit_add_product(t->e, a, b, sum);
    return fv_x_dot(t->e->arena, dot->op, dot->swapped ? b : a, dot->swapped ? a : b, sum);
}

/* Computes b for step k of the sum and the columns of the tile, or loads what was computed in
 * advance. `edge`: some columns may not exist. */
static fv_buf *columns_of_step(fv_tile *t, fv_expr *k, bool edge) {
    fv_kemit *e = t->e;
    const int width = fv_tile_width(t);
    fv_buf *b = fv_kb_tile(&e->b, "b", (fv_elem)t->c->sum->type.elem, 1, (int64_t[]){width}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, column_kind(t), "c", integer(e, width)), *x;
    fv_tile_bind_column(t, c);
    if (t->made.unpacked && !t->made.unpacking) {
        x = fv_x_load(e->arena, t->made.unpacked,
                      (fv_expr *[]){binary(e, FV_X_SUB, k, t->from), c});
    } else {
        fv_bind_shared(t, c);
        e->guard = edge ? binary(e, FV_X_LT, c, t->columns) : NULL;
        x = fv_kemit_expr(e, t->c->b);
        e->guard = NULL;
    }
    fv_kb_store(&e->b, b, &c, x, NULL);
    if (t->made.unpacking)
        keep_unpacked(t, k, c, fv_x_load(e->arena, b, &c));
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    return b;
}

/* Adds the products of step k to acc[r, c], for `rows` rows from `first` on. near: a copy of these
 * rows, or NULL. `last`: stores the sums of each row after its products. Leaves loops open, as the
 * caller's loop over steps is. */
static void add_products(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, const fv_buf *b,
                         fv_buf *near, fv_expr *k, bool edge, bool last) {
    fv_kemit *e = t->e;
    const fv_tile_tap *now = &t->rows.now;
    fv_expr *from = integer(e, now->is ? now->from : 0), *to = integer(e, now->is ? now->to : rows),
            *r = fv_kb_for(&e->b, FV_UNROLL, "r", from, to, 1);
    fv_tile_bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_tile_bind_line(t, r);
    fv_expr *a = t->c->each ? NULL
                 : near
                     ? fv_x_load(e->arena, near, (fv_expr *[]){r, binary(e, FV_X_SUB, k, t->from)})
                     : fv_kemit_expr(e, t->c->a);
    a = a ? fv_kb_let(&e->b, "a", a) : NULL;
    fv_expr *c = open_loop(e, column_kind(t), "c", integer(e, fv_tile_width(t)));
    if (!a) {
        fv_tile_bind_column(t, c);
        e->guard = edge ? binary(e, FV_X_LT, c, t->columns) : NULL;
        a = fv_kemit_expr(e, t->c->a);
        e->guard = NULL;
    }
    fv_expr *at[2] = {r, c};
    fv_expr *term = fv_x_load(e->arena, (fv_buf *)b, &c), *so_far = fv_x_load(e->arena, acc, at);
    fv_kb_store(&e->b, acc, at, add_product(t, a, term, so_far), NULL);
    if (!last)
        return;
    fv_kb_end(&e->b);
    move_row(t, acc, first, r, TO_SUMS);
}

/* Adds the products of the 16 steps of the current words to acc[r, c], for `rows` rows from `first`
 * on. Leaves loops open, as the caller's loop over steps is. */
static void add_sixteen(fv_tile *t, fv_buf *acc, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    fv_tile_bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_expr *a = fv_kemit_expr(e, t->c->a);
    fv_expr *c = open_loop(e, FV_UNROLL, "c", integer(e, fv_tile_width(t)));
    fv_tile_bind_column(t, c);
    fv_expr *at[2] = {r, c}, *so_far = fv_x_load(e->arena, acc, at);
    fv_expr *b = fv_kemit_expr(e, t->c->b);
    fv_kb_store(&e->b, acc, at, fv_x_dot16(e->arena, t->c->dot.op, a, b, so_far), NULL);
}

/* Emits the loops over the steps of the current value of the first variable of the sum, k, and adds
 * their products to acc[r, c]. */
static void add_steps(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, fv_buf *near, fv_expr *k,
                      bool edge) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    const bool whole = rows == t->plan.mr, shared = fv_steps_share_row(t);
    fv_kmark m = fv_kemit_mark(e);
    k = fv_open_other_steps(t, k);
    const bool prefetched = t->prefetch.ahead || t->prefetch.part;
    if (prefetched && shared)
        fv_tile_emit_prefetch(t, whole);
    k = fv_open_row_of_panel(t, k);
    fv_count_steps(t);
    const bool sixteen = t->c->dot.group == FV_DOT16;
    const fv_buf *b = sixteen ? NULL : columns_of_step(t, k, edge);
    if (prefetched && !shared)
        fv_tile_emit_prefetch(t, whole);
    fv_tile_prefetch_next_rows(t);
    fv_tile_prefetch_later_steps(t);
    if (sixteen)
        add_sixteen(t, acc, first, rows);
    else if (t->made.halves)
        fv_tile_add_halves(t, acc, first, rows, b);
    else
        add_products(t, acc, first, rows, b, near, k, edge, false);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* Adds the products of the last step, which the loop over steps leaves out (fv_last_step_is_apart),
 * and stores the sums of each row after its last product, so that products and stores alternate. On
 * Zen 4 a store of a vector delays multiply-adds, which read a third register, by one and a half
 * cycles. The stores of all sums one after the other would delay the next tile: a tile of 12 x 32
 * sums and 32 steps takes 840 cycles with them, and 806 in this way. */
static void add_last_step(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, fv_buf *near,
                          bool edge) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *k = fv_bind_last_step(t);
    fv_count_steps(t);
    const fv_buf *b = columns_of_step(t, k, edge);
    if (t->prefetch.ahead || t->prefetch.part)
        fv_tile_emit_prefetch(t, rows == t->plan.mr);
    fv_tile_prefetch_next_rows(t);
    fv_tile_prefetch_later_steps(t);
    add_products(t, acc, first, rows, b, near, k, edge, true);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* Computes sums[first + r, c] for `rows` rows; with several blocks of steps, adds the products of
 * this block to them. `edge`: some columns may not exist. */
static void multiply_all(fv_tile *t, fv_expr *first, int rows, bool edge) {
    fv_kemit *e = t->e;
    fv_elem type = (fv_elem)t->c->sum->type.elem;
    const bool adds = t->from && !fv_tile_has_all_steps(t);
    fv_buf *acc = fv_kb_tile(&e->b, "acc", type, 2, (int64_t[]){rows, fv_tile_width(t)},
                             adds ? NULL : fv_x_const(e->arena, type, 0));
    if (adds)
        move_sums(t, acc, first, rows, FROM_SUMS);
    if (t->c->context.image.lines.taps) {
        fv_tile_multiply_lines(t, acc, first, rows, edge);
        move_sums(t, acc, first, rows, TO_SUMS);
        return;
    }
    if (fv_dot_has_chains(&t->c->dot)) {
        fv_tile_add_chains(t, acc, first, rows);
        move_sums(t, acc, first, rows, TO_SUMS);
        return;
    }
    fv_buf *near = t->plan.copies ? copy_rows(t, first, rows) : NULL;
    fv_kmark m = fv_kemit_mark(e);
    const int outer = e->b.depth;
    t->rows.together = rows;
    fv_tile_find_line(t, rows);
    fv_tile_find_border(t, first, rows);
    fv_tile_find_next_rows(t, rows);
    const int64_t taps = fv_tile_taps(t, rows);
    t->rows.step_apart = !taps && fv_last_step_is_apart(t);
    t->rows.steps = 0;
    fv_expr *k = fv_open_first_steps(t);
    for (int64_t tap = 0; tap < taps; tap++) {
        fv_expr *at_end = fv_tile_take_tap(t, tap);
        if (at_end)
            fv_kb_if(&e->b, at_end);
        add_steps(t, acc, first, rows, near, k, edge);
        if (!at_end)
            continue;
        fv_kb_else(&e->b);
        t->rows.now.from = 0;
        t->rows.now.to = rows;
        const int64_t steps = t->rows.steps;
        add_steps(t, acc, first, rows, near, k, edge);
        t->rows.steps = steps; /* those of the branch before */
        fv_kb_end(&e->b);
    }
    t->rows.now.is = false;
    if (!taps)
        add_steps(t, acc, first, rows, near, k, edge);
    fv_kb_end_to(&e->b, outer);
    if (t->rows.step_apart)
        add_last_step(t, acc, first, rows, near, edge);
    FV_HOLDS(e->l->session, fv_has_all_steps(t));
    t->rows.together = t->rows.line.n = 0;
    t->rows.next.stride = 0;
    t->rows.border = NULL;
    fv_kemit_release(e, m);
    if (!t->rows.step_apart)
        move_sums(t, acc, first, rows, TO_SUMS);
    t->rows.step_apart = false;
}

/* ---- sums over blocks ---- */

/* Opens loops over the variables [from, to) of a sum. The variable that numbers the parts of a word
 * (fv_panel_words) gets an unrolled loop, in which each iteration uses another part of the same
 * word. */
static void open_variables(fv_tile *t, const fv_expr *sum, int from, int to) {
    fv_kemit *e = t->e;
    for (int i = from; i < to; i++) {
        fv_var *v = sum->u.red.vars[i];
        fv_loop_kind kind = v == t->c->panels.words.part ? FV_UNROLL : FV_SERIAL;
        fv_expr *n = fv_kemit_dim(e, v->dim);
        fv_kemit_bind(e, v, fv_kb_for(&e->b, kind, v->name, integer(e, 0), n, 1));
    }
}

/* Adds the products of the current step within a block to part[r, c], for `rows` rows from `first`
 * on. */
static void multiply_step(fv_tile *t, fv_buf *part, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    const int width = fv_tile_width(t);
    fv_buf *b = fv_kb_tile(&e->b, "b", (fv_elem)t->c->sum->type.elem, 1, (int64_t[]){width}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, column_kind(t), "c", integer(e, width));
    fv_tile_bind_column(t, c);
    fv_kb_store(&e->b, b, &c, fv_kemit_expr(e, t->c->b), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    fv_tile_bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_expr *a = fv_kb_let(&e->b, "a", fv_kemit_expr(e, t->c->a));
    c = open_loop(e, column_kind(t), "c", integer(e, width));
    fv_expr *at[2] = {r, c}, *so_far = fv_x_load(e->arena, part, at);
    fv_kb_store(&e->b, part, at, add_product(t, a, fv_x_load(e->arena, b, &c), so_far), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Sets `index` to the indices of the sum of row first + r and column c, and returns its buffer:
 * acc, in registers, whose row 0 is row `first` of the tile; acc NULL: the memory of the tile. */
static fv_buf *place_sum(fv_tile *t, fv_buf *acc, fv_expr *first, fv_expr *r, fv_expr *c,
                         fv_expr **index) {
    if (!acc) {
        fv_tile_place(t, binary(t->e, FV_X_ADD, first, r), c, index);
        return t->sums.buf;
    }
    index[0] = r;
    index[1] = c;
    return acc;
}

/* Opens the loop over the columns of a tile. apart: as an unrolled loop over vectors, which is no
 * loop in the code even if the sums are in memory. Returns the column. */
static fv_expr *open_columns(fv_tile *t, bool apart) {
    fv_kemit *e = t->e;
    const fv_target *target = e->l->target;
    const int width = fv_tile_width(t),
              lanes = target->vector_bits / fv_elem_bits(fv_sum_elem(t->c));
    if (!apart || lanes < 2 || width % lanes)
        return open_loop(e, FV_VECTOR, "c", integer(e, width));
    fv_expr *v = open_loop(e, FV_UNROLL, "v", integer(e, width / lanes));
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, lanes));
    return binary(e, FV_X_ADD, binary(e, FV_X_MUL, v, integer(e, lanes)), c);
}

/* Sets the sums of `rows` rows, from `first` on, to 0. */
static void clear_sums(fv_tile *t, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows)), *index[FV_MAX_RANK];
    fv_expr *c = open_columns(t, true);
    place_sum(t, NULL, first, r, c, index);
    fv_kb_store(&e->b, t->sums.buf, index, fv_x_const(e->arena, t->sums.buf->elem, 0), NULL);
    fv_kb_end_to(&e->b, outer);
}

/* Adds the terms of a block for row first + r, which are computed from its sums of products,
 * part[r, c]. */
static void add_row_terms(fv_tile *t, fv_buf *part, fv_buf *acc, fv_expr *first, fv_expr *r) {
    fv_kemit *e = t->e;
    const fv_contract_blocks *blocks = &t->c->blocks;
    fv_expr *index[FV_MAX_RANK];
    const int outer = e->b.depth;
    fv_tile_bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_kemit_invariants(e, blocks->term, e->def->index[t->c->column]);
    fv_expr *c = open_columns(t, !acc);
    fv_tile_bind_column(t, c);
    fv_kemit_memo(e, blocks->part, fv_x_load(e->arena, part, (fv_expr *[]){r, c}));
    fv_buf *sums = place_sum(t, acc, first, r, c, index);
    fv_expr *x = fv_kemit_expr(e, blocks->term->arg[0]),
            *y = fv_kemit_expr(e, blocks->term->arg[1]);
    fv_kb_store(&e->b, sums, index, fv_kemit_add_product(e, x, y, fv_x_load(e->arena, sums, index)),
                NULL);
    fv_kb_end_to(&e->b, outer);
}

/* Adds the terms of a block for `rows` rows from `first` on. */
static void add_terms(fv_tile *t, fv_buf *part, fv_buf *acc, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    add_row_terms(t, part, acc, first, r);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Adds the terms of a block for `rows` rows, which are a multiple of `together`. */
static void add_terms_of(fv_tile *t, fv_buf *products, fv_expr *rows, int together) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = fv_kb_for(&e->b, FV_SERIAL, "r", integer(e, 0), rows, together);
    if (together > 1) {
        fv_expr *next = open_loop(e, FV_UNROLL, "next", integer(e, together));
        r = binary(e, FV_X_ADD, r, next);
    }
    add_row_terms(t, products, NULL, integer(e, 0), r);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* rows of products in memory whose terms are added one after the other, without a loop */
enum { ROWS_TOGETHER = 4 };

void fv_tile_add_terms(fv_tile *t, fv_buf *products, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    if (t->plan.mr % ROWS_TOGETHER || (fv_x_is_int(rows, &known) && known != t->plan.mr)) {
        add_terms_of(t, products, rows, 1);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_EQ, rows, integer(e, t->plan.mr)));
    add_terms_of(t, products, integer(e, t->plan.mr), ROWS_TOGETHER);
    fv_kb_else(&e->b);
    add_terms_of(t, products, rows, 1);
    fv_kb_end(&e->b);
}

/* Do the registers hold the sums over blocks next to those within a block? */
static bool fit_registers(const fv_tile *t, int rows) {
    const fv_target *target = t->e->l->target;
    int lanes = target->vector_bits / fv_elem_bits(fv_sum_elem(t->c)),
        vectors = lanes > 1 ? fv_tile_width(t) / lanes : fv_tile_width(t);
    return (2 * rows + 1) * vectors < target->vector_registers;
}

/* Computes sums[first + r, c] for `rows` rows, block by block. */
static void multiply_blocks(fv_tile *t, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum, *over = t->c->blocks.sum;
    const int64_t size[2] = {rows, fv_tile_width(t)};
    const int words = sum->u.red.nvars - (t->c->panels.words.part != NULL);
    fv_buf *acc = NULL;
    if (fit_registers(t, rows))
        acc = fv_kb_tile(&e->b, "acc", fv_sum_elem(t->c), 2, size,
                         fv_x_const(e->arena, fv_sum_elem(t->c), 0));
    else
        clear_sums(t, first, rows);
    fv_kmark m = fv_kemit_mark(e);
    int outer = e->b.depth;
    open_variables(t, over, 0, over->u.red.nvars);
    if (t->prefetch.ahead)
        fv_tile_prefetch_terms(t);
    fv_buf *part = fv_kb_tile(&e->b, "part", (fv_elem)sum->type.elem, 2, size,
                              fv_x_const(e->arena, (fv_elem)sum->type.elem, 0));
    int inner = e->b.depth;
    open_variables(t, sum, 0, words);
    if (t->prefetch.ahead)
        fv_tile_emit_prefetch(t, rows == t->plan.mr);
    open_variables(t, sum, words, sum->u.red.nvars);
    multiply_step(t, part, first, rows);
    fv_kb_end_to(&e->b, inner);
    fv_tile_prefetch_scales(t, rows == t->plan.mr);
    add_terms(t, part, acc, first, rows);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
    if (acc)
        move_sums(t, acc, first, rows, TO_SUMS);
}

/* ---- rows and columns ---- */

/* The first of n rows of the tile, limited such that the verifier can prove that they are in the
 * tile. */
static fv_expr *in_tile(fv_tile *t, fv_expr *first, int n) {
    fv_kemit *e = t->e;
    fv_expr *x =
        binary(e, FV_X_MIN, binary(e, FV_X_MAX, first, integer(e, 0)), integer(e, t->plan.mr - n));
    return fv_kb_let(&e->b, "row0", x);
}

static void multiply(fv_tile *t, fv_expr *first, int rows, bool edge) {
    int64_t known;
    if (t->c->blocks.sum)
        multiply_blocks(t, first, rows);
    else
        multiply_all(t, first, rows, edge);
    if (t->plan.stores) {
        fv_expr *row = fv_x_is_int(first, &known) ? first : in_tile(t, first, rows);
        fv_tile_store_rows(t, &t->put, row, integer(t->e, rows), integer(t->e, t->plan.nr));
    }
}

/* Computes `rows` rows beginning with i0: a complete tile, or tiles with powers of two of rows, the
 * largest first. */
static void multiply_rows(fv_tile *t, fv_expr *rows, bool edge) {
    fv_kemit *e = t->e;
    int64_t known;
    if (t->plan.mr == 1) {
        multiply(t, integer(e, 0), 1, edge);
        return;
    }
    if (fv_x_is_int(rows, &known) && known == t->plan.mr) {
        multiply(t, integer(e, 0), t->plan.mr, edge);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_EQ, rows, integer(e, t->plan.mr)));
    multiply(t, integer(e, 0), t->plan.mr, edge);
    fv_kb_else(&e->b);
    int n = 1;
    while (2 * n < t->plan.mr)
        n *= 2;
    const fv_tile_prefetch before = t->prefetch;
    fv_expr *first = integer(e, 0);
    for (int64_t above = ~(int64_t)(2 * n - 1); n; above |= n, n /= 2) {
        if (t->plan.rest >= 0 && !(t->plan.rest & n))
            continue;
        fv_expr *rest = binary(e, FV_X_AND, rows, integer(e, n));
        fv_kb_if(&e->b, binary(e, FV_X_NE, rest, integer(e, 0)));
        t->prefetch = before;
        fv_tile_prefetch_rest(t, first, n);
        multiply(t, t->plan.within ? in_tile(t, first, n) : first, n, edge);
        fv_kb_end(&e->b);
        first = fv_kb_let(&e->b, "first", binary(e, FV_X_AND, rows, integer(e, above | n)));
    }
    t->prefetch = before;
    fv_kb_end(&e->b);
}

static void multiply_columns(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    /* whether values other than panels are read, in which columns may not exist */
    bool edges = !t->c->packed || t->c->each;
    if (!edges || fv_x_is_int(t->columns, &known)) {
        multiply_rows(t, rows, edges && known < t->plan.nr);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_EQ, t->columns, integer(e, t->plan.nr)));
    multiply_rows(t, rows, false);
    fv_kb_else(&e->b);
    multiply_rows(t, rows, true);
    fv_kb_end(&e->b);
}

/* Emits the loops of a tile, with its prefetches. */
static void multiply_prefetching(fv_tile *t, fv_expr *rows) {
    fv_kmark m = fv_kemit_mark(t->e);
    t->prefetch.ahead = t->prefetch.part = NULL;
    const fv_prefetch_plan *p = &t->plan.prefetch;
    if (((p->far || p->alone) && !t->made.unpacked) || (p->near && t->prefetch.whole))
        fv_tile_plan_prefetch(t);
    multiply_columns(t, rows);
    fv_kemit_release(t->e, m);
}

/* Emits the loops of a tile, within an outline if that is planned, so that they can use all
 * registers. */
void fv_tile_multiply(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    fv_kmark m = fv_kemit_mark(e);
    if (t->plan.depth)
        t->sums.at[0] = t->rows.done;
    if (t->plan.outlined)
        fv_kb_outline(&e->b);
    fv_expr *rest = t->prefetch.shared.rest, *pays = rest ? fv_tile_shares_pay(t) : NULL;
    if (rest && pays->op != FV_X_CONST) {
        fv_kb_if(&e->b, pays);
        multiply_prefetching(t, rows);
        fv_kb_else(&e->b);
        t->prefetch.shared.rest = NULL;
        multiply_prefetching(t, rows);
        fv_kb_end(&e->b);
    } else {
        t->prefetch.shared.rest = rest && pays->u.i ? rest : NULL;
        multiply_prefetching(t, rows);
    }
    t->prefetch.shared.rest = rest;
    if (t->plan.outlined)
        fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}
