/* tile.c - the loops of a register tile: sums of products in registers, and what is made of them.
 *
 *     acc[r, c] = 0                                     registers
 *     for k ascending: acc[r, c] = fma(a[i0 + r, k], b[k, j0 + c], acc[r, c])
 *     sums[r, c] = acc[r, c]                            first-level cache
 *     for rows and columns that are there: y[i0 + r, j0 + c] = epilogue(sums[r, c])
 *
 * Rows that are no whole tile are done by tiles of 8, 4, 2 and 1 rows. Each output is one ascending
 * chain: tiles change no bit. */
#include "backend/schedule/contract/tile.h"

#include <string.h>

#include "backend/lowering/weights.h"
#include "backend/schedule/common/blocks.h"

/* ---- loops around tiles ---- */

void fv_open_panels(fv_tile *t, fv_loop_kind kind) {
    fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->column]->dim;
    fv_expr *n = fv_kemit_dim(e, d), *nr = integer(e, t->nr);
    /* where there may be no column, there may be no panel */
    bool one = d->hi <= t->nr && d->lo > 0;
    if (t->columns_in[0] && !one) {
        t->panel = fv_kb_for(&e->b, kind, "panel", binary(e, FV_X_FLOORDIV, t->columns_in[0], nr),
                             fv_ceildiv(e, t->columns_in[1], nr), 1);
        t->j0 = fv_kb_let(&e->b, "first", binary(e, FV_X_MUL, t->panel, nr));
        t->columns =
            fv_kb_let(&e->b, "size", binary(e, FV_X_MIN, nr, binary(e, FV_X_SUB, n, t->j0)));
        return;
    }
    fv_expr *panel = t->panel =
        fv_open_blocks(e, kind, "panel", n, fv_ceildiv(e, n, nr), nr, one, &t->j0, &t->columns);
    t->last = binary(e, FV_X_SUB, fv_ceildiv(e, n, nr), integer(e, 1));
    fv_expr *after = binary(e, FV_X_MIN, t->last, binary(e, FV_X_ADD, panel, integer(e, 1)));
    t->next = one ? panel : fv_kb_let(&e->b, "next", after);
}

/* What comes next of a weight is asked for while there is something to compute. A panel is read
 * once by each tile of a block of rows: the t-th of T whole tiles asks for the t-th part of the
 * next panel, so that memory works all the time, and each for what comes `near` bytes later in this
 * one, which lies in the second-level cache by then. Where there is no more than one whole tile,
 * all ask for what comes `far` bytes later, which near the end of a panel lies in the next ones.
 * That is for memory: what the last cache holds comes no faster, and a first level that is filled
 * so early has lost it when it is read, so there `near` bytes do (Zen 5, 4 MiB by one row: 127 to
 * 130 GB/s, with 128 KiB 101 to 113). Weights that all stay in the second-level cache are slower by
 * either: they would come to the first level twice. */
bool fv_can_prefetch(const fv_contraction *c) {
    const fv_panels *p = &c->panels;
    const fv_expr *sum = c->sum;
    return c->packed && !p->made_in_run && sum->u.red.nvars == 1 &&
           fv_dim_is_const(sum->u.red.vars[0]->dim);
}

void fv_tile_defaults(const fv_lowerer *l, const fv_op *op, fv_tile *t) {
    const fv_processor *p = fv_processor_at(l->target->processor);
    int64_t weights = fv_weights_between(l, op);
    bool ahead =
        fv_can_prefetch(t->c) && weights > l->target->l2_bytes &&
        fv_tile_width(t) * fv_elem_storage_bytes(t->c->panels.value->type->elem) >= p->line_bytes;
    t->near = ahead ? p->prefetch_bytes : 0;
    t->far = !ahead                          ? 0
             : weights > l->target->l3_bytes ? p->prefetch_single_bytes
                                             : p->prefetch_bytes;
    t->outlined = t->c->sum->u.red.vars[0]->dim->hi >= p->outline_steps;
}

static bool prefetches(const fv_tile *t) {
    return t->near || t->far;
}

fv_expr *fv_open_tiles(fv_tile *t, fv_expr *first, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t whole;
    t->done = integer(e, 0);
    t->i0 = first;
    if (fv_x_is_int(rows, &whole) && whole <= t->mr)
        return rows;
    if (prefetches(t))
        t->whole = fv_kb_let(&e->b, "whole", binary(e, FV_X_FLOORDIV, rows, integer(e, t->mr)));
    t->done = fv_kb_for(&e->b, FV_SERIAL, "tile", integer(e, 0), rows, t->mr);
    t->i0 = fv_kb_let(&e->b, "i0", binary(e, FV_X_ADD, first, t->done));
    return fv_x_is_int(rows, &whole) && whole % t->mr == 0
               ? integer(e, t->mr)
               : fv_kb_let(
                     &e->b, "rows",
                     binary(e, FV_X_MIN, integer(e, t->mr), binary(e, FV_X_SUB, rows, t->done)));
}

void fv_tile_sums(fv_tile *t, int64_t rows) {
    fv_kemit *e = t->e;
    fv_elem type = (fv_elem)t->c->sum->type.elem;
    fv_expr *zero = t->depth ? fv_x_const(e->arena, type, 0) : NULL;
    t->sums = fv_kb_tile(&e->b, "sums", type, 2, (int64_t[]){rows, fv_tile_width(t)}, zero);
    t->at[0] = t->at[1] = integer(e, 0);
}

static int64_t all_steps(const fv_tile *t) {
    return t->c->sum->u.red.vars[0]->dim->value;
}

void fv_open_steps(fv_tile *t) {
    t->from = fv_kb_for(&t->e->b, FV_SERIAL, "from", integer(t->e, 0), integer(t->e, all_steps(t)),
                        t->depth);
}

/* ---- a tile ---- */

static void bind_column(fv_tile *t, fv_expr *c) {
    fv_kemit *e = t->e;
    fv_kemit_bind(e, e->def->index[t->c->column], binary(e, FV_X_ADD, t->j0, c));
    if (t->column)
        fv_kemit_bind(e, t->column, binary(e, FV_X_ADD, t->left, c));
    if (!t->c->packed)
        return;
    const fv_panels *p = &t->c->panels;
    fv_kemit_bind(e, p->column, c);
    fv_kemit_bind(e, p->panel_index, t->panel);
}

static void bind_row(fv_tile *t, fv_expr *r) {
    if (t->c->row >= 0)
        fv_kemit_bind(t->e, t->e->def->index[t->c->row], binary(t->e, FV_X_ADD, t->i0, r));
    if (t->local)
        fv_kemit_bind(t->e, t->local, binary(t->e, FV_X_ADD, t->done, r));
}

void fv_tile_bind(fv_tile *t, fv_expr *r, fv_expr *c) {
    bind_row(t, r);
    bind_column(t, c);
}

/* The number of rows of a panel for that many steps of the sum. */
static int64_t rows_of(const fv_panels *p, int64_t steps) {
    return (steps + p->steps - 1) / p->steps;
}

/* Computes where the prefetches of a tile begin, as distances in elements from the current element
 * of the panel. Tiles of a block share the prefetches of the next panel, or of the next steps of
 * this one. */
static void plan_prefetch(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    int bytes = fv_elem_storage_bytes(p->value->type->elem);
    int64_t width = fv_tile_width(t), panel = rows_of(p, all_steps(t)) * width,
            block = t->depth ? rows_of(p, t->depth) * width : panel;
    fv_expr *left = binary(e, FV_X_MUL, binary(e, FV_X_SUB, t->last, t->panel), integer(e, panel));
    fv_expr *ahead = integer(e, t->far / bytes);
    if (t->whole) {
        fv_expr *one = binary(e, FV_X_LE, t->whole, integer(e, 1)),
                *tile = binary(e, FV_X_FLOORDIV, t->done, integer(e, t->mr));
        ahead = fv_x_select(e->arena, one, ahead, integer(e, t->near / bytes));
        fv_expr *parts = binary(e, FV_X_MAX, t->whole, integer(e, 1));
        /* with a single tile, the panel it has just read */
        t->aim = t->depth ? t->panel : fv_x_select(e->arena, one, t->panel, t->next);
        t->stride = fv_kb_let(&e->b, "stride", fv_ceildiv(e, integer(e, width), parts));
        fv_expr *share =
            fv_kb_let(&e->b, "share", binary(e, FV_X_MUL, t->stride, integer(e, block / width)));
        /* shares are rounded up, so the last one ends with the block */
        fv_expr *last = binary(e, FV_X_SUB, integer(e, block), share);
        fv_expr *part = binary(e, FV_X_MIN, binary(e, FV_X_MUL, tile, share), last);
        if (t->depth) { /* elements of step k begin at k * stride from here */
            fv_expr *steps = integer(e, p->steps), *from = binary(e, FV_X_FLOORDIV, t->from, steps),
                    *end = binary(e, FV_X_ADD, t->from, integer(e, t->depth));
            fv_expr *next =
                binary(e, FV_X_MUL, binary(e, FV_X_FLOORDIV, end, steps), integer(e, width));
            next = binary(e, FV_X_MIN, next, binary(e, FV_X_ADD, left, integer(e, panel - block)));
            part = binary(e, FV_X_SUB, binary(e, FV_X_ADD, next, part),
                          binary(e, FV_X_MUL, from, t->stride));
        }
        t->part = fv_kb_let(&e->b, "part", part);
    }
    t->ahead = fv_kb_let(&e->b, "ahead", binary(e, FV_X_MIN, ahead, left));
}

static void prefetch_from(fv_tile *t, fv_expr *panel, fv_expr *k, fv_expr *at, int cache) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    int last = p->value->type->rank - 1;
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < last - 1; i++)
        index[i] = i == p->panel ? panel : fv_kemit_expr(e, p->load->arg[i]);
    index[last - 1] = k;
    index[last] = at;
    fv_kb_prefetch(&e->b, fv_kemit_in(e, p->load->u.buf), index, cache);
}

/* Emits the prefetches of step k of the sum, for a whole tile or a part of one. */
static void prefetch(fv_tile *t, bool whole) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    int line = fv_processor_at(e->l->target->processor)->line_bytes /
               fv_elem_storage_bytes(p->value->type->elem);
    fv_expr *k = fv_kemit_expr(e, p->load->arg[p->value->type->rank - 2]);
    for (int c = 0; c < fv_tile_width(t); c += line)
        prefetch_from(t, t->panel, k, binary(e, FV_X_ADD, t->ahead, integer(e, c)), 1);
    if (whole && t->whole)
        prefetch_from(t, t->aim, integer(e, 0),
                      binary(e, FV_X_ADD, t->part, binary(e, FV_X_MUL, k, t->stride)), 2);
}

/* The index of the sum in that row and column of the tile. */
static void place(const fv_tile *t, fv_expr *row, fv_expr *column, fv_expr **index) {
    int last = t->sums->rank - 1;
    memcpy(index, t->at, (size_t)t->sums->rank * sizeof *index);
    index[last - 1] = binary(t->e, FV_X_ADD, index[last - 1], row);
    index[last] = binary(t->e, FV_X_ADD, index[last], column);
}

/* Opens the loops over the steps of the sum; returns the variable of the innermost one. */
static fv_expr *open_sum(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    fv_expr *k = NULL;
    for (int i = 0; i < sum->u.red.nvars; i++) {
        fv_var *v = sum->u.red.vars[i];
        fv_expr *n = t->steps_in[1] ? t->steps_in[1] : fv_kemit_dim(e, v->dim);
        fv_expr *from = t->from ? t->from : t->steps_in[0] ? t->steps_in[0] : integer(e, 0);
        fv_expr *to =
            t->from ? binary(e, FV_X_MIN, binary(e, FV_X_ADD, from, integer(e, t->depth)), n) : n;
        if (t->from && all_steps(t) % t->depth == 0)
            to = binary(e, FV_X_ADD, from, integer(e, t->depth));
        k = fv_kb_for(&e->b, FV_SERIAL, v->name, from, to, 1);
        fv_kemit_bind(e, v, k);
    }
    return k;
}

void fv_tile_unpack(fv_tile *t) {
    fv_kemit *e = t->e;
    const int width = fv_tile_width(t);
    t->unpacked = fv_kb_tile(&e->b, "unpacked", (fv_elem)t->c->sum->type.elem, 2,
                             (int64_t[]){t->depth, width}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *k = open_sum(t), *c = open_loop(e, FV_VECTOR, "c", integer(e, width));
    bind_column(t, c);
    fv_expr *at[2] = {binary(e, FV_X_SUB, k, t->from), c};
    fv_kb_store(&e->b, t->unpacked, at, fv_kemit_expr(e, t->c->b), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

typedef enum { TO_SUMS, FROM_SUMS } direction;

static void move_sums(fv_tile *t, fv_buf *acc, fv_expr *first, int rows, direction d) {
    fv_kemit *e = t->e;
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, fv_tile_width(t)));
    fv_expr *here[2] = {r, c}, *there[FV_MAX_RANK];
    place(t, binary(e, FV_X_ADD, first, r), c, there);
    if (d == TO_SUMS)
        fv_kb_store(&e->b, t->sums, there, fv_x_load(e->arena, acc, here), NULL);
    else
        fv_kb_store(&e->b, acc, here, fv_x_load(e->arena, t->sums, there), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

/* Copies the rows of a for this block of steps next to each other. */
static fv_buf *copy_rows(fv_tile *t, fv_expr *first, int rows) {
    fv_kemit *e = t->e;
    fv_var *k = t->c->sum->u.red.vars[0];
    fv_buf *near = fv_kb_tile(&e->b, "near", (fv_elem)t->c->a->type.elem, 2,
                              (int64_t[]){rows, t->depth + FV_SPACE}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", integer(e, rows));
    bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_expr *left = binary(e, FV_X_SUB, fv_kemit_dim(e, k->dim), t->from);
    fv_expr *n = all_steps(t) % t->depth ? binary(e, FV_X_MIN, integer(e, t->depth), left)
                                         : integer(e, t->depth);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", n);
    fv_kemit_bind(e, k, binary(e, FV_X_ADD, t->from, c));
    fv_kb_store(&e->b, near, (fv_expr *[]){r, c}, fv_kemit_expr(e, t->c->a), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    return near;
}

/* Computes sums[first + r, c] for `rows` rows. `edge`: not all columns exist. */
static void multiply(fv_tile *t, fv_expr *first, int rows, bool edge) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    const int width = fv_tile_width(t);
    fv_elem type = (fv_elem)sum->type.elem;
    fv_buf *acc = fv_kb_tile(&e->b, "acc", type, 2, (int64_t[]){rows, width},
                             t->from ? NULL : fv_x_const(e->arena, type, 0));
    if (t->from)
        move_sums(t, acc, first, rows, FROM_SUMS);
    fv_buf *near = t->copies ? copy_rows(t, first, rows) : NULL;
    fv_kmark outer = fv_kemit_mark(e);
    fv_expr *k = open_sum(t);
    fv_buf *b = fv_kb_tile(&e->b, "b", type, 1, (int64_t[]){width}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, width));
    bind_column(t, c);
    e->guard = edge ? binary(e, FV_X_LT, c, t->columns) : NULL;
    fv_expr *unpacked[2] = {t->unpacked ? binary(e, FV_X_SUB, k, t->from) : NULL, c};
    fv_kb_store(
        &e->b, b, &c,
        t->unpacked ? fv_x_load(e->arena, t->unpacked, unpacked) : fv_kemit_expr(e, t->c->b), NULL);
    e->guard = NULL;
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    if (t->ahead)
        prefetch(t, rows == t->mr);
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_expr *here[2] = {r, t->from ? binary(e, FV_X_SUB, k, t->from) : k};
    fv_expr *a = t->c->each ? NULL
                 : near     ? fv_x_load(e->arena, near, here)
                            : fv_kemit_expr(e, t->c->a);
    a = a ? fv_kb_let(&e->b, "a", a) : NULL;
    c = open_loop(e, FV_VECTOR, "c", integer(e, width));
    if (!a) {
        bind_column(t, c);
        e->guard = edge ? binary(e, FV_X_LT, c, t->columns) : NULL;
        a = fv_kemit_expr(e, t->c->a);
        e->guard = NULL;
    }
    fv_expr *at[2] = {r, c};
    fv_kb_store(&e->b, acc, at,
                fv_x_fma(e->arena, a, fv_x_load(e->arena, b, &c), fv_x_load(e->arena, acc, at)),
                NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    for (int i = 0; i < sum->u.red.nvars; i++)
        fv_kb_end(&e->b);
    fv_kemit_release(e, outer);
    move_sums(t, acc, first, rows, TO_SUMS);
}

/* The first of n rows of the tile, limited such that the verifier can prove that they are in the
 * tile. */
static fv_expr *in_tile(fv_tile *t, fv_expr *first, int n) {
    fv_kemit *e = t->e;
    fv_expr *x =
        binary(e, FV_X_MIN, binary(e, FV_X_MAX, first, integer(e, 0)), integer(e, t->mr - n));
    return fv_kb_let(&e->b, "row0", x);
}

/* Computes `rows` rows from i0 on: a whole tile, or powers of two of rows, the largest first. */
static void multiply_rows(fv_tile *t, fv_expr *rows, bool edge) {
    fv_kemit *e = t->e;
    int64_t known;
    if (t->mr == 1) {
        multiply(t, integer(e, 0), 1, edge);
        return;
    }
    if (fv_x_is_int(rows, &known) && known == t->mr) {
        multiply(t, integer(e, 0), t->mr, edge);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_EQ, rows, integer(e, t->mr)));
    multiply(t, integer(e, 0), t->mr, edge);
    fv_kb_else(&e->b);
    int n = 1;
    while (2 * n < t->mr)
        n *= 2;
    fv_expr *first = integer(e, 0);
    for (int64_t above = ~(int64_t)(2 * n - 1); n; above |= n, n /= 2) {
        if (t->rest >= 0 && !(t->rest & n))
            continue;
        fv_expr *part = binary(e, FV_X_AND, rows, integer(e, n));
        fv_kb_if(&e->b, binary(e, FV_X_NE, part, integer(e, 0)));
        multiply(t, t->within ? in_tile(t, first, n) : first, n, edge);
        fv_kb_end(&e->b);
        first = fv_kb_let(&e->b, "first", binary(e, FV_X_AND, rows, integer(e, above | n)));
    }
    fv_kb_end(&e->b);
}

static void multiply_columns(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    /* whether other values than panels are read, which may lack columns */
    bool edges = !t->c->packed || t->c->each;
    if (!edges || fv_x_is_int(t->columns, &known)) {
        multiply_rows(t, rows, edges && known < t->nr);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_EQ, t->columns, integer(e, t->nr)));
    multiply_rows(t, rows, false);
    fv_kb_else(&e->b);
    multiply_rows(t, rows, true);
    fv_kb_end(&e->b);
}

/* Emits the loops of a tile, outlined if wanted, so that they can use all registers. */
void fv_tile_multiply(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    fv_kmark m = fv_kemit_mark(e);
    if (t->depth)
        t->at[0] = t->done;
    if (t->outlined)
        fv_kb_outline(&e->b);
    t->ahead = NULL;
    if (prefetches(t) && !t->unpacked)
        plan_prefetch(t);
    multiply_columns(t, rows);
    if (t->outlined)
        fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Lets the sums of row r and column c be used in the epilogue. */
static void name_sums(fv_tile *t, fv_expr *r, fv_expr *c) {
    fv_kemit *e = t->e;
    for (int i = 0; i < t->c->nsums; i++) {
        fv_expr *at[FV_MAX_RANK];
        place(t, r, binary(e, FV_X_ADD, c, integer(e, i * t->nr)), at);
        fv_kemit_memo(e, t->c->sums[i], fv_kb_let(&e->b, "s", fv_x_load(e->arena, t->sums, at)));
    }
}

static void store(fv_tile *t, fv_value *value, fv_expr **index, fv_expr *rows, fv_expr *columns) {
    fv_kemit *e = t->e;
    const fv_definition *d = e->def;
    fv_kmark m = fv_kemit_mark(e);
    if (t->depth)
        t->at[0] = t->done;
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", columns);
    bind_row(t, r);
    bind_column(t, c);
    if (t->c->row >= 0)
        index[t->c->row] = binary(e, FV_X_ADD, t->i0, r);
    index[t->c->column] = binary(e, FV_X_ADD, t->j0, c);
    name_sums(t, r, c);
    if (t->put)
        t->put(t->user, index);
    else
        fv_kemit_store(e, fv_kemit_out(e, value), index, fv_kemit_expr(e, d->body));
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

void fv_tile_store(fv_tile *t, fv_value *value, fv_expr **index, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    fv_expr *nr = integer(e, t->nr);
    if (fv_x_is_int(t->columns, &known)) {
        store(t, value, index, rows, t->columns);
        return;
    }
    /* if all columns exist, the loop has a constant length */
    fv_kb_if(&e->b, binary(e, FV_X_EQ, t->columns, nr));
    store(t, value, index, rows, nr);
    fv_kb_else(&e->b);
    store(t, value, index, rows, t->columns);
    fv_kb_end(&e->b);
}
