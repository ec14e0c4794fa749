/* merge.c - axes that are always indexed together become one.
 *
 *     y[b, s, j] = x[b, s, j] + bias[j]   =>   y[i, j] = x[i, j] + bias[j],  i < b * s
 *
 * Longer loops, fewer edges: the rows of a batch of matrices are rows of one matrix. Buffers are seen
 * through views of a lower rank; nothing is moved. Indices that were joined by hand, x[b * S + s] with
 * s < S, are the same. The same holds for variables of a reduction. */
#include <string.h>

#include "backend/lower.h"
#include "ir/limits.h"

/* Is x = p * size of q + q? */
static bool is_joined(const fv_expr *x, const fv_var *p, const fv_var *q) {
    if (x->op != FV_X_ADD)
        return false;
    for (int i = 0; i < 2; i++) {
        const fv_expr *low = x->arg[i], *high = x->arg[1 - i];
        if (low->op != FV_X_VAR || low->u.var != q || high->op != FV_X_MUL)
            continue;
        for (int k = 0; k < 2; k++) {
            const fv_expr *var = high->arg[k], *size = high->arg[1 - k];
            if (var->op == FV_X_VAR && var->u.var == p &&
                (size->op == FV_X_DIM ? size->u.dim == q->dim
                                      : size->op == FV_X_CONST && fv_dim_is_const(q->dim) &&
                                            size->u.i == q->dim->value))
                return true;
        }
    }
    return false;
}

/* Does x name either variable other than as neighbours x[.., p, q, ..] of a buffer whose axis of q is as
 * long as q, or joined? */
static bool is_apart(const fv_expr *x, const fv_var *p, const fv_var *q, fv_ptrmap *seen) {
    if (x->op == FV_X_VAR)
        return x->u.var == p || x->u.var == q;
    if (is_joined(x, p, q))
        return false;
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    int rank = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->rank : 0;
    for (int i = 0; i < x->n; i++) {
        bool pair = i + 1 < rank && x->arg[i]->op == FV_X_VAR && x->arg[i]->u.var == p &&
                    x->arg[i + 1]->op == FV_X_VAR && x->arg[i + 1]->u.var == q;
        if (pair) {
            const fv_expr *extent = x->u.buf->extent[i + 1];
            const fv_dim *d = q->dim;
            if (extent->op == FV_X_DIM ? extent->u.dim != d
                                       : !fv_dim_is_const(d) || extent->u.i != d->value)
                return true;
            i++;
        } else if (is_apart(x->arg[i], p, q, seen))
            return true;
    }
    return false;
}

typedef struct merger {
    fv_lowerer *l;
    const fv_var *p, *q;
    fv_var *both;
    fv_ptrmap memo;
    struct view {
        const fv_buf *of;
        int at; /* this axis and the next are one */
        fv_buf *buf;
    } *views;
    int nviews, cap_views;
} merger;

static fv_expr *product(fv_lowerer *l, const fv_expr *a, const fv_expr *b) {
    fv_dims *t = l->module->dims;
    const fv_dim *d[2] = {a->op == FV_X_DIM ? a->u.dim : fv_dim_const(t, a->u.i),
                          b->op == FV_X_DIM ? b->u.dim : fv_dim_const(t, b->u.i)};
    return fv_x_dim(l->arena, fv_dim_product(t, 2, d));
}

/* The buffer with the axes at and at + 1 as one. */
static fv_buf *view(merger *m, fv_buf *b, int at) {
    for (int i = 0; i < m->nviews; i++)
        if (m->views[i].of == b && m->views[i].at == at)
            return m->views[i].buf;
    fv_buf *v = FV_NEW(m->l->arena, fv_buf, 1);
    *v = *b;
    v->rank = b->rank - 1;
    v->extent = FV_NEW(m->l->arena, fv_expr *, v->rank + 1);
    for (int i = 0; i < v->rank; i++)
        v->extent[i] = i < at ? b->extent[i]
                       : i > at ? b->extent[i + 1]
                                : product(m->l, b->extent[i], b->extent[i + 1]);
    FV_PUSH(m->l->arena, m->views, m->nviews, m->cap_views, ((struct view){b, at, v}));
    return v;
}

static fv_expr *merged(merger *m, fv_expr *x) {
    if (!x->n)
        return x;
    if (is_joined(x, m->p, m->q))
        return fv_x_var(m->l->arena, m->both);
    fv_expr *known = fv_ptrmap_get(&m->memo, x), *y;
    if (known)
        return known;
    fv_arena *a = m->l->arena;
    fv_expr *args[FV_MAX_RANK + 2];
    int n = 0, at = -1, rank = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->rank : 0;
    for (int i = 0; i < x->n; i++) {
        if (i + 1 < rank && x->arg[i]->op == FV_X_VAR && x->arg[i]->u.var == m->p) {
            at = i++;
            args[n++] = fv_x_var(a, m->both);
        } else
            args[n++] = merged(m, x->arg[i]);
    }
    if (at >= 0) {
        fv_buf *b = view(m, x->u.buf, at);
        y = x->op == FV_X_LOAD ? fv_x_load(a, b, args)
                               : fv_x_guard(a, b, args, args[b->rank], args[b->rank + 1]);
    } else
        y = fv_x_with_args(a, x, args);
    if (x->op == FV_X_REDUCE) {
        fv_var *vars[FV_MAX_RANK];
        int k = 0;
        bool here = false;
        for (int i = 0; i < x->u.red.nvars; i++) {
            here |= x->u.red.vars[i] == m->p;
            if (x->u.red.vars[i] != m->q)
                vars[k++] = x->u.red.vars[i] == m->p ? m->both : x->u.red.vars[i];
        }
        if (here)
            y = fv_x_reduce(a, (fv_reduce_kind)x->u.red.kind, k, vars, args[0]);
    }
    *fv_ptrmap_at(&m->memo, x) = y;
    return y;
}

static bool try_merge(fv_lowerer *l, fv_definition *d, fv_var *p, fv_var *q, fv_var **both) {
    fv_ptrmap seen = fv_ptrmap_in(l->arena);
    if (is_apart(d->body, p, q, &seen) || (d->place && is_apart(d->place, p, q, &seen)))
        return false;
    const fv_dim *dims[2] = {p->dim, q->dim};
    fv_var *v = fv_index_var(l->arena, p->name, fv_dim_product(l->module->dims, 2, dims));
    merger m = {.l = l, .p = p, .q = q, .both = v, .memo = fv_ptrmap_in(l->arena)};
    d->body = merged(&m, d->body);
    d->place = d->place ? merged(&m, (fv_expr *)d->place) : NULL;
    *both = v;
    return true;
}

static void merge_axes(fv_lowerer *l, fv_definition *d) {
    for (int i = d->rank - 1; i-- > 0;) {
        if (!try_merge(l, d, d->index[i], d->index[i + 1], &d->index[i]))
            continue;
        d->rank--;
        memmove(d->index + i + 1, d->index + i + 2, (size_t)(d->rank - i - 1) * sizeof *d->index);
    }
}

/* Two neighbours of a reduction that can be one; false: there are none (any more). */
static bool merge_reduced(fv_lowerer *l, fv_definition *d, const fv_expr *x, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_var *v;
    for (int i = 0; x->op == FV_X_REDUCE && i + 1 < x->u.red.nvars; i++)
        if (try_merge(l, d, x->u.red.vars[i], x->u.red.vars[i + 1], &v))
            return true;
    for (int i = 0; i < x->n; i++)
        if (merge_reduced(l, d, x->arg[i], seen))
            return true;
    return false;
}

fv_definition *fv_merge_axes(fv_lowerer *l, const fv_definition *d) {
    fv_definition *r = FV_NEW(l->arena, fv_definition, 1);
    *r = *d;
    r->index = FV_NEW(l->arena, fv_var *, d->rank + 1);
    memcpy(r->index, d->index, (size_t)d->rank * sizeof *r->index);
    merge_axes(l, r);
    fv_ptrmap seen = fv_ptrmap_in(l->arena);
    while (merge_reduced(l, r, r->body, &seen))
        seen = fv_ptrmap_in(l->arena);
    return r;
}
