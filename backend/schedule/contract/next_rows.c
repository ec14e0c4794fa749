/* next_rows.c - while a tile computes, it prefetches what the next tile of the block is the first
 * to read of the factor with the rows:
 *
 *     x[i0 + r, c]                    rows of a matrix: rows i0 + MR to i0 + 2 MR - 1
 *     x[h + k, w + r + l, c]          a window: these pixels of its last line; the previous lines
 *                                     were read with the previous line of results
 *
 * These elements are contiguous. Step s of the sum prefetches the element s * stride after the
 * first one, so that the lines of the cache arrive one after the other: all at once they would
 * delay what the tile reads itself. Caches do not see that the pixels of a tile, which are read in
 * turn, follow each other in memory: without prefetches a convolution of 64 channels and 224 x 224
 * pixels waits for its image during 5% of its time (Zen 4). */
#include "backend/schedule/contract/next_rows.h"

#include "backend/lowering/sizes.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/contract/lines.h"
#include "backend/schedule/contract/prefetch.h"
#include "ir/base/divisor.h"
#include "ir/expr/affine.h"
#include "ir/expr/visit.h"

/* the part of the first-level cache, as its denominator, up to which the rows of a tile are
 * prefetched into it */
enum { NEAR = 8 };

/* The distance of neighbouring rows of x in memory, in elements, if they follow each other along
 * its last axis but one; 0: they do not, or it is not known. */
static int64_t distance_of_rows(fv_tile *t, const fv_expr *x, const fv_var *row) {
    int64_t extent, distance = 0;
    const int at = x->u.buf->rank - 2;
    if (at < 0 || fv_x_uses(x->arg[at + 1], row) || !fv_x_is_int(x->u.buf->extent[at + 1], &extent))
        return 0;
    const fv_affine f = fv_affine_of(&(fv_affines){.dims = t->e->l->module->dims}, x->arg[at]);
    for (int i = 0; f.rest && i < f.n; i++) {
        const fv_expr *y = f.term[i].x;
        bool moves = y->op == FV_X_VAR ? y->u.var == row
                                       : y->op == FV_X_FLOORMOD && fv_divisor_of_row(y, row) > 0;
        if (fv_x_uses(y, row) && (!moves || !fv_dim_is_const(f.term[i].by) || distance))
            return 0;
        distance = moves ? f.term[i].by->value * extent : distance;
    }
    return distance;
}

/* The number of steps of the loops that are emitted now; 0: it is not known. */
static int64_t steps_now(const fv_tile *t) {
    const fv_expr *sum = t->c->sum;
    for (int i = 0; i < sum->u.red.nvars; i++)
        if (!fv_dim_is_const(sum->u.red.vars[i]->dim))
            return 0;
    return t->from ? t->plan.depth * fv_typical_terms(sum, 1) : fv_typical_terms(sum, 0);
}

/* Is the factor with the rows a load of a value that may have left the cache, and does the tile
 * take all steps, one after the other? */
static bool may_prefetch(const fv_tile *t) {
    const fv_contraction *c = t->c;
    const fv_lowerer *l = t->e->l;
    return c->row >= 0 && !c->each && !c->context.image.lines.taps && c->a->op == FV_X_LOAD &&
           !c->dot.matrix && !c->blocks.sum && !c->dot.halves && c->dot.group != FV_DOT16 &&
           !t->plan.copies && !t->only.steps[0] && !t->only.steps[1] && !t->rows.last &&
           !t->rows.local && !t->put.store && fv_dim_is_const(t->e->def->index[c->row]->dim) &&
           fv_is_vector_processor(l->target) && !(l->options->saves & FV_SAVES_CODE) &&
           fv_may_be_far(l, c->a->u.buf->value);
}

/* Binds the row to the first one of the next tile, and each variable of the sum to its last value,
 * the last one, along which elements are contiguous, to 0. */
static void bind_next(fv_tile *t, const fv_var *row) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum, *x;
    const int last = sum->u.red.nvars - 1;
    fv_expr *next = binary(e, FV_X_ADD, t->i0, integer(e, t->plan.mr));
    next = binary(e, FV_X_MIN, next, integer(e, row->dim->value - 1));
    next = fv_kb_let(&e->b, "after", next);
    fv_kemit_bind(e, row, next);
    for (fv_x_visitor v = fv_x_visit(e->arena, t->c->a); (x = fv_x_next(&v));)
        if (fv_divisor_of_row(x, row) && x->arg[0]->op == FV_X_VAR)
            fv_kemit_memo(
                e, x,
                fv_kb_let(&e->b, "next", binary(e, (fv_expr_op)x->op, next, (fv_expr *)x->arg[1])));
    for (int i = 0; i < last; i++) {
        fv_var *k = sum->u.red.vars[i];
        fv_expr *at = integer(e, k->dim->value - 1);
        if (!i && t->from) {
            at = binary(e, FV_X_ADD, t->from, integer(e, t->plan.depth - 1));
            at = binary(e, FV_X_MIN, at, integer(e, k->dim->value - 1));
        }
        fv_kemit_bind(e, k, at);
    }
    fv_kemit_bind(e, sum->u.red.vars[last], integer(e, 0));
}

void fv_tile_find_next_rows(fv_tile *t, int rows) {
    fv_kemit *e = t->e;
    t->rows.next.stride = 0;
    if (rows != t->plan.mr || !may_prefetch(t))
        return;
    const fv_expr *x = t->c->a;
    const fv_var *row = e->def->index[t->c->row];
    const int bytes = fv_elem_storage_bytes(x->u.buf->elem),
              line = fv_processor_of(e->l->target)->prefetch.line_bytes / bytes;
    const int64_t all = rows * distance_of_rows(t, x, row), steps = steps_now(t);
    if (all <= 0 || steps < FV_FAR_STEPS || fv_div_up(all, steps) > line)
        return;
    t->rows.next.stride = fv_div_up(all, steps);
    t->rows.next.cache = all * bytes * NEAR <= e->l->target->caches.l1_bytes ? 1 : 2;
    fv_kmark m = fv_kemit_mark(e);
    bind_next(t, row);
    for (int i = 0; i < x->u.buf->rank; i++)
        t->rows.next.index[i] = fv_kb_let(&e->b, "ahead", fv_kemit_expr(e, x->arg[i]));
    fv_kemit_release(e, m);
}

/* The number of the current step among those of the loops that are emitted now. */
static fv_expr *step_now(fv_tile *t) {
    fv_kemit *e = t->e;
    const fv_expr *sum = t->c->sum;
    fv_expr *step = integer(e, 0);
    for (int i = 0; i < sum->u.red.nvars; i++) {
        fv_var *k = sum->u.red.vars[i];
        fv_expr *at = fv_kemit_expr(e, fv_x_var(e->arena, k));
        at = !i && t->from ? binary(e, FV_X_SUB, at, t->from) : at;
        step = binary(e, FV_X_MUL, step, integer(e, k->dim->value));
        step = binary(e, FV_X_ADD, step, at);
    }
    return step;
}

void fv_tile_prefetch_next_rows(fv_tile *t) {
    fv_kemit *e = t->e;
    if (!t->rows.next.stride)
        return;
    const fv_buf *b = t->c->a->u.buf;
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < b->rank; i++)
        index[i] = t->rows.next.index[i];
    fv_expr *skipped = binary(e, FV_X_MUL, step_now(t), integer(e, t->rows.next.stride));
    index[b->rank - 1] = binary(e, FV_X_ADD, index[b->rank - 1], skipped);
    fv_kb_prefetch(&e->b, fv_kemit_in(e, b), index, t->rows.next.cache);
}
