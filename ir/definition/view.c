/* view.c - see view.h. */
#include "ir/definition/view.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/expr/visit.h"

const fv_dim *fv_buf_dim(fv_dims *t, const fv_buf *b, int axis) {
    const fv_expr *x = b->extent[axis];
    return x->op == FV_X_DIM ? x->u.dim : fv_dim_const(t, x->u.i);
}

void fv_buf_dims(fv_dims *t, const fv_buf *b, const fv_dim **dims) {
    for (int i = 0; i < b->rank; i++)
        dims[i] = fv_buf_dim(t, b, i);
}

bool fv_view_is_own(const fv_type *type, int last, int n, const fv_dim *const *dims) {
    bool own = n == type->rank;
    for (int i = 0; i < n && own; i++)
        own = dims[i] == type->dims[fv_memory_axis(n, last, i)];
    return own;
}

void fv_view_put(fv_text *t, const fv_type *type, int last, int n, const fv_dim *const *dims) {
    if (fv_view_is_own(type, last, n, dims))
        return;
    fv_text_put(t, "(");
    for (int i = 0; i < n; i++)
        fv_text_printf(t, "%s%s", i ? ", " : "", fv_dim_str(t->arena, dims[i]));
    fv_text_put(t, ")");
}

/* ---- levels ---- */

/* The product of the dims from axis i on: how many elements belong to each index of the axes before
 * axis i. */
static const fv_dim *elements_from(fv_dims *t, int n, const fv_dim *const *dims, int i) {
    return fv_dim_product(t, n - i, dims + i);
}

/* The product of the dims that follow axis i, up to the first axis from which on the array has
 * `level` elements (elements_from), or up to its end if `level` is 1; NULL: there is no such
 * axis. */
static const fv_dim *factor_to(fv_dims *t, int n, const fv_dim *const *dims, int i,
                               const fv_dim *level) {
    for (int end = i + 1; end <= n; end++)
        if (elements_from(t, n, dims, end) == level)
            return fv_dim_product(t, end - i - 1, dims + i + 1);
    return NULL;
}

bool fv_box_scale(fv_dims *t, const fv_box *a, int i, const fv_box *b, int k, fv_box_scales *out) {
    if (elements_from(t, a->n, a->extent, i) != elements_from(t, b->n, b->extent, k))
        return false;
    *out = (fv_box_scales){fv_dim_const(t, 1), fv_dim_const(t, 1)};
    const fv_dim *fine = factor_to(t, b->n, b->extent, k, elements_from(t, a->n, a->extent, i + 1));
    if (fine) {
        out->b = fine;
        return true;
    }
    out->a = factor_to(t, a->n, a->extent, i, elements_from(t, b->n, b->extent, k + 1));
    if (!out->a)
        *out = (fv_box_scales){elements_from(t, a->n, a->extent, i + 1),
                               elements_from(t, b->n, b->extent, k + 1)};
    return true;
}

/* Is the range of a along axis i disjoint from that of b along axis k, in elements counted by these
 * factors? */
static bool ranges_are_apart(fv_dims *t, const fv_box *a, int i, const fv_box *b, int k,
                             fv_box_scales by) {
    return fv_dim_at_most(t, fv_dim_mul(t, a->to[i], by.a), fv_dim_mul(t, b->from[k], by.b)) ||
           fv_dim_at_most(t, fv_dim_mul(t, b->to[k], by.b), fv_dim_mul(t, a->from[i], by.a));
}

/* Do the ranges of a along axis i and of b along axis k prove that the boxes are disjoint? Only
 * axes with equally many elements from the axis to the last one are compared. */
static bool axes_are_apart(fv_dims *t, const fv_box *a, int i, const fv_box *b, int k) {
    fv_box_scales by;
    return a->from[i] && b->from[k] && fv_box_scale(t, a, i, b, k, &by) &&
           ranges_are_apart(t, a, i, b, k, by);
}

bool fv_box_is_apart(fv_dims *t, const fv_box *a, const fv_box *b) {
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < b->n; k++)
            if (axes_are_apart(t, a, i, b, k))
                return true;
    return false;
}

/* ---- places ---- */

/* If x is the index plus a dim, returns the dim; otherwise NULL. */
static const fv_dim *offset_in(fv_dims *t, const fv_expr *x, const fv_var *index) {
    if (x->op == FV_X_VAR)
        return x->u.var == index ? fv_dim_const(t, 0) : NULL;
    for (int i = 0; i < 2 && x->op == FV_X_ADD; i++) {
        const fv_dim *offset = offset_in(t, x->arg[i], index),
                     *least = fv_x_bound(t, x->arg[1 - i], false);
        if (offset && least && least == fv_x_bound(t, x->arg[1 - i], true))
            return fv_dim_add(t, offset, least);
    }
    return NULL;
}

int fv_place_axis(const fv_definition *d, const fv_expr *index) {
    for (int i = 0; i < d->rank; i++)
        if (fv_x_uses(index, d->index[i]))
            return i;
    return -1;
}

void fv_box_of_place(fv_dims *t, const fv_definition *d, const fv_expr *place, fv_box *out) {
    out->n = place->u.buf->rank;
    for (int i = 0; i < out->n; i++) {
        const fv_expr *at = place->arg[i];
        int axis = fv_place_axis(d, at);
        const fv_dim *least = axis < 0 ? fv_x_bound(t, at, false) : NULL;
        out->extent[i] = fv_buf_dim(t, place->u.buf, i);
        if (axis >= 0)
            out->from[i] = offset_in(t, at, d->index[axis]);
        else
            out->from[i] = least && least == fv_x_bound(t, at, true) ? least : NULL;
        out->to[i] =
            !out->from[i]
                ? NULL
                : fv_dim_add(t, out->from[i], axis < 0 ? fv_dim_const(t, 1) : d->index[axis]->dim);
    }
}

/* ---- the part of a view that may be read ---- */

/* For an axis in memory of which only `readable` indices may be read: finds the axis of the view
 * that begins at the same level (fv_box_scale) and ends where the axis in memory ends or before,
 * and sets its number of indices that may be read. Axes of one index before that axis begin at the
 * same level, but end there as well. False: there is no such axis. */
static bool restrict_axis(fv_dims *t, int rank, const fv_dim *const *dims, int axis,
                          const fv_dim *readable, int n, const fv_dim *const *view,
                          const fv_dim **out) {
    for (int i = 0; i < n; i++) {
        if (elements_from(t, n, view, i) != elements_from(t, rank, dims, axis))
            continue;
        const fv_dim *by = factor_to(t, rank, dims, axis, elements_from(t, n, view, i + 1));
        if (!by)
            continue;
        out[i] = fv_dim_mul(t, readable, by);
        return true;
    }
    return false;
}

bool fv_view_readable(fv_dims *t, int rank, const fv_dim *const *dims,
                      const fv_dim *const *readable, int n, const fv_dim *const *view,
                      const fv_dim **out) {
    for (int i = 0; i < n; i++)
        out[i] = view[i];
    for (int i = 0; i < rank; i++)
        if (readable[i] != dims[i] && !restrict_axis(t, rank, dims, i, readable[i], n, view, out))
            return false;
    return true;
}
