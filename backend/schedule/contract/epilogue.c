/* epilogue.c - a tile's prefetches before its products: of operands of its epilogue, such as a
 * residual, and of the lines of its results. */
#include "backend/schedule/contract/epilogue.h"

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/element.h"
#include "backend/schedule/contract/prefetch.h"
#include "ir/expr/visit.h"

/* Is x a load of an element at the row and the column of the tile, from a value that may have left
 * the second-level cache, and whose columns are contiguous? */
static bool is_far_operand(const fv_tile *t, const fv_expr *x) {
    const fv_definition *d = t->e->def;
    const fv_value *v = x->op == FV_X_LOAD ? x->u.buf->value : NULL;
    return v && !fv_x_is_constant(x) && x->n && fv_may_be_far(t->e->l, v) &&
           fv_x_uses(x, d->index[t->c->row]) && fv_x_adds(x->arg[x->n - 1], d->index[t->c->column]);
}

/* Emits prefetches of the lines of x that `rows` rows of the tile load. */
static void prefetch_operand(fv_tile *t, const fv_expr *x, fv_expr *rows) {
    fv_kemit *e = t->e;
    const int line =
        fv_processor_of(e->l->target)->prefetch.line_bytes / fv_elem_storage_bytes(x->u.buf->elem);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows), *index[FV_MAX_RANK],
            *last = binary(e, FV_X_SUB, t->columns, integer(e, 1));
    for (int c = 0; c < t->plan.nr; c += line) {
        fv_kmark m = fv_kemit_mark(e);
        fv_tile_bind(t, r, binary(e, FV_X_MIN, integer(e, c), last));
        for (int i = 0; i < x->n; i++)
            index[i] = fv_kemit_expr(e, x->arg[i]);
        fv_kb_prefetch(&e->b, fv_kemit_in(e, x->u.buf), index, 1);
        fv_kemit_release(e, m);
    }
    fv_kb_end(&e->b);
}

/* Emits prefetches of the lines in which the results of `rows` rows of the tile are stored: a store
 * to a line that is in no cache waits for it, and so do later stores. */
static void prefetch_results(fv_tile *t, fv_value *value, fv_expr *const *outer, fv_expr *rows) {
    fv_kemit *e = t->e;
    const fv_expr *place = e->def->place;
    fv_buf *out = fv_kemit_out(e, value);
    const int line =
        fv_processor_of(e->l->target)->prefetch.line_bytes / fv_elem_storage_bytes(out->elem);
    fv_expr *r = open_loop(e, FV_SERIAL, "r", rows), *index[FV_MAX_RANK],
            *last = binary(e, FV_X_SUB, t->columns, integer(e, 1));
    for (int c = 0; c < t->plan.nr; c += line) {
        fv_kmark m = fv_kemit_mark(e);
        fv_expr *column = binary(e, FV_X_MIN, integer(e, c), last);
        fv_tile_bind(t, r, column);
        for (int i = 0; i < out->rank; i++)
            index[i] = place               ? fv_kemit_expr(e, place->arg[i])
                       : i == t->c->row    ? binary(e, FV_X_ADD, t->i0, r)
                       : i == t->c->column ? binary(e, FV_X_ADD, t->j0, column)
                                           : outer[i];
        fv_kb_prefetch(&e->b, out, index, 2);
        fv_kemit_release(e, m);
    }
    fv_kb_end(&e->b);
}

/* Are the columns of a result contiguous in memory, and may its lines be in no cache? */
static bool is_far_result(const fv_tile *t, const fv_value *value) {
    const fv_definition *d = t->e->def;
    return fv_typical_terms(t->c->sum, 0) >= FV_FAR_STEPS && value && t->c->column == d->rank - 1 &&
           fv_may_be_far(t->e->l, value) && fv_dim_is_const(d->index[t->c->row]->dim) &&
           !t->plan.stores &&
           (!d->place || fv_x_adds(d->place->arg[d->place->n - 1], d->index[t->c->column]));
}

/* Is it a sum that the products of the tile compute? */
static bool is_sum(const fv_tile *t, const fv_expr *x) {
    int i = 0;
    while (i < t->c->nsums && t->c->sums[i] != x)
        i++;
    return i < t->c->nsums;
}

void fv_tile_prefetch_operands(fv_tile *t, fv_value *value, fv_expr *const *index, fv_expr *rows) {
    const fv_lowerer *l = t->e->l;
    const fv_expr *x;
    if (t->c->row < 0 || t->put.store || !fv_is_vector_processor(l->target) ||
        (l->options->saves & FV_SAVES_CODE))
        return;
    for (fv_x_visitor v = fv_x_visit(t->e->arena, t->e->def->body); (x = fv_x_next(&v));)
        if (is_sum(t, x))
            fv_x_skip(&v);
        else if (is_far_operand(t, x))
            prefetch_operand(t, x, rows);
    if (is_far_result(t, value))
        prefetch_results(t, value, index, rows);
}
