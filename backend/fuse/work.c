/* work.c - see work.h. */
#include "backend/fuse/work.h"

#include "backend/lowering/lowering.h"
#include "ir/definition/bits.h"
#include "ir/expr/visit.h"

static bool is_load(const fv_expr *x) {
    return x->op == FV_X_LOAD || x->op == FV_X_GUARD;
}

/* Is x, a node of arithmetic, an operation on floats other than a selection? */
static bool computes_float(const fv_expr *x) {
    return fv_elem_is_float((fv_elem)x->type.elem) && x->op != FV_X_SELECT;
}

/* Counts the work of x; a load counts each time that it is used. */
static void measure(const fv_expr *x, bool in_index, fv_ptrmap *seen, fv_work *w) {
    bool load = is_load(x);
    w->loads += load;
    if (x->n && *fv_ptrmap_at(seen, x))
        return;
    if (x->n)
        *fv_ptrmap_at(seen, x) = (void *)x;
    w->nodes++;
    if (x->op == FV_X_GUARD)
        w->guards++;
    if (x->op == FV_X_REDUCE)
        w->reductions++;
    if (fv_expr_op_is_math((fv_expr_op)x->op))
        w->math++;
    if (!in_index && !load && x->op != FV_X_CONST && x->op != FV_X_CONVERT && x->op != FV_X_VAR &&
        x->op != FV_X_DIM && x->op != FV_X_REDUCE) {
        w->arithmetic++;
        w->floats += computes_float(x);
    }
    for (int i = 0; i < x->n; i++)
        measure(x->arg[i], in_index || (load && i < x->u.buf->rank), seen, w);
}

fv_work fv_work_of(fv_lowerer *l, const fv_definition *d) {
    fv_work w = {0};
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    measure(d->body, false, &seen, &w);
    return w;
}

static bool divides(const fv_expr *x, const fv_var *v) {
    if ((x->op == FV_X_FLOORDIV || x->op == FV_X_FLOORMOD) && fv_x_uses(x, v))
        return true;
    for (int i = 0; i < x->n; i++)
        if (divides(x->arg[i], v))
            return true;
    return false;
}

bool fv_divides_at_all(const fv_definition *d) {
    for (int i = 0; i < d->rank; i++)
        if (divides(d->body, d->index[i]))
            return true;
    return false;
}

bool fv_divides_along(const fv_definition *d) {
    int last = d->rank - 1;
    while (last >= 0 && fv_dim_is_one(d->index[last]->dim))
        last--;
    return last >= 0 && divides(d->body, d->index[last]);
}

bool fv_is_small(fv_lowerer *l, const fv_definition *d) {
    (void)l;
    return d->body->size < FV_MAX_TREE;
}

bool fv_is_cheap(fv_lowerer *l, const fv_definition *d) {
    fv_work w = fv_work_of(l, d);
    return !w.reductions && !w.math && w.arithmetic <= FV_CHEAP && w.loads <= 2;
}

bool fv_is_of_constants(fv_lowerer *l, const fv_definition *d) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(l->exprs, d->body); (x = fv_x_next(&v));) {
        const fv_value *of = is_load(x) ? x->u.buf->value : NULL;
        if (is_load(x) && (!of || of->kind != FV_VALUE_CONST))
            return false;
    }
    return true;
}

bool fv_is_view(const fv_work *w) {
    return !w->arithmetic && !w->reductions && w->loads <= 1 && !w->guards;
}
