/* inside.c - a factor of a contraction that is zero outside of what it reads, without asking at each use.
 *
 *     x[n, o * s + k - p, c] where 0 <= o * s + k - p < size, else 0     =>     inside[n, o * s + k, c]
 *
 * with inside[n, j, c] = x[n, j - p, c] where 0 <= j - p < size, else 0: a copy with the zeros around it,
 * made by a kernel of its own. Each element is asked for once instead of with every filter tap. */
#include <string.h>

#include "backend/lower.h"
#include "ir/limits.h"

/* An index as a sum of variables, each times a constant, and something without them. */
typedef struct steps {
    struct {
        fv_var *var;
        int64_t by;
    } term[FV_MAX_RANK];
    int n;
    const fv_dim *rest;
} steps;

static bool add_term(steps *s, fv_var *v, int64_t by) {
    if (s->n == FV_MAX_RANK || by < 0)
        return false;
    s->term[s->n].var = v;
    s->term[s->n++].by = by;
    return true;
}

static bool constant_of(const fv_expr *x, int64_t *n) {
    if (x->op == FV_X_DIM && fv_dim_is_const(x->u.dim)) {
        *n = x->u.dim->value;
        return true;
    }
    return x->op != FV_X_DIM && fv_x_is_int(x, n);
}

static bool split(fv_dims *t, const fv_expr *x, int64_t by, steps *s) {
    int64_t n;
    if (constant_of(x, &n)) {
        s->rest = fv_dim_add(t, s->rest, fv_dim_const(t, n * by));
        return true;
    }
    switch (x->op) {
    case FV_X_VAR: return add_term(s, x->u.var, by);
    case FV_X_DIM:
        s->rest = fv_dim_add(t, s->rest, fv_dim_mul(t, x->u.dim, fv_dim_const(t, by)));
        return true;
    case FV_X_ADD: return split(t, x->arg[0], by, s) && split(t, x->arg[1], by, s);
    case FV_X_SUB: return split(t, x->arg[0], by, s) && split(t, x->arg[1], -by, s);
    case FV_X_MUL:
        for (int i = 0; i < 2; i++)
            if (constant_of(x->arg[i], &n))
                return split(t, x->arg[1 - i], by * n, s);
        return false;
    default: return false;
    }
}

/* How far the variables of an index reach: the extent of that axis of the copy. It is no longer than what is
 * copied where the guard does not ask: both follow from fv_d_last. */
static const fv_dim *reach(fv_dims *t, const steps *s) {
    const fv_dim *n = fv_dim_const(t, 1);
    for (int i = 0; i < s->n; i++) {
        const fv_dim *last = fv_d_last(t, s->term[i].var);
        n = fv_dim_add(t, n, fv_dim_mul(t, last, fv_dim_const(t, s->term[i].by)));
    }
    return fv_dim_max(t, n, fv_dim_const(t, 0));
}

static fv_expr *index_in_copy(fv_arena *a, const steps *s) {
    fv_expr *sum = NULL;
    for (int i = 0; i < s->n; i++) {
        fv_expr *x = fv_x_var(a, s->term[i].var);
        if (s->term[i].by != 1)
            x = fv_x_bin(a, FV_X_MUL, x, fv_x_int(a, s->term[i].by));
        sum = sum ? fv_x_bin(a, FV_X_ADD, sum, x) : x;
    }
    return sum ? sum : fv_x_int(a, 0);
}

/* x with `to` for what is equal to `from`. */
static fv_expr *replaced(fv_arena *a, fv_expr *x, int n, fv_expr *const *from, fv_expr *const *to) {
    fv_expr *args[FV_MAX_RANK + 2];
    for (int i = 0; i < n; i++)
        if (fv_x_equal(x, from[i]))
            return to[i];
    for (int i = 0; i < x->n; i++)
        args[i] = replaced(a, x->arg[i], n, from, to);
    return x->n ? fv_x_with_args(a, x, args) : x;
}

/* Does x use a variable of d, or of the sum? */
static bool depends(const fv_expr *x, const fv_definition *d, const fv_expr *sum) {
    for (int i = 0; i < d->rank; i++)
        if (fv_x_uses(x, d->index[i]))
            return true;
    for (int i = 0; i < sum->u.red.nvars; i++)
        if (fv_x_uses(x, sum->u.red.vars[i]))
            return true;
    return false;
}

/* What the copy is: of equal ones one is made. */
static const char *key_of(fv_arena *a, const fv_expr *copy, int n, fv_var *const *index) {
    fv_text t = {.arena = a};
    fv_text_printf(&t, "inside %p", (const void *)copy->u.buf->value);
    for (int i = 0; i < n; i++) {
        fv_text_printf(&t, ", %s < %p of ", index[i]->name, (const void *)index[i]->dim);
        fv_expr_print(&t, copy->u.buf->extent[i]);
    }
    fv_text_put(&t, ": ");
    fv_expr_print(&t, copy);
    return t.s;
}

fv_expr *fv_make_inside(fv_lowerer *l, fv_op *op, const fv_definition *d, const fv_expr *sum,
                        fv_expr *factor, const fv_var *last) {
    fv_dims *t = l->module->dims;
    fv_arena *a = l->arena;
    fv_expr *x = (fv_expr *)fv_x_stored(factor), *from[FV_MAX_RANK], *to[FV_MAX_RANK], *at[FV_MAX_RANK];
    fv_var *index[FV_MAX_RANK];
    if (x->op != FV_X_GUARD || x->arg[x->u.buf->rank + 1]->op != FV_X_CONST)
        return factor;
    int rank = x->u.buf->rank, inner = rank - 1;
    for (int i = 0; i < rank && last; i++)
        if (fv_x_adds(x->arg[i], last))
            inner = i;
    for (int i = 0; i < rank; i++) {
        steps s = {.rest = fv_dim_const(t, 0)};
        if (!split(t, x->arg[i], 1, &s))
            return factor;
        index[i] = fv_index_var(a, fv_printf(a, "i%d", i), reach(t, &s));
        from[i] = x->arg[i];
        to[i] = fv_x_bin(a, FV_X_ADD, fv_x_var(a, index[i]), fv_x_dim(a, s.rest));
        at[i] = index_in_copy(a, &s);
    }
    fv_expr *asks = replaced(a, x->arg[rank], rank, from, to);
    if (depends(asks, d, sum)) /* of more than the element */
        return factor;
    fv_expr *copy = fv_x_guard(a, x->u.buf, to, asks, x->arg[rank + 1]);
    fv_move_last((void **)index, rank, inner);
    fv_move_last((void **)at, rank, inner);
    const char *key = fv_intern(l->session, key_of(a, copy, rank, index));
    fv_value *v = fv_ptrmap_get(&l->panels, key);
    if (!v) {
        v = fv_precompute(l, op, d, "inside", rank, index, copy);
        *fv_ptrmap_at(&l->panels, key) = v;
    }
    return fv_x_as_stored(a, factor, x, fv_x_load(a, fv_value_buf(a, v), at));
}
