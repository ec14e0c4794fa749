/* product.c - the sums of a tile as a product of matrices (ir/kernel/matrix.h), which stores them
 * in the memory that the epilogue reads. Words that do not fill an instruction are a product of
 * their own, whose products are added to the sums:
 *
 *     sums[r, j] = sum q < 48: dot(a[i0 + r, q], b[q, j])
 *     sums[r, j] = sums[r, j] + sum q < 3: dot(a[i0 + r, 48 + q], b[48 + q, j])
 *
 * The words of a sum in tiles are multiplied in blocks of 16, of which these are the last one. */
#include "backend/schedule/contract/product.h"

#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/order_tiles.h"
#include "backend/schedule/contract/element.h"
#include "backend/schedule/contract/prefetch.h"
#include "backend/schedule/contract/prefetch_blocks.h"
#include "backend/schedule/contract/steps.h"
#include "ir/base/divisor.h"
#include "ir/expr/instruction.h"
#include "ir/expr/visit.h"
#include "ir/kernel/matrix.h"

/* registers of one row each that hold the largest tile of a product of matrices, and operands */
enum { MATRIX_REGISTERS = FV_MATRIX_ROWS * FV_MATRIX_TILES + 2 };

void fv_matrix_tile(fv_choosing *u, const fv_definition *d, const fv_contraction *c, int *mr,
                    int *nr) {
    const fv_dim *rows = d->index[c->row]->dim;
    int64_t most = rows->hi < FV_MATRIX_ROWS ? rows->hi : FV_MATRIX_ROWS, even = most;
    if (fv_dim_is_const(rows))
        even = fv_div_up(rows->value, fv_div_up(rows->value, most));
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

/* The number of words of the sum, or of a block of it. */
static int64_t words_of(const fv_contraction *c) {
    return c->panels.words.number->dim->value * c->dot.parts;
}

/* The row of the unpacked words with word `q` of the current block. */
static fv_expr *unpacked_row(fv_tile *t, fv_expr *q) {
    fv_kemit *e = t->e;
    fv_expr *block = fv_kemit_expr(e, fv_x_var(e->arena, t->c->blocks.sum->u.red.vars[0]));
    fv_expr *first =
        binary(e, FV_X_MUL, binary(e, FV_X_SUB, block, t->from), integer(e, words_of(t->c)));
    return binary(e, FV_X_ADD, first, q);
}

void fv_tile_unpack_words(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_panel_words *w = &t->c->panels.words;
    const int width = fv_tile_width(t);
    t->made.unpacked = fv_kb_tile(&e->b, "words", FV_I32, 2,
                                  (int64_t[]){t->plan.depth * words_of(t->c), width}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    const int outer = e->b.depth;
    fv_tile_open_blocks(t);
    fv_expr *q = open_loop(e, FV_SERIAL, "q", fv_kemit_dim(e, w->number->dim));
    fv_kemit_bind(e, w->number, q);
    fv_expr *part = open_loop(e, FV_UNROLL, "part", fv_kemit_dim(e, w->part->dim));
    fv_kemit_bind(e, w->part, part);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, width));
    fv_tile_bind_column(t, c);
    fv_expr *word = binary(e, FV_X_ADD, binary(e, FV_X_MUL, q, integer(e, t->c->dot.parts)), part);
    fv_kb_store(&e->b, t->made.unpacked, (fv_expr *[]){unpacked_row(t, word), c},
                fv_kemit_expr(e, t->c->b), NULL);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* Binds word number q of the rows. */
static void bind_word(fv_tile *t, fv_expr *q) {
    fv_kemit *e = t->e;
    const fv_panel_words *w = &t->c->panels.words;
    /* the number of a word of rows is that of the word of columns, times its parts, and the part */
    fv_kemit_bind(e, w->number, w->part ? integer(e, 0) : q);
    if (w->part)
        fv_kemit_bind(e, w->part, q);
}

/* ---- prefetches during the products ---- */

/* Lines of the panels that follow: `lines` lines from element `first` of panel `panel` on. */
typedef struct shared_lines {
    fv_expr *lines, *first, *panel;
} shared_lines;

/* The number of lines of a cache that a panel has. */
static int64_t lines_of_panel(const fv_panels *p, int line) {
    const fv_type *type = p->value->type;
    int64_t bytes = fv_elem_storage_bytes(type->elem);
    for (int i = p->panel + 1; i < type->rank; i++)
        bytes *= type->dims[i]->value;
    return fv_div_up(bytes, line);
}

static int elements_of_line(const fv_tile *t) {
    return fv_processor_of(t->e->l->target)->prefetch.line_bytes /
           fv_elem_storage_bytes(t->c->panels.value->type->elem);
}

/* Does the epilogue compute elementary functions? */
static bool has_long_epilogue(const fv_tile *t) {
    const fv_expr *x;
    bool has = false;
    for (fv_x_visitor v = fv_x_visit(t->e->arena, t->e->def->body); (x = fv_x_next(&v));) {
        has |= fv_expr_op_is_math((fv_expr_op)x->op);
        if (x->op == FV_X_REDUCE)
            fv_x_skip(&v);
    }
    return has;
}

/* Are there so few or so many tiles in a block of rows that their products prefetch nothing? While
 * a long epilogue is computed, the processor itself prefetches columns that the products read from
 * the first-level cache; only a single tile gains time then. */
static fv_expr *shares_nothing(fv_tile *t, fv_expr *tiles, int64_t panel_bytes) {
    fv_kemit *e = t->e;
    fv_expr *few = binary(e, FV_X_LT, tiles, integer(e, t->plan.prefetch.sharing));
    if (panel_bytes > e->l->target->caches.l1_bytes || !has_long_epilogue(t))
        return few;
    return binary(e, FV_X_OR, few, binary(e, FV_X_LT, integer(e, 1), tiles));
}

/* Finds the lines of the next tile's panels that a tile prefetches in that number of steps: the
 * tiles of a block of rows share them. False: there are none, or the next panels may be fewer than
 * a tile has. */
static bool find_share(fv_tile *t, int64_t steps, shared_lines *out) {
    fv_kemit *e = t->e;
    const int n = fv_panels_of_tile(t), line = fv_processor_of(e->l->target)->prefetch.line_bytes;
    if (!t->plan.prefetch.sharing || !t->plan.prefetch.near || !t->prefetch.next || !steps ||
        t->c->panels.panel_index->dim->value % n)
        return false;
    const int64_t all = n * lines_of_panel(&t->c->panels, line);
    fv_expr *tiles = t->prefetch.tiles ? t->prefetch.tiles : integer(e, 1),
            *lines = integer(e, all);
    fv_expr *each = fv_ceildiv(e, lines, binary(e, FV_X_MUL, tiles, integer(e, steps)));
    each = binary(e, FV_X_MIN, lines, binary(e, FV_X_MUL, each, integer(e, steps)));
    out->lines =
        fv_kb_let(&e->b, "share",
                  fv_x_select(e->arena, shares_nothing(t, tiles, all * line), integer(e, 0), each));
    fv_expr *tile = binary(e, FV_X_FLOORDIV, t->rows.done, integer(e, t->plan.mr));
    fv_expr *from = binary(e, FV_X_MIN, binary(e, FV_X_MUL, tile, out->lines),
                           binary(e, FV_X_SUB, lines, out->lines));
    out->first =
        fv_kb_let(&e->b, "from", binary(e, FV_X_MUL, from, integer(e, elements_of_line(t))));
    out->panel = fv_kb_let(&e->b, "then", fv_panel_of_tile(t, t->prefetch.next, integer(e, 0)));
    return true;
}

/* Emits the loop of prefetches with which a product of matrices begins. */
static void put_prefetches(fv_tile *t, const shared_lines *s) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    const int last = p->value->type->rank - 1;
    fv_expr *i = open_loop(e, FV_SERIAL, "line", s->lines), *index[FV_MAX_RANK];
    for (int k = 0; k < last; k++)
        index[k] = k < p->panel    ? fv_kemit_expr(e, p->load->arg[k])
                   : k == p->panel ? s->panel
                                   : integer(e, 0);
    index[last] =
        binary(e, FV_X_ADD, s->first, binary(e, FV_X_MUL, i, integer(e, elements_of_line(t))));
    fv_stmt *of = fv_kb_add(&e->b, FV_S_PREFETCH);
    of->buf = fv_kemit_in(e, p->load->u.buf);
    of->index = fv_x_copy_list(e->arena, last + 1, index);
    of->cache = 2;
    fv_kb_end(&e->b);
}

/* ---- products ---- */

/* The words of a row and a column of the tile that are multiplied. */
typedef struct operands {
    fv_expr *a, *b;
} operands;

/* Binds word q of the rows, and returns the words of the bound row and column for it. */
static operands words_at(fv_tile *t, fv_expr *q, fv_expr *column) {
    fv_kemit *e = t->e;
    bind_word(t, q);
    fv_expr *a = fv_kemit_expr(e, t->c->a);
    if (!t->made.unpacked)
        return (operands){a, fv_kemit_expr(e, t->c->b)};
    return (operands){
        a, fv_x_load(e->arena, t->made.unpacked, (fv_expr *[]){unpacked_row(t, q), column})};
}

/* Emits the loop over n words from number `from` on, which adds products to `sum`. */
static void add_words(fv_tile *t, fv_buf *sum, fv_expr *column, int64_t from, int64_t n) {
    fv_kemit *e = t->e;
    const fv_dot *dot = &t->c->dot;
    fv_expr *q = open_loop(e, FV_SERIAL, "q", integer(e, n));
    operands w = words_at(t, binary(e, FV_X_ADD, q, integer(e, from)), column);
    put(e, sum, NULL,
        fv_x_dot(e->arena, dot->op, dot->swapped ? w.b : w.a, dot->swapped ? w.a : w.b,
                 fv_x_load(e->arena, sum, NULL)));
    fv_kb_end(&e->b);
}

/* The same for a sum in tiles: a loop over blocks of words, each of which adds two chains. */
static void add_blocks(fv_tile *t, fv_buf *sum, fv_expr *column, int64_t from, int64_t n) {
    fv_kemit *e = t->e;
    const int64_t size = n < FV_TILE_WORDS ? n : FV_TILE_WORDS;
    fv_buf *chain[FV_NCHAINS];
    fv_expr *block = open_loop(e, FV_SERIAL, "block", integer(e, n / size));
    for (int i = 0; i < FV_NCHAINS; i++)
        chain[i] = fv_kb_tile(&e->b, fv_chain_name(i), FV_I32, 0, NULL,
                              fv_x_const_int(e->arena, FV_I32, 0));
    fv_expr *q = open_loop(e, FV_SERIAL, "q", integer(e, size)),
            *before = binary(e, FV_X_MUL, block, integer(e, size));
    operands w =
        words_at(t, binary(e, FV_X_ADD, binary(e, FV_X_ADD, before, q), integer(e, from)), column);
    for (int i = 0; i < FV_NCHAINS; i++)
        put(e, chain[i], NULL,
            fv_add_to_chain(e->arena, i, w.a, w.b, fv_x_load(e->arena, chain[i], NULL)));
    fv_kb_end(&e->b);
    put(e, sum, NULL,
        fv_add_chains(e->arena, fv_x_load(e->arena, sum, NULL), fv_x_load(e->arena, chain[0], NULL),
                      fv_x_load(e->arena, chain[1], NULL)));
    fv_kb_end(&e->b);
}

/* Emits the products of n words from number `from` on, which are stored in `sums`. */
static void multiply(fv_tile *t, fv_buf *sums, fv_expr *rows, int64_t from, int64_t n) {
    fv_kemit *e = t->e;
    fv_kmark m = fv_kemit_mark(e);
    shared_lines next;
    const bool shares = !from && find_share(t, n / FV_MATRIX_SIDE, &next);
    const int outer = e->b.depth;
    fv_kb_matrix(&e->b);
    if (shares)
        put_prefetches(t, &next);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows),
            *g = open_loop(e, FV_SERIAL, "g", integer(e, t->plan.nr / FV_MATRIX_SIDE)),
            *c = open_loop(e, FV_SERIAL, "c", integer(e, FV_MATRIX_SIDE));
    fv_expr *column = binary(e, FV_X_ADD, binary(e, FV_X_MUL, g, integer(e, FV_MATRIX_SIDE)), c),
            *at[2] = {r, column};
    fv_buf *sum =
        fv_kb_tile(&e->b, "acc", FV_I32, 0, NULL,
                   from ? fv_x_load(e->arena, sums, at) : fv_x_const_int(e->arena, FV_I32, 0));
    bind(t, r, g, c);
    if (fv_dot_has_chains(&t->c->dot))
        add_blocks(t, sum, column, from, n);
    else
        add_words(t, sum, column, from, n);
    put(e, sums, at, fv_x_load(e->arena, sum, NULL));
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* Emits the products of all words of the sum, or of the current block. */
static void multiply_words(fv_tile *t, fv_buf *sums, fv_expr *rows) {
    const int64_t words = words_of(t->c), rest = words % FV_MATRIX_SIDE;
    if (words > rest)
        multiply(t, sums, rows, 0, words - rest);
    if (rest)
        multiply(t, sums, rows, words - rest, rest);
}

/* ---- prefetches of a sum over blocks ---- */

/* Emits the prefetches of the lines of a panel, number i of a tile, that are the share of this tile
 * of rows. */
static void prefetch_share(fv_tile *t, const fv_expr **loads, int n, int i) {
    fv_kemit *e = t->e;
    const int line = fv_processor_of(e->l->target)->prefetch.line_bytes;
    int64_t all = 0, done = 0;
    for (int k = 0; k < n; k++)
        all += fv_block_lines(t, loads[k], line);
    fv_expr *share = fv_kb_let(
        &e->b, "share",
        fv_ceildiv(e, integer(e, all), binary(e, FV_X_MAX, t->prefetch.whole, integer(e, 1))));
    fv_expr *tile = binary(e, FV_X_FLOORDIV, t->rows.done, integer(e, t->plan.mr));
    fv_expr *from = binary(e, FV_X_MUL, tile, share);
    fv_expr *at = fv_kb_for(&e->b, FV_SERIAL, "line", from, binary(e, FV_X_ADD, from, share), 1);
    for (int k = 0; k < n; k++) {
        const int64_t lines = fv_block_lines(t, loads[k], line);
        fv_kb_if(&e->b, binary(e, FV_X_AND, binary(e, FV_X_LE, integer(e, done), at),
                               binary(e, FV_X_LT, at, integer(e, done + lines))));
        fv_expr *number = binary(e, FV_X_SUB, at, integer(e, done));
        int64_t elements = line / fv_elem_storage_bytes(loads[k]->u.buf->elem);
        fv_tile_prefetch_in_block(t, loads[k], t->prefetch.next, i,
                                  binary(e, FV_X_MUL, number, integer(e, elements)), 2);
        fv_kb_end(&e->b);
        done += lines;
    }
    fv_kb_end(&e->b);
}

/* Emits prefetches of the current block of the next panel, of words and of the constants with which
 * terms are computed: the tiles of a block of rows share its lines among them. */
static void prefetch_block(fv_tile *t) {
    const fv_expr *loads[FV_MOST_BLOCK_LOADS];
    if (!t->prefetch.whole || !t->prefetch.next || !fv_can_prefetch(t->c))
        return;
    const int n = fv_block_loads(t, loads);
    for (int i = 0; i < fv_panels_of_tile(t); i++)
        prefetch_share(t, loads, n, i);
}

/* ---- a tile ---- */

void fv_tile_multiply_matrix(fv_tile *t, fv_expr *rows) {
    fv_kemit *e = t->e;
    if (!t->c->blocks.sum) {
        multiply_words(t, t->sums.buf, rows);
        return;
    }
    const int64_t size[2] = {t->plan.mr, t->plan.nr};
    const int outer = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    t->sums.at[0] = t->rows.done;
    fv_buf *part = fv_kb_tile(&e->b, "products", FV_I32, 2, size, NULL);
    fv_tile_open_blocks(t);
    prefetch_block(t);
    multiply_words(t, part, rows);
    fv_tile_add_terms(t, part, rows);
    fv_kb_end_to(&e->b, outer);
    fv_kemit_release(e, m);
}

/* ---- prefetches during the epilogue ---- */

/* panels of up to this fraction (1 / PANEL_SHARE) of the first-level cache are prefetched */
enum { PANEL_SHARE = 3 };

/* Does a prefetch of the next panel during the epilogue gain time? */
static bool prefetch_pays(const fv_tile *t, int64_t lines, int line) {
    return t->prefetch.next && fv_can_prefetch(t->c) && has_long_epilogue(t) &&
           lines * line * PANEL_SHARE <= t->e->l->target->caches.l1_bytes;
}

void fv_matrix_prefetch_next(fv_tile *t, fv_expr *rows, fv_expr *r) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    const int line = fv_processor_of(e->l->target)->prefetch.line_bytes;
    const int64_t lines = lines_of_panel(p, line);
    if (!prefetch_pays(t, lines, line))
        return;
    fv_expr *zero = integer(e, 0), *several = binary(e, FV_X_MAX, rows, integer(e, 1)),
            *first = binary(e, FV_X_EQ, t->rows.done, zero);
    if (fv_matrix_may_be_few(t))
        first = binary(e, FV_X_AND, first, fv_x_un(e->arena, FV_X_NOT, fv_matrix_are_few(t, rows)));
    fv_expr *share =
        fv_kb_let(&e->b, "share",
                  fv_x_select(e->arena, first, fv_ceildiv(e, integer(e, lines), several), zero));
    fv_expr *i = open_loop(e, FV_SERIAL, "line", share);
    fv_expr *at = binary(e, FV_X_MIN, binary(e, FV_X_ADD, binary(e, FV_X_MUL, r, share), i),
                         integer(e, lines - 1));
    at = binary(e, FV_X_MUL, at, integer(e, line / fv_elem_storage_bytes(p->value->type->elem)));
    for (int k = 0; k < fv_panels_of_tile(t); k++)
        fv_tile_prefetch_from(t, t->prefetch.next, integer(e, k), zero, at, 2);
    fv_kb_end(&e->b);
}

/* ---- few rows ---- */

bool fv_matrix_may_be_few(const fv_tile *t) {
    const fv_lowerer *l = t->e->l;
    const fv_dim *rows = t->e->def->index[t->c->row]->dim;
    return rows->lo < t->plan.few && fv_instruction_has(l->target, t->c->dot.op, FV_I32, FV_I32);
}

fv_expr *fv_matrix_are_few(fv_tile *t, fv_expr *rows) {
    return binary(t->e, FV_X_LT, rows, integer(t->e, t->plan.few));
}

/* Computes `rows` rows, at most `most`, by a tile of that many or of the next power of two, so that
 * its panel is read once. The last row takes the place of those that do not exist. */
static void multiply_in_one(fv_tile *t, fv_expr *rows, int most) {
    fv_kemit *e = t->e;
    const int outer = e->b.depth;
    const int64_t exist = e->def->index[t->c->row]->dim->hi;
    most = exist < most ? (int)exist : most;
    most = most < 1 ? 1 : most;
    t->rows.last = binary(e, FV_X_SUB, binary(e, FV_X_MAX, rows, integer(e, 1)), integer(e, 1));
    for (int n = 1;; n = 2 * n < most ? 2 * n : most) {
        t->plan.mr = n;
        if (n < most)
            fv_kb_if(&e->b, binary(e, FV_X_LE, rows, integer(e, n)));
        if (t->plan.prefetch.streams)
            t->prefetch.whole = fv_tile_whole(t, rows);
        fv_tile_multiply(t, integer(e, n));
        if (n == most)
            break;
        fv_kb_else(&e->b);
    }
    fv_kb_end_to(&e->b, outer);
}

void fv_tile_multiply_few(fv_tile *t, fv_expr *rows) {
    fv_tile few = *t;
    few.plan.depth = 0;
    few.from = few.prefetch.whole = NULL;
    few.made.unpacked = NULL;
    few.rows.done = integer(t->e, 0);
    multiply_in_one(&few, rows, t->plan.few <= t->plan.mr ? t->plan.few - 1 : t->plan.mr);
}
