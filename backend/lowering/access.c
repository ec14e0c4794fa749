/* access.c - see access.h. */
#include "backend/lowering/access.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/graph.h"

bool fv_x_adds(const fv_expr *x, const fv_var *v) {
    if (x->op == FV_X_VAR)
        return x->u.var == v;
    if (x->op == FV_X_ADD)
        return (fv_x_adds(x->arg[0], v) && !fv_x_uses(x->arg[1], v)) ||
               (fv_x_adds(x->arg[1], v) && !fv_x_uses(x->arg[0], v));
    return x->op == FV_X_SUB && fv_x_adds(x->arg[0], v) && !fv_x_uses(x->arg[1], v);
}

/* Is x a sum of n * v and a term that does not depend on v? */
static bool adds_multiple(const fv_expr *x, const fv_var *v, int64_t n) {
    int64_t by;
    if (x->op == FV_X_MUL)
        return x->arg[0]->op == FV_X_VAR && x->arg[0]->u.var == v && fv_x_is_int(x->arg[1], &by) &&
               by == n;
    if (x->op == FV_X_ADD)
        return (adds_multiple(x->arg[0], v, n) && !fv_x_uses(x->arg[1], v)) ||
               (adds_multiple(x->arg[1], v, n) && !fv_x_uses(x->arg[0], v));
    return x->op == FV_X_SUB && adds_multiple(x->arg[0], v, n) && !fv_x_uses(x->arg[1], v);
}

int fv_x_stride(const fv_expr *load, const fv_var *v) {
    int rank = load->u.buf->rank, n = load->op == FV_X_LOAD ? load->type.lanes : 1;
    for (int i = 0; i < rank; i++)
        if (fv_x_uses(load->arg[i], v)) {
            bool next = n > 1 ? adds_multiple(load->arg[i], v, n) : fv_x_adds(load->arg[i], v);
            return i == rank - 1 && next ? 1 : -1;
        }
    return 0;
}

void fv_x_count_loads(const fv_expr *x, const fv_var *v, fv_load_count *n) {
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD) {
        int s = fv_x_stride(x, v);
        *(s > 0 ? &n->contiguous : s < 0 ? &n->strided : &n->invariant) += 1;
    }
    for (int i = 0; i < x->n; i++)
        fv_x_count_loads(x->arg[i], v, n);
}

bool fv_x_runs_along(const fv_expr *x, const fv_var *v) {
    fv_load_count n = {0};
    fv_x_count_loads(x, v, &n);
    return n.contiguous && !n.strided;
}

int fv_x_add_reductions(fv_expr *x, fv_expr **out, int n, int max) {
    if (x->op == FV_X_REDUCE) {
        int seen = 0;
        while (seen < n && out[seen] != x)
            seen++;
        if (seen == n && n < max)
            out[n++] = x;
        return n;
    }
    for (int i = 0; i < x->n && n < max; i++)
        n = fv_x_add_reductions(x->arg[i], out, n, max);
    return n;
}

int fv_x_reductions(fv_expr *x, fv_expr **out, int max) {
    return fv_x_add_reductions(x, out, 0, max);
}

bool fv_x_runs_across(const fv_expr *x, const fv_var *k, const fv_var *v) {
    bool load = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
    if (load && fv_x_stride(x, k) && fv_x_stride(x, v) > 0)
        return true;
    for (int i = 0; i < x->n; i++)
        if (fv_x_runs_across(x->arg[i], k, v))
            return true;
    return false;
}

bool fv_x_is_row(const fv_expr *r, const fv_var *vector) {
    if (!r->u.red.nvars)
        return false;
    const fv_var *k = r->u.red.vars[r->u.red.nvars - 1];
    fv_load_count along = {0};
    fv_x_count_loads(r->arg[0], k, &along);
    if (!along.contiguous)
        return false;
    if (!vector || !fv_x_uses(r, vector))
        return true;
    if (fv_dim_is_const(k->dim) && k->dim->value < FV_CHAINS)
        /* the sum along its last variable has fewer terms than there are chains, as in a window
         * that slides over an image */
        return false;
    for (int i = 0; i < r->u.red.nvars; i++)
        if (fv_x_runs_across(r->arg[0], r->u.red.vars[i], vector))
            return false;
    return true;
}

int fv_map_vector(const fv_definition *d) {
    int v = d->rank - 1;
    while (v >= 0 && fv_dim_is_one(d->index[v]->dim))
        v--;
    if (v < 0)
        return -1;
    fv_expr *reductions[32];
    int n = fv_x_reductions(d->body, reductions, 32);
    for (int i = 0; i < n; i++)
        if (fv_x_uses(reductions[i], d->index[v]) && fv_x_is_row(reductions[i], d->index[v]))
            return -1;
    return v;
}

/* ---- guards ---- */

static fv_expr *guard_all(fv_arena *a, fv_expr *x, fv_expr *c, fv_ptrmap *memo) {
    if (!x->n && x->op != FV_X_LOAD)
        return x;
    void *known = fv_ptrmap_get(memo, x);
    if (known)
        return known;
    fv_expr *args[FV_MAX_RANK + 2], *y;
    for (int i = 0; i < x->n; i++)
        args[i] = guard_all(a, x->arg[i], c, memo);
    if (x->op == FV_X_LOAD) {
        y = fv_x_guard(a, x->u.buf, args, c, fv_x_zero(a, x->u.buf->elem));
    } else if (x->op == FV_X_GUARD) {
        int r = x->u.buf->rank;
        y = fv_x_guard(a, x->u.buf, args, fv_x_bin(a, FV_X_AND, c, args[r]), args[r + 1]);
    } else if (x->op == FV_X_REQUIRE)
        y = fv_x_un(a, FV_X_REQUIRE, fv_x_bin(a, FV_X_OR, fv_x_un(a, FV_X_NOT, c), args[0]));
    else
        y = fv_x_with_args(a, x, args);
    *fv_ptrmap_at(memo, x) = y;
    return y;
}

/* Excludes the nodes of condition c from being guarded by c, since they are computed to find
 * whether it holds. */
static void leave(const fv_expr *c, fv_ptrmap *memo) {
    if (*fv_ptrmap_at(memo, c))
        return;
    *fv_ptrmap_at(memo, c) = (void *)(uintptr_t)c;
    for (int i = 0; i < c->n; i++)
        leave(c->arg[i], memo);
}

fv_expr *fv_x_guard_all(fv_arena *a, fv_expr *x, fv_expr *c) {
    fv_ptrmap memo = fv_ptrmap_in(a);
    leave(c, &memo);
    return guard_all(a, x, c, &memo);
}

/* ---- under conversions ---- */

const fv_expr *fv_x_stored(const fv_expr *x) {
    const fv_expr *inner = x;
    while (inner->op == FV_X_CONVERT)
        inner = inner->arg[0];
    return inner->op == FV_X_LOAD || inner->op == FV_X_GUARD ? inner : x;
}

bool fv_x_is_constant(const fv_expr *x) {
    x = fv_x_stored(x);
    return x->op == FV_X_LOAD && ((const fv_value *)x->u.buf->value)->kind == FV_VALUE_CONST;
}

fv_expr *fv_x_as_stored(fv_arena *a, const fv_expr *outer, const fv_expr *inner, fv_expr *x) {
    return outer == inner ? x
                          : fv_x_convert(a, (fv_elem)outer->type.elem,
                                         fv_x_as_stored(a, outer->arg[0], inner, x));
}

bool fv_x_is_checked(const fv_expr *x) {
    bool found = x->op == FV_X_REQUIRE;
    for (int i = 0; i < x->n && !found; i++)
        found = fv_x_is_checked(x->arg[i]);
    return found;
}

bool fv_x_is_plain(const fv_expr *load) {
    for (int i = 0; i < load->n; i++)
        if (fv_x_has_load(load->arg[i]) || fv_x_is_checked(load->arg[i]))
            return false;
    return true;
}
