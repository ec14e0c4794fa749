/* across.c - see across.h. The block of a row for which shared work is done first is short, so that
 * its results, in memory of the task, stay in the first-level cache. */
#include "backend/schedule/rows/across.h"

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "ir/expr/visit.h"

/* BLOCK: elements of a block of rows. ROWS: the most rows of a task. LEAST_ROWS: fewer rows do not
 * use shared results often enough. LEAST_WORK: operations on an element below which rows may as
 * well compute them again. MOST: the most shared results. */
enum { BLOCK = 64, ROWS = 64, LEAST_ROWS = 8, LEAST_WORK = 24, MOST = 32 };

/* What rows along an axis share. */
typedef struct shared {
    int axis;
    int64_t work; /* operations on an element that take its results, about */
    int n;        /* their number; more than MOST: too many */
    fv_expr *x[MOST];
} shared;

/* The time of x without that of its operands, in vector additions, about. */
static int time_of(const fv_expr *x, const fv_var *v) {
    enum { DIVISION = 6, ELEMENTARY = 20, GATHER = 6 };
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        return fv_x_stride(x, v) < 0 ? GATHER : 1;
    if (x->op == FV_X_DIV || x->op == FV_X_FLOORDIV || x->op == FV_X_FLOORMOD)
        return DIVISION;
    if (fv_expr_op_is_math((fv_expr_op)x->op))
        return ELEMENTARY;
    return x->n > 0;
}

/* The time of the nodes of x that are not in `seen`, to which they are added. */
static int64_t work_of(fv_arena *scratch, fv_ptrmap *seen, const fv_expr *root, const fv_var *v) {
    int64_t work = 0;
    const fv_expr *x;
    for (fv_x_visitor n = fv_x_visit(scratch, root); (x = fv_x_next(&n));) {
        void **known = fv_ptrmap_at(seen, x);
        if (*known)
            continue;
        *known = (void *)(uintptr_t)x;
        work += time_of(x, v);
    }
    return work;
}

/* Finds the largest parts of the definition that depend on data and on the row's index, but not on
 * the index along `axis`, and take more than reading their result. */
static shared find(fv_kemit *e, const fv_var *v, int axis) {
    const fv_definition *d = e->def;
    fv_arena *scratch = e->l->current.scratch;
    shared s = {.axis = axis};
    fv_ptrmap seen = fv_ptrmap_in(scratch);
    fv_expr *x;
    for (fv_x_visitor n = fv_x_visit(scratch, d->body); (x = fv_x_next(&n));) {
        if (!fv_x_has_load(x) || !fv_x_uses(x, v) || fv_x_uses(x, d->index[axis]))
            continue;
        fv_x_skip(&n);
        fv_ptrmap own = fv_ptrmap_in(scratch);
        if (work_of(scratch, &own, x, v) <= 2)
            continue;
        s.work += work_of(scratch, &seen, x, v);
        if (s.n < MOST)
            s.x[s.n] = x;
        s.n++;
    }
    return s;
}

/* The axis whose rows share most work; axis -1: they share too little. */
static shared choose(fv_kemit *e, const fv_var *v) {
    const fv_definition *d = e->def;
    shared best = {.axis = -1};
    fv_expr *sum;
    if (!fv_is_vector_processor(e->l->target) || fv_is_small_code(e->l->options) ||
        fv_x_is_checked(d->body) || fv_x_reductions(d->body, &sum, 1) ||
        fv_kemit_plain(e, d->body, v))
        return best;
    for (int i = 0; i < d->rank; i++) {
        if (d->index[i] == v || fv_typical_dim(d->index[i]->dim) < LEAST_ROWS)
            continue;
        shared s = find(e, v, i);
        if (s.n <= MOST && s.work >= LEAST_WORK && s.work > best.work)
            best = s;
    }
    return best;
}

/* Opens a parallel loop over blocks of `step` elements of the axis; returns their number, and sets
 * *first. */
static fv_expr *open_blocks(fv_kemit *e, const fv_var *v, const char *name, int64_t step,
                            fv_expr **first) {
    fv_expr *n = fv_kemit_dim(e, v->dim), *by = integer(e, step), *size;
    (void)fv_open_blocks(e, FV_PARALLEL, name, n, fv_ceildiv(e, n, by), by, v->dim->hi <= step,
                         first, &size);
    return size;
}

bool fv_emit_across(fv_kemit *e, int vector, fv_value *value, fv_expr **index) {
    const fv_definition *d = e->def;
    fv_var *v = vector >= 0 ? d->index[vector] : NULL;
    const shared s = v ? choose(e, v) : (shared){.axis = -1};
    const int64_t block = BLOCK;
    if (s.axis < 0)
        return false;
    fv_var *across = d->index[s.axis];
    fv_takes(e->l, value, FV_WHY_maps_across, fv_n(s.work), fv_d(across->dim));
    for (int i = 0; i < d->rank; i++) {
        fv_var *other = d->index[i];
        if (i == vector || i == s.axis)
            continue;
        index[i] = open_loop(e, FV_PARALLEL, other->name, fv_kemit_dim(e, other->dim));
        fv_kemit_bind(e, other, index[i]);
    }
    fv_expr *row, *from, *rows = open_blocks(e, across, "rows", ROWS, &row),
                         *size = open_blocks(e, v, "block", BLOCK, &from);
    fv_buf *of[MOST];
    for (int i = 0; i < s.n; i++)
        of[i] = fv_kb_tile(&e->b, "of_rows", (fv_elem)s.x[i]->type.elem, 1, &block, NULL);
    e->loop.vector = v;
    fv_kmark m = fv_kemit_mark(e);
    fv_expr *j = open_loop(e, FV_VECTOR, v->name, size);
    fv_kemit_bind(e, v, binary(e, FV_X_ADD, from, j));
    for (int i = 0; i < s.n; i++)
        fv_kb_store(&e->b, of[i], &j, fv_kemit_expr(e, s.x[i]), NULL);
    fv_kb_end(&e->b);
    fv_kemit_release(e, m);
    index[s.axis] = binary(e, FV_X_ADD, row, open_loop(e, FV_SERIAL, across->name, rows));
    fv_kemit_bind(e, across, index[s.axis]);
    fv_kemit_invariants(e, d->body, v);
    j = open_loop(e, FV_VECTOR, v->name, size);
    index[vector] = binary(e, FV_X_ADD, from, j);
    fv_kemit_bind(e, v, index[vector]);
    for (int i = 0; i < s.n; i++)
        fv_kemit_memo(e, s.x[i], fv_x_load(e->arena, of[i], &j));
    fv_kemit_store(e, fv_kemit_out(e, value), index, fv_kemit_expr(e, d->body));
    return true;
}
