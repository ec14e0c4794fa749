/* affine.c - see affine.h. */
#include "ir/expr/affine.h"

#include "ir/expr/fold.h"

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

/* ---- lanes ---- */

enum { MOST_LANES = 64 };

typedef struct offsets {
    fv_expr *first;
    int64_t at[MOST_LANES];
} offsets;

/* Are all lanes the same number? */
static bool is_number(const offsets *o, int lanes, int64_t *value) {
    if (!fv_x_is_int(o->first, value))
        return false;
    *value += o->at[0];
    for (int i = 1; i < lanes; i++)
        if (o->at[i] != o->at[0])
            return false;
    return *value == (int32_t)*value;
}

/* The product of a and a number; false: b is none, or an offset is large. */
static bool times(fv_arena *arena, int lanes, const offsets *a, const offsets *b, offsets *out) {
    int64_t by;
    if (!is_number(b, lanes, &by))
        return false;
    out->first = fv_x_bin(arena, FV_X_MUL, a->first, fv_x_int(arena, by));
    for (int i = 0; i < lanes; i++) {
        if (a->at[i] != (int32_t)a->at[i])
            return false;
        out->at[i] = a->at[i] * by;
    }
    return true;
}

/* An operation on lanes that are all constant. */
static bool of_constants(fv_arena *arena, const fv_expr *x, const offsets *o, offsets *out) {
    int64_t c[2];
    if (!fv_x_is_int(o[0].first, &c[0]) || !fv_x_is_int(o[1].first, &c[1]))
        return false;
    out->first = fv_x_int(arena, 0);
    for (int i = 0; i < x->type.lanes; i++)
        if (!fv_fold_ints(FV_I64, (fv_expr_op)x->op, c[0] + o[0].at[i], c[1] + o[1].at[i],
                          &out->at[i]))
            return false;
    return true;
}

static bool offsets_of(fv_arena *arena, const fv_expr *x, offsets *out) {
    offsets o[2];
    const int lanes = x->type.lanes;
    if (x->type.elem != FV_I64 || lanes < 2 || lanes > MOST_LANES)
        return false;
    if (x->op == FV_X_RAMP || x->op == FV_X_SPLAT) {
        out->first = x->arg[0];
        for (int i = 0; i < lanes; i++)
            out->at[i] = x->op == FV_X_RAMP ? i : 0;
        return true;
    }
    if (x->n != 2 || x->op == FV_X_LOAD || !offsets_of(arena, x->arg[0], &o[0]) ||
        !offsets_of(arena, x->arg[1], &o[1]))
        return false;
    if (x->op == FV_X_MUL)
        return times(arena, lanes, &o[0], &o[1], out) || times(arena, lanes, &o[1], &o[0], out);
    if (x->op != FV_X_ADD && x->op != FV_X_SUB)
        return of_constants(arena, x, o, out);
    out->first = fv_x_bin(arena, (fv_expr_op)x->op, o[0].first, o[1].first);
    for (int i = 0; i < lanes; i++)
        if (!fv_fold_ints(FV_I64, (fv_expr_op)x->op, o[0].at[i], o[1].at[i], &out->at[i]))
            return false;
    return true;
}

bool fv_x_is_offsets(fv_arena *a, const fv_expr *x, fv_expr **first, int64_t *offset) {
    offsets o;
    if (!offsets_of(a, x, &o))
        return false;
    *first = o.first;
    for (int i = 0; i < x->type.lanes; i++)
        offset[i] = o.at[i];
    return true;
}
