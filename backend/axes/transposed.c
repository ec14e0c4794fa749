/* transposed.c - see transposed.h. */
#include "backend/axes/transposed.h"

#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "ir/expr/visit.h"

/* Finds the load that is strided along v. Returns false, and records the reason, if there is none,
 * if there are several different ones, or if data decide where it loads. */
static bool find_load(fv_lowerer *l, const fv_definition *d, const fv_var *v, fv_transposed *t) {
    const fv_expr *x;
    for (fv_x_visitor w = fv_x_visit(l->current.scratch, d->body); (x = fv_x_next(&w));) {
        if ((x->op != FV_X_LOAD && x->op != FV_X_GUARD) || fv_x_stride(x, v) >= 0)
            continue;
        if (t->load && !fv_x_equal(x, t->load))
            return fv_declines(l, d->value, FV_WHY_transpose_several, fv_v(x->u.buf->value));
        if (!fv_x_is_plain(x))
            return fv_declines(l, d->value, FV_WHY_transpose_index, fv_v(x->u.buf->value));
        t->load = x;
        fv_x_skip(&w);
    }
    return t->load || fv_declines(l, d->value, FV_WHY_transpose_along);
}

/* The first axis along which the load is contiguous; -1: none. */
static int contiguous_axis(const fv_definition *d, const fv_transposed *t) {
    for (int i = 0; i < d->rank; i++)
        if (i != t->column && !fv_dim_is_one(d->index[i]->dim) &&
            fv_x_stride(t->load, d->index[i]) > 0)
            return i;
    return -1;
}

bool fv_find_transposed(fv_lowerer *l, const fv_definition *d, fv_transposed *out) {
    *out = (fv_transposed){.column = d->rank - 1};
    while (out->column >= 0 && fv_dim_is_one(d->index[out->column]->dim))
        out->column--;
    if (out->column < 0)
        return fv_declines(l, d->value, FV_WHY_transpose_one);
    const fv_var *v = d->index[out->column];
    if (d->place && fv_x_stride(d->place, v) <= 0)
        return fv_declines(l, d->value, FV_WHY_transpose_part);
    if (!find_load(l, d, v, out))
        return false;
    out->row = contiguous_axis(d, out);
    return out->row >= 0 ||
           fv_declines(l, d->value, FV_WHY_transpose_apart, fv_v(out->load->u.buf->value));
}
