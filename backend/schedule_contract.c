/* schedule_contract.c - matrix products and what is like them: a sum of products whose factors
 * depend one on a row index i, the other on a column index j.
 *
 *     parallel batch.., block of rows, panel of columns:
 *       for i0 in the block, step MR:
 *         acc[r, c] = 0                                     registers
 *         for k ascending: acc[r, c] = fma(a[i0 + r, k], b[k, j0 + c], acc[r, c])
 *         sums[r, c] = acc[r, c]                            first-level cache
 *         for rows and columns that are there: y[i0 + r, j0 + c] = epilogue(sums[r, c])
 *
 * b comes in panels (panels.c), or as it lies in memory where columns are contiguous there. Rows that
 * are no whole tile are done by tiles of 8, 4, 2 and 1 rows. Each output is one ascending chain: tiles
 * change no bit. */
#include <limits.h>
#include <string.h>

#include "backend/lower.h"
#include "ir/limits.h"

typedef struct contraction {
    fv_expr *sum;    /* the REDUCE */
    fv_expr *a, *b;  /* its factors: a goes with rows, b with columns */
    int row, column; /* axes of the definition; row -1: none */
    bool each;       /* a runs along the columns as well: a depthwise convolution */
    bool packed;
    fv_panels panels;
} contraction;

static bool is_constant(const fv_expr *x) {
    x = fv_x_stored(x);
    return x->op == FV_X_LOAD && ((const fv_value *)x->u.buf->value)->kind == FV_VALUE_CONST;
}

/* Does x lie in memory so that neighbouring columns are neighbours? */
static bool runs_along(const fv_expr *x, const fv_var *j) {
    fv_load_count n = {0};
    fv_x_count_loads(x, j, &n);
    return n.contiguous && !n.strided;
}

/* The factors: b is the only one that depends on the column. */
static bool set_factors(const fv_definition *d, contraction *c) {
    const fv_expr *body = c->sum->arg[0];
    for (int i = d->rank; i-- > 0;) {
        bool in[2] = {fv_x_uses(body->arg[0], d->index[i]), fv_x_uses(body->arg[1], d->index[i])};
        c->each = in[0] && in[1];
        bool second = c->each ? is_constant(body->arg[1]) : in[1];
        c->a = body->arg[!second];
        c->b = body->arg[second];
        if (c->each ? !is_constant(c->b) || !runs_along(c->a, d->index[i]) : !in[second])
            return false;
        c->column = i;
        break;
    }
    c->row = -1;
    for (int i = c->column; c->a && i-- > 0 && c->row < 0;)
        if (fv_x_uses(c->a, d->index[i]) && !fv_x_uses(c->b, d->index[i]))
            c->row = i;
    return c->a != NULL;
}

static bool recognise(const fv_definition *d, contraction *c) {
    fv_expr *sums[2], *inner;
    memset(c, 0, sizeof *c);
    if (d->rank < 1 || fv_x_reductions(d->body, sums, 2) != 1)
        return false;
    fv_expr *body = sums[0]->arg[0];
    if (sums[0]->u.red.kind != FV_SUM || body->op != FV_X_MUL || fv_x_reductions(body, &inner, 1) ||
        !fv_elem_is_float((fv_elem)body->type.elem))
        return false;
    c->sum = sums[0];
    return set_factors(d, c);
}

static bool is_loaded(const fv_expr *x) {
    x = fv_x_stored(x);
    return x->op == FV_X_LOAD || x->op == FV_X_GUARD;
}

static int64_t at_most(const fv_dim *d) {
    return fv_dim_is_const(d) ? d->value : d->hi;
}

/* What a step of k takes for these rows: sums in flight, of which fewer than LATENCY take as long. */
enum { LATENCY = 8, TILE = 4, FEW_TILES = 4 };

static int steps(int rows, int vectors) {
    return rows * vectors > LATENCY ? rows * vectors : LATENCY;
}

/* Rows of tiles for a small number of rows, at most `most`: 14 are better done as 7 + 7 than as 12 + 2. */
static int best_rows(int rows, int most, int vectors) {
    int best = most, least = INT_MAX;
    for (int mr = most; mr >= most / 2; mr--) {
        int cost = rows / mr * (steps(mr, vectors) + TILE);
        for (int n = 1, rest = rows % mr; n <= rest; n *= 2)
            cost += rest & n ? steps(n, vectors) + TILE : 0;
        if (cost < least) {
            best = mr;
            least = cost;
        }
    }
    return best;
}

/* Rows and columns of the register tile: accumulators fill about three quarters of the registers. Fewer
 * rows where there are fewer, with more columns then: eight sums hide the latency of their additions. */
static void tile_size(const fv_target *t, const fv_definition *d, const contraction *c, int *mr,
                      int *nr) {
    int lanes = t->vector_bits / fv_elem_bits((fv_elem)c->sum->type.elem);
    if (lanes < 2) {
        lanes = 1;
        *mr = *nr = 4;
    } else if (t->vector_registers >= 32) {
        *mr = lanes >= 8 ? 12 : 8;
        *nr = lanes >= 8 ? 2 * lanes : 3 * lanes;
    } else {
        *mr = 6;
        *nr = 2 * lanes;
    }
    int64_t rows = c->row < 0 ? 1 : at_most(d->index[c->row]->dim);
    int64_t columns = at_most(d->index[c->column]->dim);
    if (c->row >= 0 && fv_dim_is_const(d->index[c->row]->dim) && rows > *mr && rows <= FEW_TILES * *mr)
        *mr = best_rows((int)rows, *mr, *nr / lanes);
    if (!rows || !columns) { /* no tile: others make loops that never run */
        *mr = *nr = 0;
        return;
    }
    if (rows < *mr) {
        *mr = rows > 0 ? (int)rows : 1;
        if (is_constant(c->b) && *mr * (*nr / lanes) < 8)
            *nr = 8 / *mr * lanes;
    }
    while (lanes > columns)
        lanes /= 2;
    if (columns < *nr)
        *nr = ((int)columns + lanes - 1) / lanes * lanes;
}

/* Would x run along the columns if one of its axes were the last? */
static bool could_run_along(const fv_expr *x, const fv_var *j) {
    int n = 0;
    bool adds = false;
    x = fv_x_stored(x);
    for (int i = 0; i < x->u.buf->rank; i++)
        if (fv_x_uses(x->arg[i], j)) {
            adds = fv_x_adds(x->arg[i], j);
            n++;
        }
    return n == 1 && adds;
}

/* Packs b unless it can be read as it is; false: chains along k do better than either. */
static bool choose_operand(fv_lowerer *l, fv_op *op, const fv_definition *d, contraction *c, int nr) {
    const fv_var *j = d->index[c->column];
    const fv_var *rows = c->row < 0 ? NULL : d->index[c->row];
    bool constant = is_constant(c->b);
    bool few = !rows || (fv_dim_is_const(rows->dim) && rows->dim->value < 4);
    if (!constant && few && is_loaded(c->b) && !could_run_along(c->b, j))
        return false;
    if (!constant)
        c->b = fv_make_dense(l, op, d, c->sum, c->b, j);
    bool contiguous = runs_along(c->b, j) && is_loaded(c->b);
    if (!constant && !contiguous && few && is_loaded(c->b))
        return false;
    c->packed = (constant || !contiguous) &&
                fv_make_panels(l, op, d, c->sum, c->b, c->column, nr, &c->panels);
    if (c->packed)
        c->b = c->panels.x;
    if (!c->packed && !contiguous)
        return false;
    c->a = fv_make_dense(l, op, d, c->sum, c->a, NULL);
    return true;
}

/* ---- the kernel ---- */

typedef struct tile {
    fv_kemit *e;
    const contraction *c;
    fv_expr *i0, *j0, *panel; /* i0: the first row of the tile */
    fv_expr *next;            /* the panel after this one, or the last */
    fv_expr *columns;         /* that are there, at most nr */
    fv_buf *sums;
    int mr, nr;
    int64_t rest;             /* rows of the last tile, where that is known and they are no whole tile; -1 */
} tile;

static fv_expr *binary(fv_kemit *e, fv_expr_op op, fv_expr *a, fv_expr *b) {
    return fv_x_bin(e->arena, op, a, b);
}

static fv_expr *integer(fv_kemit *e, int64_t n) {
    return fv_x_int(e->arena, n);
}

static fv_expr *open_loop(fv_kemit *e, fv_loop_kind kind, const char *name, fv_expr *n) {
    return fv_kb_for(&e->b, kind, name, integer(e, 0), n, 1);
}

static void bind_column(tile *t, fv_expr *c) {
    fv_kemit *e = t->e;
    fv_kemit_bind(e, e->def->index[t->c->column], binary(e, FV_X_ADD, t->j0, c));
    if (!t->c->packed)
        return;
    const fv_panels *p = &t->c->panels;
    fv_kemit_bind(e, p->index[p->value->type->rank - 1], c);
    fv_kemit_bind(e, p->index[p->panel], t->panel);
}

static void bind_row(tile *t, fv_expr *r) {
    if (t->c->row >= 0)
        fv_kemit_bind(t->e, t->e->def->index[t->c->row], binary(t->e, FV_X_ADD, t->i0, r));
}

/* Panels are read once by the first tile, from memory often: what comes `AHEAD` bytes later is asked for,
 * which near the end of a panel lies in the next one. A model whose weights all stay in the second-level
 * cache is slower by it: they would come to the first level twice. */
enum { AHEAD = 128 << 10, CACHE_LINE = 64 };

static void prefetch(tile *t) {
    fv_kemit *e = t->e;
    const fv_panels *p = &t->c->panels;
    const fv_expr *sum = t->c->sum;
    const fv_dim *depth = sum->u.red.vars[0]->dim;
    int last = p->value->type->rank - 1;
    int64_t line = t->nr * fv_elem_storage_bytes(p->value->type->elem), step = CACHE_LINE * t->nr / line;
    if (e->l->weights <= e->l->target->l2_bytes || sum->u.red.nvars != 1 || p->made_in_run ||
        !fv_dim_is_const(depth) || line < CACHE_LINE)
        return;
    fv_expr *index[FV_MAX_RANK];
    int64_t ahead = AHEAD / line < depth->value ? AHEAD / line : depth->value;
    for (int i = 0; i < last; i++)
        if (i != p->panel)
            index[i] = fv_kemit_expr(e, p->load->arg[i]);
    index[p->panel] = t->next;
    if (ahead < depth->value) {
        fv_expr *k = index[last - 1], *left = integer(e, depth->value - ahead);
        fv_expr *here = fv_kb_let(&e->b, "here", binary(e, FV_X_LT, k, left));
        index[p->panel] = fv_x_select(e->arena, here, t->panel, t->next);
        index[last - 1] = fv_x_select(e->arena, here, binary(e, FV_X_ADD, k, integer(e, ahead)),
                                      binary(e, FV_X_SUB, k, left));
    }
    for (int64_t c = 0; c < t->nr; c += step) {
        index[last] = integer(e, c);
        fv_kb_prefetch(&e->b, fv_kemit_in(e, p->load->u.buf), index);
    }
}

/* sums[first + r, c] of `rows` rows. `edge`: not all columns are there. */
static void multiply(tile *t, fv_expr *first, int rows, bool edge) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    fv_elem type = (fv_elem)sum->type.elem;
    fv_buf *acc = fv_kb_tile(&e->b, "acc", type, 2, (int64_t[]){rows, t->nr},
                             fv_x_const(e->arena, type, 0));
    fv_kmark outer = fv_kemit_mark(e);
    for (int i = 0; i < sum->u.red.nvars; i++) {
        fv_var *v = sum->u.red.vars[i];
        fv_kemit_bind(e, v, open_loop(e, FV_SERIAL, v->name, fv_kemit_dim(e, v->dim)));
    }
    fv_buf *b = fv_kb_tile(&e->b, "b", type, 1, (int64_t[]){t->nr}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, t->nr));
    bind_column(t, c);
    e->guard = edge ? binary(e, FV_X_LT, c, t->columns) : NULL;
    fv_kb_store(&e->b, b, &c, fv_kemit_expr(e, t->c->b), NULL);
    e->guard = NULL;
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    if (t->c->packed)
        prefetch(t);
    fv_expr *r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    bind_row(t, binary(e, FV_X_ADD, first, r));
    fv_expr *a = t->c->each ? NULL : fv_kb_let(&e->b, "a", fv_kemit_expr(e, t->c->a));
    c = open_loop(e, FV_VECTOR, "c", integer(e, t->nr));
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
    r = open_loop(e, FV_UNROLL, "r", integer(e, rows));
    c = open_loop(e, FV_VECTOR, "c", integer(e, t->nr));
    fv_expr *from[2] = {r, c}, *to[2] = {binary(e, FV_X_ADD, first, r), c};
    fv_kb_store(&e->b, t->sums, to, fv_x_load(e->arena, acc, from), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
}

/* `rows` rows at i0, as many as a whole tile or fewer: powers of two, the largest first. */
static void multiply_rows(tile *t, fv_expr *rows, bool edge) {
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
        multiply(t, first, n, edge);
        fv_kb_end(&e->b);
        first = fv_kb_let(&e->b, "first", binary(e, FV_X_AND, rows, integer(e, above | n)));
    }
    fv_kb_end(&e->b);
}

/* y = epilogue(sums) of that many rows and columns. */
static void store(tile *t, fv_value *value, fv_expr **index, fv_expr *rows, fv_expr *columns) {
    fv_kemit *e = t->e;
    const fv_definition *d = e->def;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    fv_expr *c = open_loop(e, FV_VECTOR, "c", columns);
    bind_row(t, r);
    bind_column(t, c);
    if (t->c->row >= 0)
        index[t->c->row] = binary(e, FV_X_ADD, t->i0, r);
    index[t->c->column] = binary(e, FV_X_ADD, t->j0, c);
    fv_expr *at[2] = {r, c};
    fv_kemit_memo(e, t->c->sum, fv_kb_let(&e->b, "s", fv_x_load(e->arena, t->sums, at)));
    fv_kemit_store(e, fv_kemit_out(e, value), index, fv_kemit_expr(e, d->body));
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Where all columns are there, as a loop of known length. */
static void store_all(tile *t, fv_value *value, fv_expr **index, fv_expr *rows) {
    fv_kemit *e = t->e;
    int64_t known;
    fv_expr *nr = integer(e, t->nr);
    if (fv_x_is_int(t->columns, &known)) {
        store(t, value, index, rows, t->columns);
        return;
    }
    fv_kb_if(&e->b, binary(e, FV_X_EQ, t->columns, nr));
    store(t, value, index, rows, nr);
    fv_kb_else(&e->b);
    store(t, value, index, rows, t->columns);
    fv_kb_end(&e->b);
}

/* Tasks over blocks of `step` out of n: returns the number of the block; *first is where it begins, *size
 * how much it has. One block where `fits`: no loop. */
static fv_expr *open_blocks(fv_kemit *e, const char *name, fv_expr *n, fv_expr *blocks, fv_expr *step,
                            bool fits, fv_expr **first, fv_expr **size) {
    int64_t known, by;
    *first = integer(e, 0);
    *size = n;
    if (fits)
        return *first;
    fv_expr *block = open_loop(e, FV_PARALLEL, name, blocks);
    step = fv_kb_let(&e->b, "step", step);
    *first = fv_kb_let(&e->b, "first", binary(e, FV_X_MUL, block, step));
    *size = fv_x_is_int(n, &known) && fv_x_is_int(step, &by) && known % by == 0
                ? step
                : fv_kb_let(&e->b, "size",
                            binary(e, FV_X_MIN, step, binary(e, FV_X_SUB, n, *first)));
    return block;
}

static fv_expr *ceildiv(fv_kemit *e, fv_expr *a, fv_expr *b) {
    return binary(e, FV_X_FLOORDIV, binary(e, FV_X_ADD, a, binary(e, FV_X_SUB, b, integer(e, 1))), b);
}

static fv_expr *open_panels(tile *t) {
    fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->column]->dim;
    fv_expr *n = fv_kemit_dim(e, d), *nr = integer(e, t->nr);
    bool one = at_most(d) <= t->nr && d->lo > 0; /* where there may be no column, there may be no panel */
    fv_expr *panel = open_blocks(e, "panel", n, ceildiv(e, n, nr), nr, one, &t->j0, &t->columns);
    fv_expr *last = binary(e, FV_X_SUB, ceildiv(e, n, nr), integer(e, 1));
    fv_expr *after = binary(e, FV_X_MIN, last, binary(e, FV_X_ADD, panel, integer(e, 1)));
    t->next = one ? panel : fv_kb_let(&e->b, "next", after);
    return panel;
}

/* Rows in blocks of at most `most`, a multiple of mr, all as large as can be done with tiles. */
static void open_rows(tile *t, int most, fv_expr **first, fv_expr **rows) {
    fv_kemit *e = t->e;
    const fv_dim *d = e->def->index[t->c->row]->dim;
    if (fv_dim_is_const(d))
        t->rest = d->value % t->mr;
    fv_expr *n = fv_kemit_dim(e, d), *mr = integer(e, t->mr);
    fv_expr *blocks = ceildiv(e, n, integer(e, most));
    fv_expr *step = ceildiv(e, n, binary(e, FV_X_MAX, blocks, integer(e, 1)));
    step = binary(e, FV_X_MAX, binary(e, FV_X_MUL, ceildiv(e, step, mr), mr), mr);
    open_blocks(e, "block", n, blocks, step, at_most(d) <= most, first, rows);
}

/* Rows of a task: as much of a as stays in the second-level cache while panels go by. */
static int block_rows(const fv_target *t, const contraction *c, int mr) {
    int64_t depth = 1, bytes = t->l2_bytes / 8 * 3;
    for (int i = 0; i < c->sum->u.red.nvars && depth >= 0 && depth < bytes; i++)
        depth *= fv_typical_dim(c->sum->u.red.vars[i]->dim);
    int64_t rows = bytes / (fv_elem_storage_bytes((fv_elem)c->sum->type.elem) * (depth > 0 ? depth : 1));
    rows = rows > 12 * mr ? 12 * mr : rows;
    return (int)(rows < 2 * mr ? 2 * mr : rows / mr * mr);
}

bool fv_schedule_contract(fv_lowerer *l, fv_storage *s, fv_op *op) {
    contraction c;
    const fv_definition *d = s->def;
    tile t = {.c = &c, .rest = -1};
    if (!recognise(d, &c))
        return false;
    tile_size(l->target, d, &c, &t.mr, &t.nr);
    if (t.nr < 2 || !choose_operand(l, op, d, &c, t.nr))
        return false;
    fv_kemit e;
    fv_kemit_init(&e, l, d, op->def->name);
    t.e = &e;
    fv_expr *index[FV_MAX_RANK], *rows = integer(&e, 1), *first = integer(&e, 0);
    for (int i = 0; i < d->rank; i++) {
        if (i == c.row || i == c.column)
            continue;
        index[i] = open_loop(&e, FV_PARALLEL, d->index[i]->name,
                             fv_kemit_dim(&e, d->index[i]->dim));
        fv_kemit_bind(&e, d->index[i], index[i]);
    }
    if (c.row >= 0)
        open_rows(&t, block_rows(l->target, &c, t.mr), &first, &rows);
    t.panel = open_panels(&t);
    int64_t whole;
    bool tiles = !fv_x_is_int(rows, &whole) || whole > t.mr;
    fv_expr *here = rows;
    t.i0 = first;
    if (tiles) {
        fv_expr *done = fv_kb_for(&e.b, FV_SERIAL, "tile", integer(&e, 0), rows, t.mr);
        t.i0 = fv_kb_let(&e.b, "i0", binary(&e, FV_X_ADD, first, done));
        here = fv_x_is_int(rows, &whole) && whole % t.mr == 0
                   ? integer(&e, t.mr)
                   : fv_kb_let(&e.b, "rows",
                               binary(&e, FV_X_MIN, integer(&e, t.mr),
                                      binary(&e, FV_X_SUB, rows, done)));
    }
    t.sums = fv_kb_tile(&e.b, "sums", (fv_elem)c.sum->type.elem, 2, (int64_t[]){t.mr, t.nr}, NULL);
    bool edges = !c.packed || c.each; /* of what is read beside panels */
    if (!edges || fv_x_is_int(t.columns, &whole)) {
        multiply_rows(&t, here, edges && whole < t.nr);
    } else {
        fv_kb_if(&e.b, binary(&e, FV_X_EQ, t.columns, integer(&e, t.nr)));
        multiply_rows(&t, here, false);
        fv_kb_else(&e.b);
        multiply_rows(&t, here, true);
        fv_kb_end(&e.b);
    }
    store_all(&t, s->value, index, here);
    while (e.b.depth)
        fv_kb_end(&e.b);
    fv_kemit_finish(&e, op, fv_printf(e.arena, "contract %d x %d%s", t.mr, t.nr,
                                      !c.packed ? "" : c.panels.made_in_run ? ", packs" : ", packed"));
    return true;
}
