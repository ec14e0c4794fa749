/* schedule_contract.c - matrix products and what is like them: a sum of products whose factors
 * depend one on a row index i, the other on a column index j along contiguous elements.
 *
 * A tile of MR rows and NR columns stays in registers:
 *     parallel batch.., ib, jb:
 *       acc[r, c] = 0
 *       for k ascending: acc[r, c] = fma(a[i0 + r, k], b[k, j0 + c], acc[r, c])
 *       y[i0 + r, j0 + c] = epilogue(acc[r, c])
 * Each output is one ascending chain, whatever the tile: its size changes no bit. At the edges the
 * same is done element by element. */
#include <string.h>

#include "backend/lower.h"
#include "ir/limits.h"

typedef struct contraction {
    fv_expr *sum;     /* the REDUCE */
    fv_expr *a, *b;   /* its factors: a goes with rows, b with columns */
    int row, column;  /* axes of the definition */
} contraction;

/* Which factor has the columns? The other may not depend on them. */
static bool columns_in(const fv_expr *f, const fv_expr *other, const fv_var *j) {
    fv_load_count n = {0};
    fv_x_count_loads(f, j, &n);
    return n.contiguous && !n.strided && !fv_x_uses(other, j);
}

static bool has_reduce(const fv_expr *x) {
    if (x->op == FV_X_REDUCE)
        return true;
    for (int i = 0; i < x->n; i++)
        if (has_reduce(x->arg[i]))
            return true;
    return false;
}

static bool recognise(const fv_definition *d, contraction *c) {
    fv_expr *sums[2];
    if (d->rank < 2 || fv_x_reductions(d->body, sums, 2) != 1)
        return false;
    fv_expr *body = sums[0]->arg[0];
    if (sums[0]->u.red.kind != FV_SUM || body->op != FV_X_MUL || has_reduce(body) ||
        !fv_elem_is_float((fv_elem)body->type.elem))
        return false;
    *c = (contraction){.sum = sums[0], .a = body->arg[0], .b = body->arg[1], .row = -1,
                       .column = d->rank - 1};
    const fv_var *j = d->index[c->column];
    if (!columns_in(c->b, c->a, j)) {
        if (!columns_in(c->a, c->b, j))
            return false;
        c->a = body->arg[1];
        c->b = body->arg[0];
    }
    for (int i = d->rank - 1; i-- > 0;)
        if (fv_x_uses(c->a, d->index[i]) && !fv_x_uses(c->b, d->index[i])) {
            c->row = i;
            return true;
        }
    return false;
}

/* Rows and columns of the register tile: accumulators fill about three quarters of the registers. */
static void tile_size(const fv_target *t, fv_elem e, int *mr, int *nr) {
    int lanes = t->vector_bits / fv_elem_bits(e);
    if (lanes < 2) {
        *mr = 4;
        *nr = 4;
    } else if (t->vector_registers >= 32) {
        *mr = lanes >= 8 ? 12 : 8;
        *nr = lanes >= 8 ? 2 * lanes : 3 * lanes;
    } else {
        *mr = 6;
        *nr = 2 * lanes;
    }
}

typedef struct tile {
    fv_kemit *e;
    const contraction *c;
    fv_expr **index;
    fv_expr *i0, *j0;
    int mr, nr;
} tile;

static fv_expr *add(fv_kemit *e, fv_expr *a, fv_expr *b) {
    return fv_x_bin(e->arena, FV_X_ADD, a, b);
}

static fv_expr *count_loop(fv_kemit *e, fv_loop_kind kind, const char *name, int n) {
    return fv_kb_for(&e->b, kind, name, fv_x_int(e->arena, 0), fv_x_int(e->arena, n), 1);
}

/* The sums of one whole tile, in acc. */
static fv_buf *sums(tile *t) {
    fv_kemit *e = t->e;
    const fv_definition *d = e->def;
    const fv_expr *r = t->c->sum;
    fv_elem type = (fv_elem)r->type.elem;
    fv_buf *acc = fv_kb_tile(&e->b, "acc", type, 2, (int64_t[]){t->mr, t->nr},
                             fv_x_const(e->arena, type, 0));
    fv_kmark outer = fv_kemit_mark(e);
    for (int i = 0; i < r->u.red.nvars; i++) {
        fv_var *v = r->u.red.vars[i];
        fv_kemit_bind(e, v, fv_kb_for(&e->b, FV_SERIAL, v->name, fv_x_int(e->arena, 0),
                                      fv_kemit_dim(e, v->dim), 1));
    }
    fv_buf *rows = fv_kb_tile(&e->b, "a", type, 1, (int64_t[]){t->mr}, NULL);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *row = count_loop(e, FV_UNROLL, "r", t->mr);
    fv_kemit_bind(e, d->index[t->c->row], add(e, t->i0, row));
    fv_kb_store(&e->b, rows, &row, fv_kemit_expr(e, t->c->a), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    fv_expr *col = count_loop(e, FV_VECTOR, "c", t->nr);
    fv_kemit_bind(e, d->index[t->c->column], add(e, t->j0, col));
    fv_expr *b = fv_kb_let(&e->b, "b", fv_kemit_expr(e, t->c->b));
    row = count_loop(e, FV_UNROLL, "r", t->mr);
    fv_expr *at[2] = {row, col};
    fv_kb_store(&e->b, acc, at,
                fv_x_fma(e->arena, fv_x_load(e->arena, rows, &row), b,
                         fv_x_load(e->arena, acc, at)),
                NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    for (int i = 0; i < r->u.red.nvars; i++)
        fv_kb_end(&e->b);
    fv_kemit_release(e, outer);
    return acc;
}

static void whole_tile(tile *t, fv_value *value) {
    fv_kemit *e = t->e;
    const fv_definition *d = e->def;
    fv_buf *acc = sums(t);
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *row = count_loop(e, FV_UNROLL, "r", t->mr);
    fv_expr *col = count_loop(e, FV_VECTOR, "c", t->nr);
    t->index[t->c->row] = add(e, t->i0, row);
    t->index[t->c->column] = add(e, t->j0, col);
    fv_kemit_bind(e, d->index[t->c->row], t->index[t->c->row]);
    fv_kemit_bind(e, d->index[t->c->column], t->index[t->c->column]);
    fv_expr *at[2] = {row, col};
    fv_kemit_memo(e, t->c->sum, fv_kb_let(&e->b, "s", fv_x_load(e->arena, acc, at)));
    fv_kemit_store(e, fv_kemit_out(e, value), t->index, fv_kemit_expr(e, d->body));
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* What is left over at the right and bottom: the same, a row at a time. */
static void edge_tile(tile *t, fv_value *value, fv_expr *i1, fv_expr *j1) {
    fv_kemit *e = t->e;
    const fv_definition *d = e->def;
    fv_kmark m = fv_kemit_mark(e);
    t->index[t->c->row] = fv_kb_for(&e->b, FV_SERIAL, d->index[t->c->row]->name, t->i0, i1, 1);
    fv_kemit_bind(e, d->index[t->c->row], t->index[t->c->row]);
    t->index[t->c->column] =
        fv_kb_for(&e->b, FV_VECTOR, d->index[t->c->column]->name, t->j0, j1, 1);
    fv_kemit_bind(e, d->index[t->c->column], t->index[t->c->column]);
    fv_kemit_store(e, fv_kemit_out(e, value), t->index, fv_kemit_expr(e, d->body));
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
}

/* Tasks over blocks of an axis: returns the first element, *end is one past the last. */
static fv_expr *open_blocks(fv_kemit *e, const char *name, fv_expr *size, int step, fv_expr **end) {
    fv_expr *s = fv_x_int(e->arena, step);
    fv_expr *n = fv_x_bin(e->arena, FV_X_FLOORDIV, add(e, size, fv_x_int(e->arena, step - 1)), s);
    fv_expr *block = fv_kb_for(&e->b, FV_PARALLEL, name, fv_x_int(e->arena, 0), n, 1);
    fv_expr *first = fv_x_bin(e->arena, FV_X_MUL, block, s);
    *end = fv_x_bin(e->arena, FV_X_MIN, size, add(e, first, s));
    return first;
}

bool fv_schedule_contract(fv_lowerer *l, fv_storage *s, fv_op *op) {
    contraction c;
    const fv_definition *d = s->def;
    if (!recognise(d, &c))
        return false;
    fv_kemit e;
    fv_kemit_init(&e, l, d, op->def->name);
    e.chains = false; /* the edges sum as the tiles do */
    fv_expr *index[FV_MAX_RANK], *i1, *j1;
    tile t = {.e = &e, .c = &c, .index = index};
    tile_size(l->target, (fv_elem)c.sum->type.elem, &t.mr, &t.nr);
    int open = 0;
    for (int i = 0; i < d->rank; i++) {
        if (i == c.row || i == c.column)
            continue;
        index[i] = fv_kb_for(&e.b, FV_PARALLEL, d->index[i]->name, fv_x_int(e.arena, 0),
                             fv_kemit_dim(&e, d->index[i]->dim), 1);
        fv_kemit_bind(&e, d->index[i], index[i]);
        open++;
    }
    fv_expr *rows = fv_kemit_dim(&e, d->index[c.row]->dim);
    fv_expr *columns = fv_kemit_dim(&e, d->index[c.column]->dim);
    t.i0 = open_blocks(&e, "ib", rows, t.mr, &i1);
    t.j0 = open_blocks(&e, "jb", columns, t.nr, &j1);
    t.i0 = fv_kb_let(&e.b, "i0", t.i0);
    t.j0 = fv_kb_let(&e.b, "j0", t.j0);
    fv_expr *whole = fv_x_bin(
        e.arena, FV_X_AND,
        fv_x_bin(e.arena, FV_X_LE, add(&e, t.i0, fv_x_int(e.arena, t.mr)), rows),
        fv_x_bin(e.arena, FV_X_LE, add(&e, t.j0, fv_x_int(e.arena, t.nr)), columns));
    fv_kb_if(&e.b, whole);
    whole_tile(&t, s->value);
    fv_kb_else(&e.b);
    edge_tile(&t, s->value, i1, j1);
    fv_kb_end(&e.b);
    for (int i = 0; i < open + 2; i++)
        fv_kb_end(&e.b);
    fv_kemit_finish(&e, op, fv_printf(e.arena, "contract %d x %d", t.mr, t.nr));
    return true;
}
