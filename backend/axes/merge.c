/* merge.c - merges axes that are always indexed together, and removes axes of one element.
 *
 *     y[b, s, j] = x[b, s, j] + bias[j]   =>   y[i, j] = x[i, j] + bias[j],  i < b * s
 *
 * This makes loops longer, and fewer blocks incomplete: the rows of a batch of matrices become rows
 * of one matrix. Buffers are read through views of a lower rank; no element is moved. An index that
 * combines two axes, x[b * S + s] with s < S, counts as indexing both together. The same is done
 * for variables of a reduction, also if the first one is added to an index, as in a window that
 * covers whole rows:
 *
 *     sum p < 5, q < S: x[o * 5 + p, q]   =>   sum i < 5 * S: x[o * 5 * S + i]
 *
 * Not so in sums of products: schedules of contractions look for indices o + p. The place of a part
 * of a Concat may add to its first axis as well:
 *
 *     y[i + n, j] = x[i, j]   =>   y[k + n * m] = x[k],  k < n * m */
#include "backend/axes/merge.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/definition/view.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"

/* Is x the expression p * (extent of q) + q? */
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

static bool is_var(const fv_expr *x, const fv_var *v) {
    return x->op == FV_X_VAR && x->u.var == v;
}

/* The variables that are merged. */
typedef struct pair {
    const fv_var *p, *q;
    bool shifts; /* whether p may be a term of the index of its axis */
} pair;

/* The other term of x, if x is the sum of p and of a term without p and q; NULL: it is not. */
static fv_expr *shift_of(const fv_expr *x, const pair *v) {
    for (int i = 0; v->shifts && x->op == FV_X_ADD && i < 2; i++)
        if (is_var(x->arg[i], v->p) && !fv_x_uses(x->arg[1 - i], v->p) &&
            !fv_x_uses(x->arg[1 - i], v->q))
            return x->arg[1 - i];
    return NULL;
}

/* Whether p, perhaps with a shift, and q are the indices i and i + 1 of the load x, its axis i + 1
 * has the extent of q, and the merged axis would have an extent that does not overflow. */
static bool is_pair(fv_dims *t, const fv_expr *x, int i, const pair *v) {
    const fv_var *q = v->q;
    bool reads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    if (!reads || i + 1 >= x->u.buf->rank || !is_var(x->arg[i + 1], q) ||
        (!is_var(x->arg[i], v->p) && !shift_of(x->arg[i], v)))
        return false;
    const fv_expr *extent = x->u.buf->extent[i + 1];
    const fv_dim *axes[2] = {fv_buf_dim(t, x->u.buf, i), q->dim};
    bool same = extent->op == FV_X_DIM ? extent->u.dim == q->dim
                                       : fv_dim_is_const(q->dim) && extent->u.i == q->dim->value;
    return same && !fv_dim_product(t, 2, axes)->opaque;
}

/* Does x use p or q in another way than as neighbouring indices x[.., p, q, ..] of a buffer, whose
 * axis indexed by q must have the extent of q, or joined as p * extent + q? */
static bool is_apart(fv_dims *t, const fv_expr *x, const pair *v, fv_ptrmap *seen) {
    if (x->op == FV_X_VAR)
        return x->u.var == v->p || x->u.var == v->q;
    if (is_joined(x, v->p, v->q))
        return false;
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    int pairs = 0;
    for (int i = 0; i < x->n; i++) {
        if (is_pair(t, x, i, v)) {
            if (pairs++) /* the view of a tensor joins one pair of its axes */
                return true;
            i++;
        } else if (is_apart(t, x->arg[i], v, seen)) {
            return true;
        }
    }
    return false;
}

typedef struct merger {
    fv_lowerer *l;
    pair of;
    fv_var *both;
    fv_ptrmap memo;
} merger;

/* The variable p or q as an expression over the merged axis: its quotient or remainder by the
 * extent of q. */
static fv_expr *part_of_both(const merger *m, fv_expr *x) {
    fv_arena *a = m->l->exprs;
    if (!is_var(x, m->of.p) && !is_var(x, m->of.q))
        return x;
    return fv_x_bin(a, x->u.var == m->of.p ? FV_X_FLOORDIV : FV_X_FLOORMOD, fv_x_var(a, m->both),
                    fv_x_dim(a, m->of.q->dim));
}

/* The product of two sizes, each a dim or a number. */
static fv_expr *product(fv_lowerer *l, const fv_expr *a, const fv_expr *b) {
    fv_dims *t = l->module->dims;
    const fv_dim *d[2] = {a->op == FV_X_DIM ? a->u.dim : fv_dim_const(t, a->u.i),
                          b->op == FV_X_DIM ? b->u.dim : fv_dim_const(t, b->u.i)};
    return fv_x_dim(l->exprs, fv_dim_product(t, 2, d));
}

/* The index of the merged axis, for the index x of the axis of p. */
static fv_expr *index_of_both(const merger *m, const fv_expr *x) {
    fv_arena *a = m->l->exprs;
    fv_expr *shift = shift_of(x, &m->of), *both = fv_x_var(a, m->both);
    if (!shift)
        return both;
    fv_expr *row = fv_x_dim(a, m->of.q->dim);
    bool is_size = shift->op == FV_X_DIM || shift->op == FV_X_CONST;
    fv_expr *rows = is_size ? product(m->l, shift, row) : fv_x_bin(a, FV_X_MUL, shift, row);
    return fv_x_bin(a, FV_X_ADD, rows, both);
}

/* A view of the buffer in which the axes at and at + 1 are one. */
static fv_buf *view(merger *m, fv_buf *b, int at) {
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < b->rank - 1; i++)
        extent[i] = i < at   ? b->extent[i]
                    : i > at ? b->extent[i + 1]
                             : product(m->l, b->extent[i], b->extent[i + 1]);
    return fv_buf_seen(m->l->exprs, b, b->rank - 1, extent);
}

/* Is the i-th variable of reduction x one of those along which its terms are divided into
 * chains? */
static bool is_chained(const fv_expr *x, int i) {
    return x->u.red.order == FV_ORDER_CHAINS && i >= x->u.red.nvars - x->u.red.along;
}

/* x over these variables. `fewer` of the variables along which it has chains have been removed; if
 * none is left, the reduction becomes one chain. */
static fv_expr *reduce_fewer(fv_arena *a, const fv_expr *x, int n, fv_var *const *vars,
                             fv_expr *body, int fewer) {
    fv_expr *y = fv_x_reduce_like(a, x, n, vars, body);
    int along = x->u.red.along - fewer;
    return !fewer ? y : fv_x_reduce_in(a, y, along ? FV_ORDER_CHAINS : FV_ORDER_CHAIN, along);
}

/* Is there a reduction that binds only one of p and q, or binds both but not as neighbours with p
 * outside, or has chains along one of them only? */
static bool binds_apart(const fv_expr *x, const fv_var *p, const fv_var *q, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++) {
        fv_var *const *v = x->u.red.vars;
        bool both = v[i] == p && i + 1 < x->u.red.nvars && v[i + 1] == q &&
                    is_chained(x, i) == is_chained(x, i + 1);
        if ((v[i] == p && !both) || (v[i] == q && (!i || v[i - 1] != p)))
            return true;
    }
    for (int i = 0; i < x->n; i++)
        if (binds_apart(x->arg[i], p, q, seen))
            return true;
    return false;
}

static fv_expr *merged(merger *m, fv_expr *x) {
    if (!x->n)
        return part_of_both(m, x);
    if (is_joined(x, m->of.p, m->of.q))
        return fv_x_var(m->l->exprs, m->both);
    fv_expr *known = fv_ptrmap_get(&m->memo, x), *y;
    if (known)
        return known;
    fv_arena *a = m->l->exprs;
    fv_expr *args[FV_MAX_RANK + 2];
    int n = 0, at = -1;
    for (int i = 0; i < x->n; i++) {
        if (is_pair(m->l->module->dims, x, i, &m->of)) {
            args[n++] = index_of_both(m, x->arg[i]);
            at = i++;
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
        bool here = false, chained = false;
        for (int i = 0; i < x->u.red.nvars; i++) {
            here |= x->u.red.vars[i] == m->of.p;
            chained |= x->u.red.vars[i] == m->of.q && is_chained(x, i);
            if (x->u.red.vars[i] != m->of.q)
                vars[k++] = x->u.red.vars[i] == m->of.p ? m->both : x->u.red.vars[i];
        }
        if (here)
            y = reduce_fewer(a, x, k, vars, args[0], chained);
    }
    *fv_ptrmap_at(&m->memo, x) = y;
    return y;
}

/* Definitions that share variables: all of a group, or a single one. */
typedef struct together {
    fv_definition **all;
    int n;
} together;

static bool is_apart_in(fv_lowerer *l, const fv_definition *d, const pair *v) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch), looked = fv_ptrmap_in(l->current.scratch);
    fv_dims *t = l->module->dims;
    return binds_apart(d->body, v->p, v->q, &looked) || is_apart(t, d->body, v, &seen) ||
           (d->place && is_apart(t, d->place, v, &seen));
}

static fv_var *merge(fv_lowerer *l, together t, const pair *of) {
    const fv_dim *dims[2] = {of->p->dim, of->q->dim};
    fv_var *v = fv_index_var(l->exprs, of->p->name, fv_dim_product(l->module->dims, 2, dims));
    for (int m = 0; m < t.n; m++) {
        fv_definition *d = t.all[m];
        merger r = {.l = l, .of = *of, .both = v, .memo = fv_ptrmap_in(l->current.scratch)};
        d->body = merged(&r, d->body);
        d->place = d->place ? merged(&r, (fv_expr *)d->place) : NULL;
    }
    return v;
}

static bool try_merge(fv_lowerer *l, together t, const pair *v, fv_var **both) {
    for (int m = 0; m < t.n; m++)
        if (is_apart_in(l, t.all[m], v))
            return false;
    const fv_dim *dims[2] = {v->p->dim, v->q->dim};
    if (fv_dim_product(l->module->dims, 2, dims)->opaque)
        /* the product overflows, so it could not be proved that the view has as many elements */
        return false;
    *both = merge(l, t, v);
    return true;
}

/* Replaces the axes i and i + 1 of d by one axis with the variable v. */
static void join_axes(fv_definition *d, int i, fv_var *v) {
    d->index[i] = v;
    d->rank--;
    memmove(d->index + i + 1, d->index + i + 2, (size_t)(d->rank - i - 1) * sizeof *d->index);
}

/* Is each definition stored in a part of another value's memory, and without reductions? */
static bool are_parts(together t) {
    bool parts = true;
    for (int m = 0; m < t.n && parts; m++)
        parts = t.all[m]->place && !fv_x_has(t.all[m]->body, FV_HAS_REDUCE);
    return parts;
}

/* Merges neighbouring axes from `first` to before `end`, which all definitions share there. */
static void merge_axes(fv_lowerer *l, together t, int first, int end) {
    for (int i = end - 1; i-- > first;) {
        fv_var *v;
        const pair of = {
            .p = t.all[0]->index[i], .q = t.all[0]->index[i + 1], .shifts = are_parts(t)};
        if (!try_merge(l, t, &of, &v))
            continue;
        for (int m = 0; m < t.n; m++)
            join_axes(t.all[m], i, v);
    }
}

/* Merges two neighbouring variables of a reduction in x; false: there are none that can be
 * merged. */
static bool merge_reduced(fv_lowerer *l, fv_definition *d, const fv_expr *x, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)x;
    fv_var *v;
    for (int i = 0; x->op == FV_X_REDUCE && i + 1 < x->u.red.nvars; i++) {
        const pair of = {
            .p = x->u.red.vars[i], .q = x->u.red.vars[i + 1], .shifts = x->arg[0]->op != FV_X_MUL};
        if (try_merge(l, (together){&d, 1}, &of, &v))
            return true;
    }
    for (int i = 0; i < x->n; i++)
        if (merge_reduced(l, d, x->arg[i], seen))
            return true;
    return false;
}

/* ---- axes of one element ---- */

typedef struct dropper {
    fv_arena *arena;
    fv_ptrmap memo;
    /* whether the expression is the `place` of a definition; there an axis of one element is kept
     * if its index is not 0, since the index is the position at which a state with spare capacity
     * is extended */
    bool place;
} dropper;

static bool is_one(const fv_expr *extent) {
    int64_t n;
    return extent->op == FV_X_DIM ? fv_dim_is_one(extent->u.dim)
                                  : fv_x_is_int(extent, &n) && n == 1;
}

/* Has axis i of b, whose index is x, one element, and can the axis be removed? */
static bool is_dropped(const dropper *m, const fv_buf *b, int i, const fv_expr *x) {
    int64_t at;
    return is_one(b->extent[i]) && (!m->place || (fv_x_is_int(x, &at) && at == 0));
}

/* The load or guard x, with these arguments, of a view without its axes of one element. */
static fv_expr *drop_from_load(dropper *m, const fv_expr *x, fv_expr **args) {
    fv_buf *from = x->u.buf;
    fv_expr *at[FV_MAX_RANK], *extent[FV_MAX_RANK];
    int n = 0;
    for (int i = 0; i < from->rank; i++) {
        if (is_dropped(m, from, i, args[i]))
            continue;
        extent[n] = from->extent[i];
        at[n++] = args[i];
    }
    if (n == from->rank)
        return fv_x_with_args(m->arena, x, args);
    fv_buf *b = fv_buf_seen(m->arena, from, n, extent);
    return x->op == FV_X_LOAD ? fv_x_load(m->arena, b, at)
                              : fv_x_guard(m->arena, b, at, args[from->rank], args[from->rank + 1]);
}

/* Removes variables with one value from a reduction: of a 1 x 1 filter only the sum over channels
 * remains. */
static fv_expr *drop_from_sum(dropper *m, const fv_expr *x, fv_expr **args) {
    fv_var *vars[FV_MAX_RANK], *ones[FV_MAX_RANK];
    fv_expr *zeros[FV_MAX_RANK];
    int n = 0, k = 0, chained = 0;
    for (int i = 0; i < x->u.red.nvars; i++) {
        bool last = i + 1 == x->u.red.nvars && n == 0;
        if (fv_dim_is_one(x->u.red.vars[i]->dim) && !last) {
            zeros[k] = fv_x_int(m->arena, 0);
            ones[k++] = x->u.red.vars[i];
            chained += is_chained(x, i);
        } else
            vars[n++] = x->u.red.vars[i];
    }
    if (!k)
        return fv_x_with_args(m->arena, x, args);
    return reduce_fewer(m->arena, x, n, vars, fv_x_replace_vars(m->arena, args[0], k, ones, zeros),
                        chained);
}

static fv_expr *drop_ones(dropper *m, fv_expr *x) {
    if (!x->n && x->op != FV_X_LOAD)
        return x;
    fv_expr *known = fv_ptrmap_get(&m->memo, x), *args[FV_MAX_RANK + 2];
    if (known)
        return known;
    for (int i = 0; i < x->n; i++)
        args[i] = drop_ones(m, x->arg[i]);
    fv_expr *y = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? drop_from_load(m, x, args)
                 : x->op == FV_X_REDUCE                    ? drop_from_sum(m, x, args)
                                                           : fv_x_with_args(m->arena, x, args);
    *fv_ptrmap_at(&m->memo, x) = y;
    return y;
}

static void drop_axes(fv_lowerer *l, fv_definition *d) {
    dropper m = {.arena = l->exprs, .memo = fv_ptrmap_in(l->current.scratch)};
    fv_var *ones[FV_MAX_RANK];
    fv_expr *zeros[FV_MAX_RANK];
    int n = 0, k = 0;
    for (int i = 0; i < d->rank; i++) {
        if (fv_dim_is_one(d->index[i]->dim)) {
            zeros[k] = fv_x_int(l->exprs, 0);
            ones[k++] = d->index[i];
        } else
            d->index[n++] = d->index[i];
    }
    d->rank = n;
    if (k)
        d->body = fv_x_replace_vars(l->exprs, d->body, k, ones, zeros);
    if (k && d->place)
        d->place = fv_x_replace_vars(l->exprs, (fv_expr *)d->place, k, ones, zeros);
    d->body = drop_ones(&m, d->body);
    m = (dropper){.arena = l->exprs, .memo = fv_ptrmap_in(l->current.scratch), .place = true};
    d->place = d->place ? drop_ones(&m, (fv_expr *)d->place) : NULL;
}

static fv_definition *without_ones(fv_lowerer *l, const fv_definition *d) {
    fv_definition *r = FV_NEW(l->exprs, fv_definition, 1);
    *r = *d;
    r->index = FV_NEW(l->exprs, fv_var *, d->rank + 1);
    memcpy(r->index, d->index, (size_t)d->rank * sizeof *r->index);
    drop_axes(l, r);
    return r;
}

/* Are the shared variables the first axes of all definitions, in the same order? */
static bool are_first(int n, fv_definition *const *all, fv_var *const *shared, int nshared) {
    for (int m = 0; m < n; m++)
        if (memcmp(all[m]->index, shared, (size_t)nshared * sizeof *shared))
            return false;
    return true;
}

int fv_merge_group(fv_lowerer *l, int n, fv_definition *const *all, fv_definition **merged) {
    fv_var *vars[FV_MAX_RANK];
    for (int m = 0; m < n; m++)
        merged[m] = without_ones(l, all[m]);
    int shared = n > 1 ? fv_group_shared(n, merged, vars) : 0, before = merged[0]->rank;
    bool first = are_first(n, merged, vars, shared);
    if (first)
        merge_axes(l, (together){merged, n}, 0, shared);
    shared -= before - merged[0]->rank;
    for (int m = 0; m < n; m++) {
        fv_definition *d = merged[m];
        if (first)
            merge_axes(l, (together){&merged[m], 1}, shared, d->rank);
        fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
        while (merge_reduced(l, d, d->body, &seen))
            seen = fv_ptrmap_in(l->current.scratch);
    }
    return first ? shared : -1;
}

fv_definition *fv_merge_rows(fv_lowerer *l, const fv_definition *d, int axis) {
    fv_definition *r = FV_NEW(l->exprs, fv_definition, 1);
    *r = *d;
    r->index = FV_NEW(l->exprs, fv_var *, d->rank + 1);
    memcpy(r->index, d->index, (size_t)d->rank * sizeof *r->index);
    const pair of = {.p = d->index[axis], .q = d->index[axis + 1]};
    join_axes(r, axis, merge(l, (together){&r, 1}, &of));
    return r;
}

int fv_merged_shared(int n, fv_definition *const *all) {
    fv_var *vars[FV_MAX_RANK];
    int shared = fv_group_shared(n, all, vars);
    return are_first(n, all, vars, shared) ? shared : -1;
}

fv_definition *fv_merge_axes(fv_lowerer *l, const fv_definition *d) {
    fv_definition *r, *all[] = {(fv_definition *)d};
    fv_merge_group(l, 1, all, &r);
    return r;
}
