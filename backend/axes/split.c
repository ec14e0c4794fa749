/* split.c - splits an axis that one factor of a product uses in groups into two axes.
 *
 *     y[m, w] = sum c: x[m floordiv 4 * 8 + c, w] * weight[m, c]    m < 128
 *  => y[g, r, w] = sum c: x[g * 8 + c, w] * weight[g, r, c]         g < 32, r < 4
 *
 * Examples are filters in groups, also after a channel shuffle (whose index is m mod 4), and heads
 * of attention that share keys. r is a row or a column on which the other factor does not depend,
 * so the product is a contraction, and the factor of a group is packed once. Buffers with an axis
 * that is indexed by m alone are read through views with two axes; no element is moved. */
#include "backend/axes/split.h"

#include <string.h>

#include "backend/lowering/access.h"
#include "ir/base/limits.h"
#include "ir/expr/unique.h"

static bool is_part(const fv_expr *x, fv_expr_op op, const fv_var *v, int64_t *c) {
    return x->op == op && x->arg[0]->op == FV_X_VAR && x->arg[0]->u.var == v &&
           fv_x_is_int(x->arg[1], c);
}

/* Sets *c to the divisor of all `v floordiv c` and `v mod c` in x, and *apart if they have several
 * divisors. */
static void find_groups(const fv_expr *x, const fv_var *v, int64_t *c, bool *apart) {
    int64_t by;
    if (is_part(x, FV_X_FLOORDIV, v, &by) || is_part(x, FV_X_FLOORMOD, v, &by)) {
        *apart |= *c && *c != by;
        *c = by;
    }
    for (int i = 0; i < x->n; i++)
        find_groups(x->arg[i], v, c, apart);
}

/* Does x use v, and only in the form `v op c`? */
static bool sees(const fv_expr *x, fv_expr_op op, const fv_var *v) {
    int64_t c;
    if (is_part(x, op, v, &c))
        return true;
    if (x->op == FV_X_VAR && x->u.var == v)
        return false;
    for (int i = 0; i < x->n; i++)
        if (fv_x_uses(x->arg[i], v) && !sees(x->arg[i], op, v))
            return false;
    return fv_x_uses(x, v);
}

/* Returns c if one factor of the product uses v only as `v op c`, and the other factor uses v in
 * another form; otherwise 0. */
static int64_t size_of(const fv_expr *sum, fv_expr_op op, const fv_var *v) {
    const fv_expr *product = sum->arg[0];
    int64_t c = 0;
    bool apart = false;
    if (sum->u.red.kind != FV_SUM || product->op != FV_X_MUL || !fv_dim_is_const(v->dim))
        return 0;
    find_groups(product, v, &c, &apart);
    if (apart || c < 2 || v->dim->value % c || v->dim->value / c < 2)
        return 0;
    const fv_expr *const *f = (const fv_expr *const *)product->arg;
    bool in[2] = {sees(f[0], op, v), sees(f[1], op, v)};
    return in[0] != in[1] && fv_x_uses(f[in[0]], v) ? c : 0;
}

int64_t fv_group_size(const fv_expr *sum, const fv_var *v) {
    return size_of(sum, FV_X_FLOORDIV, v);
}

typedef struct splitter {
    fv_arena *arena;
    const fv_var *v;
    fv_var *group, *rest;
    int64_t size; /* number of elements in a group */
    fv_ptrmap memo;
} splitter;

/* A view of the buffer in which axis `at` is two axes: groups, and elements of a group. */
static fv_buf *view(splitter *s, fv_buf *b, int at) {
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < b->rank; i++)
        extent[i + (i > at)] = b->extent[i];
    extent[at] = fv_x_int(s->arena, b->extent[at]->u.i / s->size);
    extent[at + 1] = fv_x_int(s->arena, s->size);
    return fv_buf_seen(s->arena, b, b->rank + 1, extent);
}

/* The first axis of x that v indexes alone, perhaps plus a multiple of the group's size, and that
 * consists of whole groups; *before: that offset in groups. -1: there is none. */
static int axis_of(const splitter *s, const fv_expr *x, int64_t *before) {
    int64_t n;
    for (int i = 0; i < x->u.buf->rank && x->u.buf->rank < FV_MAX_RANK; i++) {
        const fv_expr *at = x->arg[i], *low = at->op == FV_X_ADD ? at->arg[0] : at;
        *before = 0;
        if (low->op != FV_X_VAR || low->u.var != s->v ||
            (at != low && !fv_x_is_int(at->arg[1], before)) ||
            !fv_x_is_int(x->u.buf->extent[i], &n) || n % s->size || *before % s->size)
            continue;
        *before /= s->size;
        return i;
    }
    return -1;
}

static fv_expr *split(splitter *s, fv_expr *x);

/* The load with two indices instead of the one that uses v. */
static fv_expr *split_load(splitter *s, fv_expr *x) {
    fv_expr *args[FV_MAX_RANK + 3];
    int64_t before;
    int at = axis_of(s, x, &before), n = 0;
    for (int i = 0; i < x->n; i++)
        if (i == at) {
            args[n++] = fv_x_bin(s->arena, FV_X_ADD, fv_x_var(s->arena, s->group),
                                 fv_x_int(s->arena, before));
            args[n++] = fv_x_var(s->arena, s->rest);
        } else
            args[n++] = split(s, x->arg[i]);
    if (at < 0)
        return fv_x_with_args(s->arena, x, args);
    fv_buf *b = view(s, x->u.buf, at);
    return x->op == FV_X_LOAD ? fv_x_load(s->arena, b, args)
                              : fv_x_guard(s->arena, b, args, args[b->rank], args[b->rank + 1]);
}

static fv_expr *split(splitter *s, fv_expr *x) {
    fv_arena *a = s->arena;
    int64_t c;
    fv_expr *known = x->n ? fv_ptrmap_get(&s->memo, x) : NULL, *args[FV_MAX_RANK + 2], *y;
    if (known || (!x->n && x->op != FV_X_VAR))
        return known ? known : x;
    if (x->op == FV_X_VAR) {
        if (x->u.var != s->v)
            return x;
        fv_expr *first = fv_x_bin(a, FV_X_MUL, fv_x_var(a, s->group), fv_x_int(a, s->size));
        return fv_x_bin(a, FV_X_ADD, first, fv_x_var(a, s->rest));
    }
    if (is_part(x, FV_X_FLOORDIV, s->v, &c) && c == s->size)
        y = fv_x_var(a, s->group);
    else if (is_part(x, FV_X_FLOORMOD, s->v, &c) && c == s->size)
        y = fv_x_var(a, s->rest);
    else if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        y = split_load(s, x);
    else {
        for (int i = 0; i < x->n; i++)
            args[i] = split(s, x->arg[i]);
        y = fv_x_with_args(a, x, args);
    }
    *fv_ptrmap_at(&s->memo, x) = y;
    return y;
}

/* Splits an axis of a definition. A part of a Concat whose offset is no multiple of the group is
 * not split, since its end could not be proved. */
static bool split_axis(fv_lowerer *l, fv_definition *d, int axis, int64_t size) {
    fv_dims *t = l->module->dims;
    fv_var *v = d->index[axis];
    splitter s = {
        .arena = l->exprs, .v = v, .size = size, .memo = fv_ptrmap_in(l->current.scratch)};
    int64_t before;
    if (d->place && axis_of(&s, d->place, &before) < 0)
        return false;
    s.group = fv_index_var(l->exprs, fv_printf(l->exprs, "%s_group", v->name),
                           fv_dim_const(t, v->dim->value / size));
    s.rest = fv_index_var(l->exprs, v->name, fv_dim_const(t, size));
    d->body = split(&s, d->body);
    d->place = d->place ? split(&s, (fv_expr *)d->place) : NULL;
    memmove(d->index + axis + 2, d->index + axis + 1,
            (size_t)(d->rank - axis - 1) * sizeof *d->index);
    d->index[axis] = s.group;
    d->index[axis + 1] = s.rest;
    d->rank++;
    return true;
}

fv_definition *fv_split_axes(fv_lowerer *l, const fv_definition *given) {
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    fv_expr *sums[2];
    *d = *given;
    d->index = FV_NEW(l->exprs, fv_var *, 2 * d->rank + 1);
    memcpy(d->index, given->index, (size_t)d->rank * sizeof *d->index);
    for (int i = 0; i < d->rank && d->rank < FV_MAX_RANK; i++) {
        bool one = fv_x_reductions(d->body, sums, 2) == 1;
        int64_t size = one ? size_of(sums[0], FV_X_FLOORDIV, d->index[i]) : 0;
        if (one && !size)
            size = size_of(sums[0], FV_X_FLOORMOD, d->index[i]);
        if (size && split_axis(l, d, i, size))
            i++;
    }
    return d;
}
