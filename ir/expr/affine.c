/* affine.c - see affine.h. */
#include "ir/expr/affine.h"

fv_affine fv_affine_dim(const fv_dim *d) {
    return (fv_affine){.rest = d};
}

static bool is_same(const fv_affines *s, const fv_expr *a, const fv_expr *b) {
    return a == b || (s->is_same ? s->is_same(s->user, a, b)
                                 : a->op == FV_X_VAR && b->op == FV_X_VAR && a->u.var == b->u.var);
}

static void add_term(const fv_affines *s, fv_affine *f, const fv_expr *x, const fv_dim *by) {
    int i = 0;
    while (i < f->n && !is_same(s, f->term[i].x, x))
        i++;
    if (i == FV_AFFINE_TERMS) {
        f->rest = NULL;
        return;
    }
    const fv_dim *sum = i < f->n ? fv_dim_add(s->dims, f->term[i].by, by) : by;
    f->term[i].x = x;
    f->term[i].by = sum;
    f->n += i == f->n;
    if (fv_dim_is_const(sum) && sum->value == 0)
        f->term[i] = f->term[--f->n];
}

fv_affine fv_affine_plus(const fv_affines *s, fv_affine a, const fv_affine *b, const fv_dim *by) {
    if (!a.rest || !b->rest)
        return fv_affine_dim(NULL);
    a.rest = fv_dim_add(s->dims, a.rest, fv_dim_mul(s->dims, b->rest, by));
    for (int i = 0; i < b->n && a.rest; i++)
        add_term(s, &a, b->term[i].x, fv_dim_mul(s->dims, b->term[i].by, by));
    return a;
}

fv_affine fv_affine_of(const fv_affines *s, const fv_expr *x) {
    fv_affine a, b, none = fv_affine_dim(fv_dim_const(s->dims, 0));
    const fv_dim *minus = fv_dim_const(s->dims, -1);
    int64_t c;
    if (fv_x_is_int(x, &c))
        return fv_affine_dim(fv_dim_const(s->dims, c));
    if (x->op == FV_X_DIM)
        return fv_affine_dim(x->u.dim);
    bool sum = x->op == FV_X_ADD || x->op == FV_X_SUB, product = x->op == FV_X_MUL,
         negated = x->op == FV_X_NEG;
    if ((sum || product || negated) && x->type.elem == FV_I64 &&
        (!s->apart || s->apart(s->user, x))) {
        a = fv_affine_of(s, x->arg[0]);
        if (negated)
            return fv_affine_plus(s, none, &a, minus);
        b = fv_affine_of(s, x->arg[1]);
        if (sum)
            return fv_affine_plus(s, a, &b, x->op == FV_X_ADD ? fv_dim_const(s->dims, 1) : minus);
        if (a.rest && b.rest && !b.n)
            return fv_affine_plus(s, none, &a, b.rest);
        if (a.rest && b.rest && !a.n)
            return fv_affine_plus(s, none, &b, a.rest);
    }
    add_term(s, &none, x, fv_dim_const(s->dims, 1));
    return none;
}

bool fv_affine_is_of_vars(const fv_affine *f) {
    bool is = f->rest != NULL;
    for (int i = 0; i < f->n && is; i++)
        is = f->term[i].x->op == FV_X_VAR && fv_dim_is_const(f->term[i].by);
    return is;
}
