/* epilogue.c - a tile's prefetches of operands of its epilogue, such as a residual, before its
 * products. */
#include "backend/schedule/contract/epilogue.h"

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/tile.h"
#include "ir/expr/visit.h"

/* the part of the second-level cache, as its denominator, that a value may fill without prefetches:
 * the rest is filled by what was computed since */
static const double NEAR = 4;

/* Is x a load of an element at the row and the column of the tile, from a value that may have left
 * the second-level cache, and whose columns are contiguous? */
static bool is_far_operand(const fv_tile *t, const fv_expr *x) {
    const fv_definition *d = t->e->def;
    const fv_value *v = x->op == FV_X_LOAD ? x->u.buf->value : NULL;
    if (!v || fv_x_is_constant(x) || !x->n)
        return false;
    double bytes = fv_typical_elements(v->type) * fv_elem_storage_bytes(v->type->elem);
    return NEAR * bytes > (double)t->e->l->target->caches.l2_bytes &&
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

/* Is it a sum that the products of the tile compute? */
static bool is_sum(const fv_tile *t, const fv_expr *x) {
    int i = 0;
    while (i < t->c->nsums && t->c->sums[i] != x)
        i++;
    return i < t->c->nsums;
}

void fv_tile_prefetch_operands(fv_tile *t, fv_expr *rows) {
    const fv_lowerer *l = t->e->l;
    const fv_expr *x;
    if (t->c->row < 0 || t->put.store || !l->target->vector_bits || l->target->pointer_bits == 32 ||
        (l->options->saves & FV_SAVES_CODE))
        return;
    for (fv_x_visitor v = fv_x_visit(t->e->arena, t->e->def->body); (x = fv_x_next(&v));)
        if (is_sum(t, x))
            fv_x_skip(&v);
        else if (is_far_operand(t, x))
            prefetch_operand(t, x, rows);
}
