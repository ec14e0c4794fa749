/* schedule_map.c - one loop nest over the output.
 *
 * naive: serial loops over every axis, each reduction one ascending chain:
 *     for i: for j: y[i, j] = body
 * map: the outer axes are tasks, the last one is a vector loop; reductions that do not depend on it
 * are computed once a row (this is what softmax and the norms need), by chains where they run over
 * contiguous elements:
 *     parallel i: m = max k: ...; s = sum k: ...; vector j: y[i, j] = body */
#include <string.h>

#include "backend/lower.h"
#include "ir/limits.h"

enum { BLOCK = 2048 }; /* elements of a vector that one task does */

void fv_schedule_naive(fv_lowerer *l, fv_storage *s, fv_op *op) {
    fv_kemit e;
    const fv_definition *d = s->def;
    fv_kemit_init(&e, l, d, op->def->name);
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < d->rank; i++) {
        fv_expr *extent = fv_kemit_dim(&e, d->index[i]->dim);
        index[i] = fv_kb_for(&e.b, FV_SERIAL, d->index[i]->name, fv_x_int(e.arena, 0), extent, 1);
        fv_kemit_bind(&e, d->index[i], index[i]);
    }
    fv_expr *x = fv_kemit_expr(&e, d->body);
    fv_kemit_store(&e, fv_kemit_out(&e, s->value), index, x);
    for (int i = 0; i < d->rank; i++)
        fv_kb_end(&e.b);
    fv_kemit_finish(&e, op, "naive");
}

static bool is_one(const fv_dim *d) {
    return fv_dim_is_const(d) && d->value == 1;
}

/* The axis to run vectors along: the last one that is not 1, unless what is computed runs across it. */
static int vector_axis(const fv_definition *d) {
    int v = d->rank - 1;
    while (v >= 0 && is_one(d->index[v]->dim))
        v--;
    if (v < 0)
        return -1;
    fv_expr *reductions[32];
    int n = fv_x_reductions(d->body, reductions, 32);
    for (int i = 0; i < n; i++)
        if (fv_x_uses(reductions[i], d->index[v]) && fv_x_is_row(reductions[i], d->index[v]))
            return -1;
    return v;
}

/* A single axis is cut into blocks, which are the tasks. */
static void open_blocked(fv_kemit *e, fv_var *v, fv_expr **index) {
    fv_expr *size = fv_kemit_dim(e, v->dim);
    fv_expr *lo = fv_x_int(e->arena, 0), *hi = size;
    if (v->dim->hi > BLOCK) {
        fv_expr *b = fv_x_int(e->arena, BLOCK);
        fv_expr *blocks = fv_x_bin(e->arena, FV_X_FLOORDIV,
                                   fv_x_bin(e->arena, FV_X_ADD, size, fv_x_int(e->arena, BLOCK - 1)),
                                   b);
        fv_expr *t = fv_kb_for(&e->b, FV_PARALLEL, "block", lo, blocks, 1);
        lo = fv_kb_let(&e->b, "lo", fv_x_bin(e->arena, FV_X_MUL, t, b));
        hi = fv_kb_let(&e->b, "hi",
                       fv_x_bin(e->arena, FV_X_MIN, size, fv_x_bin(e->arena, FV_X_ADD, lo, b)));
    }
    *index = fv_kb_for(&e->b, FV_VECTOR, v->name, lo, hi, 1);
    fv_kemit_bind(e, v, *index);
}

/* ---- what is computed twice along a row ---- */

static bool has_math(const fv_expr *x) {
    if (fv_expr_op_is_math((fv_expr_op)x->op))
        return true;
    for (int i = 0; i < x->n; i++)
        if (has_math(x->arg[i]))
            return true;
    return false;
}

/* Nodes of x equal to `what`, outside of reductions. */
static int find_equal(fv_expr *x, const fv_expr *what, fv_expr **found, int n, int max) {
    if (x->op == FV_X_REDUCE || n == max)
        return n;
    if (fv_x_equal(x, what)) {
        for (int i = 0; i < n; i++)
            if (found[i] == x)
                return n;
        found[n] = x;
        return n + 1;
    }
    for (int i = 0; i < x->n; i++)
        n = find_equal(x->arg[i], what, found, n, max);
    return n;
}

enum { MAX_KEPT = 8 };

/* exp(x[k] - m) of a softmax is summed along the row, and wanted again at each j: the sum keeps it in
 * the row of the result. Returns the places where it is wanted. */
static int find_kept(fv_kemit *e, int vector, const fv_value *value, fv_expr **places) {
    const fv_definition *d = e->def;
    fv_var *j = d->index[vector];
    fv_expr *sums[32];
    int n = fv_x_reductions(d->body, sums, 32);
    for (int i = 0; i < n; i++) {
        fv_expr *x = sums[i]->arg[0];
        if (sums[i]->u.red.nvars != 1 || sums[i]->u.red.vars[0]->dim != j->dim ||
            fv_x_uses(sums[i], j) || !fv_x_is_row(sums[i], NULL) || x->op == FV_X_MUL ||
            x->type.elem != value->type->elem || !has_math(x))
            continue;
        fv_expr *at = fv_x_var(e->arena, j);
        int found = find_equal(d->body, fv_x_replace_vars(e->arena, x, 1, sums[i]->u.red.vars, &at),
                               places, 0, MAX_KEPT);
        if (!found)
            continue;
        e->kept.x = x;
        e->kept.axis = vector;
        return found;
    }
    return 0;
}

bool fv_schedule_map(fv_lowerer *l, fv_storage *s, fv_op *op) {
    fv_kemit e;
    const fv_definition *d = s->def;
    fv_kemit_init(&e, l, d, op->def->name);
    e.chains = true;
    fv_expr *index[FV_MAX_RANK];
    int vector = vector_axis(d), open = 0;
    bool alone = true; /* the vector axis is the only one */
    for (int i = 0; i < d->rank; i++)
        alone &= i == vector || is_one(d->index[i]->dim);
    for (int i = 0; i < d->rank; i++)
        if (is_one(d->index[i]->dim)) {
            index[i] = fv_x_int(e.arena, 0);
            fv_kemit_bind(&e, d->index[i], index[i]);
        }
    for (int i = 0; i < d->rank; i++) {
        if (i == vector || is_one(d->index[i]->dim))
            continue;
        index[i] = fv_kb_for(&e.b, FV_PARALLEL, d->index[i]->name, fv_x_int(e.arena, 0),
                             fv_kemit_dim(&e, d->index[i]->dim), 1);
        fv_kemit_bind(&e, d->index[i], index[i]);
        open++;
    }
    fv_expr *places[MAX_KEPT], *at[FV_MAX_RANK];
    int nkept = vector >= 0 && !alone ? find_kept(&e, vector, s->value, places) : 0;
    if (nkept) {
        memcpy(at, index, sizeof at);
        e.kept.row = fv_kemit_out(&e, s->value);
        e.kept.row->role = FV_BUF_INOUT;
        e.kept.index = at;
    }
    int before_rows = e.nmemo;
    fv_kemit_hoist(&e, d->body);
    bool rows = vector < 0 || e.nmemo > before_rows;
    if (vector >= 0) {
        int before = e.b.depth;
        if (alone)
            open_blocked(&e, d->index[vector], &index[vector]);
        else {
            index[vector] = fv_kb_for(&e.b, FV_VECTOR, d->index[vector]->name,
                                      fv_x_int(e.arena, 0),
                                      fv_kemit_dim(&e, d->index[vector]->dim), 1);
            fv_kemit_bind(&e, d->index[vector], index[vector]);
        }
        open += e.b.depth - before;
    }
    for (int i = 0; i < nkept; i++)
        fv_kemit_memo(&e, places[i], fv_x_load(e.arena, e.kept.row, index));
    fv_kemit_hoist(&e, d->body);
    fv_expr *x = fv_kemit_expr(&e, d->body);
    fv_kemit_store(&e, fv_kemit_out(&e, s->value), index, x);
    while (open--)
        fv_kb_end(&e.b);
    fv_kemit_finish(&e, op, rows ? "row" : "map");
    return true;
}
