/* attend_values.c - begins the register tiles of attention, and emits the product of the weights of
 * a block with the values. */
#include "backend/schedule/attend/attend.h"

#include <string.h>

#include "backend/lowering/weights.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/common/reduce.h"
#include "backend/schedule/contract/element.h"
#include "backend/schedule/contract/later_steps.h"
#include "backend/schedule/contract/prefetch.h"
#include "backend/schedule/contract/results.h"
#include "ir/definition/bits.h"

void fv_attend_tile(fv_attend *a, const fv_definition *d, const fv_attend_product *product) {
    const fv_attend_plan *p = a->p;
    const fv_dim *n = d->index[product->c.row]->dim;
    fv_kemit_use(&a->e, d);
    a->t = (fv_tile){.e = &a->e,
                     .c = &product->c,
                     .plan = {.mr = product->rows, .nr = product->columns, .rest = -1},
                     .rows.local = p->tasks.local};
    fv_tile_defaults(p->l, p->d->value->def, &product->c, &a->t.plan);
    if (fv_dim_is_const(n) && p->qk.rows % product->rows == 0)
        a->t.plan.rest = n->value % product->rows;
}

void fv_attend_tile_of_few(fv_attend *a, const fv_attend_product *by_rows) {
    const fv_attend_plan *p = a->p;
    const fv_contraction *c = &by_rows->c;
    fv_var *column = p->d->index[c->column];
    fv_attend_tile(a, p->d, by_rows);
    const fv_expr *load = fv_single_load(p->l->exprs, c->b, p->at.key, column);
    if (load && !c->packed && fv_dim_is_const(column->dim))
        fv_tile_plan_later_steps(&a->t, load, column->dim->value,
                                 fv_weights_between(p->l, p->d->value->def));
}

void fv_attend_close(fv_attend *a, int depth, fv_kmark m) {
    fv_kb_end_to(&a->e.b, depth);
    fv_kemit_release(&a->e, m);
}

/* One part of the keys, if their sum is computed in parts, restricted to the keys that are used. */
typedef struct key_part {
    fv_expr *part, *first; /* the first key of the part; that of the first part of the loop */
    /* the range of keys that are used, after open_part those of the part; NULL: all keys */
    fv_expr *keys[2];
} key_part;

static bool has_parts(const fv_attend *a) {
    return a->p->at.sum->u.red.order == FV_ORDER_PARTS;
}

/* Opens a loop over the parts that contain keys of the range p->keys; sets the members of *p for
 * one of them. */
static void open_part(fv_attend *a, key_part *p) {
    fv_kemit *e = &a->e;
    fv_expr *n = integer(e, FV_PART), *from = p->keys[0] ? p->keys[0] : integer(e, 0);
    fv_expr *to = p->keys[0] ? p->keys[1] : fv_kemit_dim(e, a->p->at.key->dim);
    p->first = fv_kb_let(&e->b, "first", binary(e, FV_X_MUL, binary(e, FV_X_FLOORDIV, from, n), n));
    p->part = fv_kb_for(&e->b, FV_SERIAL, "part", p->first, to, FV_PART);
    p->keys[0] = fv_kb_let(&e->b, "from_key", binary(e, FV_X_MAX, p->part, from));
    p->keys[1] =
        fv_kb_let(&e->b, "to_key", binary(e, FV_X_MIN, binary(e, FV_X_ADD, p->part, n), to));
}

/* The condition that hidden keys are left out of the sum of row r of the tile. */
static fv_expr *sees_all(fv_attend *a, fv_expr *r) {
    fv_kemit *e = &a->e;
    fv_expr *local = binary(e, FV_X_ADD, a->t.rows.done, r);
    return binary(e, FV_X_NE, fv_x_load(e->arena, a->sees, &local), integer(e, 0));
}

/* Computes the sums of the tile again without hidden values if one of them is infinite or NaN: a
 * hidden value that is infinite or NaN may be the reason, since 0 * v is NaN then. */
static void emit_without_hidden(fv_attend *a, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_arena *x = e->arena;
    fv_tile *t = &a->t;
    int depth = e->b.depth;
    fv_kmark m = fv_kemit_mark(e);
    fv_elem type = (fv_elem)a->p->at.sum->type.elem;
    int64_t width = t->plan.nr;
    fv_buf *odd = fv_kb_tile(&e->b, "odd", type, 1, &width, fv_x_const(x, type, 0));
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows);
    fv_kb_if(&e->b, sees_all(a, r));
    fv_expr *c = open_loop(e, FV_VECTOR, "c", integer(e, width)), *at[2] = {r, c};
    fv_kb_store(
        &e->b, odd, &c,
        fv_x_fma(x, fv_x_load(x, t->sums.buf, at), fv_x_const(x, type, 0), fv_x_load(x, odd, &c)),
        NULL);
    fv_attend_close(a, depth, m);
    fv_expr *any = fv_kemit_fold(e, odd, FV_SUM);
    fv_kb_if(&e->b, binary(e, FV_X_NE, any, any));
    r = open_loop(e, FV_SERIAL, "r", rows);
    fv_kb_if(&e->b, sees_all(a, r));
    c = open_loop(e, FV_SERIAL, "c", t->columns);
    fv_tile_bind(t, r, c);
    fv_kemit_hoist(e, a->p->weights.where);
    fv_buf *acc = fv_kb_tile(&e->b, "acc", type, 0, NULL, fv_x_const(x, type, 0));
    key_part p = {.keys = {a->keys[0], a->keys[1]}};
    fv_buf *of_part = acc;
    if (has_parts(a)) {
        open_part(a, &p);
        of_part = fv_kb_tile(&e->b, "of_part", type, 0, NULL, fv_x_const(x, type, 0));
    }
    fv_expr *k = fv_kb_for(&e->b, FV_SERIAL, "k", p.keys[0], p.keys[1], 1);
    fv_kemit_bind(e, a->p->at.key, k);
    fv_kb_if(&e->b, fv_x_un(x, FV_X_NOT, fv_kemit_expr(e, a->p->weights.where)));
    fv_expr *term[2] = {fv_kemit_expr(e, a->p->pv.c.a), fv_kemit_expr(e, a->p->pv.c.b)};
    fv_kb_store(&e->b, of_part, NULL, fv_x_fma(x, term[0], term[1], fv_x_load(x, of_part, NULL)),
                NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    if (has_parts(a)) {
        fv_expr *sum[2] = {fv_x_load(x, acc, NULL), fv_x_load(x, of_part, NULL)};
        fv_kb_store(&e->b, acc, NULL, fv_kemit_with_part(e, sum[0], sum[1], p.part, p.first), NULL);
        fv_kb_end(&e->b);
    }
    fv_kb_store(&e->b, t->sums.buf, (fv_expr *[]){r, c}, fv_x_load(x, acc, NULL), NULL);
    fv_attend_close(a, depth, m);
}

/* Computes the sums of the tile over the visible keys, one part after the other. */
static void multiply_parts(fv_attend *a, fv_expr *rows) {
    fv_kemit *e = &a->e;
    fv_tile *t = &a->t;
    fv_elem type = (fv_elem)a->p->at.sum->type.elem;
    const int64_t extents[2] = {t->plan.mr, t->plan.nr};
    fv_buf *all = fv_kb_tile(&e->b, "all", type, 2, extents, fv_x_const(e->arena, type, 0));
    key_part p = {.keys = {a->keys[0], a->keys[1]}};
    open_part(a, &p);
    fv_tile_sums(t, t->plan.mr);
    memcpy(t->only.steps, p.keys, sizeof t->only.steps);
    fv_tile_multiply(t, rows);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows),
            *c = open_loop(e, FV_VECTOR, "c", integer(e, t->plan.nr)), *at[2] = {r, c};
    fv_expr *sum[2] = {fv_x_load(e->arena, all, at), fv_x_load(e->arena, t->sums.buf, at)};
    fv_kb_store(&e->b, all, at, fv_kemit_with_part(e, sum[0], sum[1], p.part, p.first), NULL);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    fv_kb_end(&e->b);
    t->sums.buf = all;
}

static void multiply_keys(fv_attend *a, fv_expr *rows) {
    if (has_parts(a)) {
        multiply_parts(a, rows);
        return;
    }
    fv_tile_sums(&a->t, a->t.plan.mr);
    memcpy(a->t.only.steps, a->keys, sizeof a->t.only.steps);
    fv_tile_multiply(&a->t, rows);
}

static void emit_tiles_of_result(fv_attend *a, fv_value *value, const fv_attend_product *pv,
                                 fv_expr *first, fv_expr *rows) {
    int depth = a->e.b.depth;
    fv_kmark m = fv_kemit_mark(&a->e);
    if (a->alone)
        fv_attend_tile_of_few(a, pv);
    else
        fv_attend_tile(a, a->p->d, pv);
    fv_open_panels(&a->t, FV_SERIAL);
    fv_expr *here = fv_open_tiles(&a->t, first, rows);
    multiply_keys(a, here);
    if (a->seen)
        emit_without_hidden(a, here);
    fv_tile_store(&a->t, value, a->index, here);
    fv_attend_close(a, depth, m);
}

int fv_attend_columns(const fv_attend_plan *p, int rows) {
    const fv_dim *features = p->d->index[p->at.column]->dim;
    int columns = p->pv.columns, most = p->pv.rows * columns;
    while (!p->pv.c.packed && fv_dim_is_const(features) && features->value % (2 * columns) == 0 &&
           2 * columns * rows <= most)
        columns *= 2;
    return columns;
}

fv_contraction fv_attend_by_rows(fv_attend *a, fv_expr *query) {
    const fv_attend_plan *p = a->p;
    fv_contraction by_rows = p->pv.c;
    fv_kemit_bind(&a->e, p->d->index[p->at.row], a->index[p->at.row] = query);
    if (a->group) {
        by_rows.row = fv_definition_axis(p->d, p->single.row);
        fv_kemit_bind(&a->e, p->single.row, a->group);
    }
    return by_rows;
}

void fv_attend_result(fv_attend *a, fv_value *value, fv_expr *first, fv_expr *rows) {
    const fv_attend_product *pv = &a->p->pv;
    if (!a->alone) {
        emit_tiles_of_result(a, value, pv, first, rows);
        return;
    }
    fv_kmark m = fv_kemit_mark(&a->e);
    const int n = a->p->single.rows;
    const fv_attend_product by_rows = {fv_attend_by_rows(a, first), n, fv_attend_columns(a->p, n)};
    emit_tiles_of_result(a, value, &by_rows, a->group ? a->group : first, rows);
    fv_kemit_release(&a->e, m);
}
