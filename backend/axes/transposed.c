/* transposed.c - see transposed.h. */
#include "backend/axes/transposed.h"

#include "backend/lowering/access.h"
#include "backend/lowering/why.h"
#include "ir/expr/visit.h"

/* May several loads be transposed together, as one element: is the element wider than each? */
static bool may_be_several(const fv_definition *d, const fv_expr *load) {
    const fv_elem narrow = (fv_elem)load->type.elem, wide = (fv_elem)d->body->type.elem;
    return fv_elem_is_int(narrow) && wide == FV_I32 && fv_elem_bits(narrow) < fv_elem_bits(wide);
}

/* Finds the load that is strided along v, or the first one of several. Returns false, and records
 * the reason, if there is none, if there are several that do not make one element, or if data
 * decide where it loads. */
static bool find_load(fv_lowerer *l, const fv_definition *d, const fv_var *v, fv_transposed *t) {
    const fv_expr *x;
    for (fv_x_visitor w = fv_x_visit(l->current.scratch, d->body); (x = fv_x_next(&w));) {
        if ((x->op != FV_X_LOAD && x->op != FV_X_GUARD) || fv_x_stride(x, v) >= 0)
            continue;
        if (!fv_x_is_plain(x))
            return fv_declines(l, d->value, FV_WHY_transpose_index, fv_v(x->u.buf->value));
        bool other = t->load && !fv_x_equal(x, t->load);
        if (other && !may_be_several(d, x))
            return fv_declines(l, d->value, FV_WHY_transpose_several, fv_v(x->u.buf->value));
        t->several |= other;
        t->load = t->load ? t->load : x;
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

/* Are all loads that are strided along the column contiguous along the row? */
static bool are_contiguous(fv_lowerer *l, const fv_definition *d, const fv_transposed *t) {
    const fv_var *u = d->index[t->row], *v = d->index[t->column];
    const fv_expr *x;
    bool are = true;
    for (fv_x_visitor w = fv_x_visit(l->current.scratch, d->body); are && (x = fv_x_next(&w));)
        if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && fv_x_stride(x, v) < 0)
            are = fv_x_stride(x, u) > 0;
    return are;
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
    bool is = out->row >= 0 && (!out->several || are_contiguous(l, d, out));
    return is || fv_declines(l, d->value, FV_WHY_transpose_apart, fv_v(out->load->u.buf->value));
}
