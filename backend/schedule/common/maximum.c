/* maximum.c - see maximum.h. */
#include "backend/schedule/common/maximum.h"

#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/target/target.h"

enum { INFINITE = 0x7f800000 };
#define MINUS_INFINITE INT64_C(0xff800000)

bool fv_maximum_fits(const fv_kemit *e, const fv_expr *r) {
    return (r->u.red.kind == FV_REDUCE_MAX || r->u.red.kind == FV_REDUCE_MIN) &&
           r->type.elem == FV_F32 && fv_target_has(e->l->target, FV_FEATURE_avx2);
}

/* Is x NaN wherever y is? */
static bool follows_nan(const fv_expr *x, const fv_expr *y) {
    if (x == y)
        return true;
    switch (x->op) {
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
    case FV_X_DIV:
    case FV_X_FMA:
        for (int i = 0; i < x->n; i++)
            if (follows_nan(x->arg[i], y))
                return true;
        return false;
    case FV_X_SELECT: return follows_nan(x->arg[1], y) && follows_nan(x->arg[2], y);
    case FV_X_CONVERT: return fv_elem_is_float((fv_elem)x->type.elem) && follows_nan(x->arg[0], y);
    case FV_X_NEG:
    case FV_X_EXP:
    case FV_X_EXP_FLUSH:
    case FV_X_LOG: return follows_nan(x->arg[0], y);
    default: return false;
    }
}

/* Is x a difference y - r, possibly converted? */
static bool is_shifted(const fv_expr *x, const fv_expr *r) {
    while (x->op == FV_X_CONVERT)
        x = x->arg[0];
    return x->op == FV_X_SUB && x->arg[1] == r && x->arg[0] != r;
}

/* Does the definition use r only in exponentials exp(y - r)? For these it does not matter which of
 * two zeros r is. */
static bool is_shift(const fv_kemit *e, const fv_expr *r) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(e->l->current.scratch, e->def->body); (x = fv_x_next(&v));)
        for (int i = 0; i < x->n; i++) {
            const bool subtracts = x->op == FV_X_SUB && i == 1,
                       continues = x->op == FV_X_EXP || x->op == FV_X_EXP_FLUSH ||
                                   (x->op == FV_X_CONVERT && is_shifted(x, r));
            if ((x->arg[i] == r && !subtracts) || (is_shifted(x->arg[i], r) && !continues))
                return false;
        }
    return e->def->body != r && !is_shifted(e->def->body, r);
}

/* Is there a sum over the same range that is NaN if a term of r is, and makes the result NaN? */
static bool has_sum_of_nan(const fv_kemit *e, const fv_expr *r) {
    const fv_expr *s;
    for (fv_x_visitor v = fv_x_visit(e->l->current.scratch, e->def->body); (s = fv_x_next(&v));) {
        if (s->op != FV_X_REDUCE || s->u.red.kind != FV_SUM || s->u.red.nvars != 1 ||
            s->u.red.vars[0]->dim != r->u.red.vars[0]->dim)
            continue;
        fv_expr *to = fv_x_var(e->l->exprs, s->u.red.vars[0]);
        const fv_expr *term = fv_x_replace_vars(e->l->exprs, r->arg[0], 1, r->u.red.vars, &to);
        if (follows_nan(s->arg[0], term) && follows_nan(e->def->body, s))
            return true;
    }
    return false;
}

bool fv_maximum_may_ignore_nan(const fv_kemit *e, const fv_expr *r) {
    return r->u.red.kind == FV_REDUCE_MAX && r->u.red.nvars == 1 && !e->group.n &&
           !e->sums.show_nan && is_shift(e, r) && has_sum_of_nan(e, r);
}

fv_maximum fv_maximum_new(fv_kemit *e, int64_t n) {
    fv_expr *none = fv_x_const_int(e->arena, FV_U32, MINUS_INFINITE);
    return (fv_maximum){
        .high = fv_kb_tile(&e->b, "high", FV_I32, n > 0, &n,
                           fv_x_const_int(e->arena, FV_I32, (int32_t)MINUS_INFINITE)),
        .low = fv_kb_tile(&e->b, "low", FV_U32, n > 0, &n, none),
        .top = fv_kb_tile(&e->b, "top", FV_U32, n > 0, &n, fv_x_const_int(e->arena, FV_U32, 0)),
    };
}

static void update(fv_kemit *e, fv_buf *tile, fv_expr_op op, fv_expr *at, fv_expr *x,
                   fv_expr *inside) {
    fv_expr **index = at ? &at : NULL, *old = fv_x_load(e->arena, tile, index),
            *next = fv_x_bin(e->arena, op, old, x);
    fv_kb_store(&e->b, tile, index, inside ? fv_x_select(e->arena, inside, next, old) : next, NULL);
}

void fv_maximum_add(fv_kemit *e, const fv_maximum *m, fv_expr *at, fv_expr *x, fv_expr *inside) {
    fv_expr *bits = fv_kb_let(&e->b, "bits", fv_x_cast(e->arena, FV_X_BITCAST, FV_U32, x));
    update(e, m->high, FV_X_MAX, at, fv_x_cast(e->arena, FV_X_BITCAST, FV_I32, bits), inside);
    update(e, m->low, FV_X_MIN, at, bits, inside);
    update(e, m->top, FV_X_MAX, at, bits, inside);
}

/* The bits of the minimum; without terms, those of infinity. */
static fv_expr *least(fv_arena *a, const fv_extremes *x) {
    fv_expr *low = fv_x_bin(a, FV_X_MIN, x->low, fv_x_const_int(a, FV_U32, INFINITE));
    fv_expr *top = fv_x_cast(a, FV_X_BITCAST, FV_I32, x->top);
    fv_expr *is_negative = fv_x_bin(a, FV_X_LT, top, fv_x_const_int(a, FV_I32, 0));
    return fv_x_select(a, is_negative, top, fv_x_cast(a, FV_X_BITCAST, FV_I32, low));
}

/* The bits of the maximum; without terms, those of -infinity. */
static fv_expr *greatest(fv_arena *a, const fv_extremes *x) {
    fv_expr *is_negative = fv_x_bin(a, FV_X_LT, x->high, fv_x_const_int(a, FV_I32, 0));
    return fv_x_select(a, is_negative, fv_x_cast(a, FV_X_BITCAST, FV_I32, x->low), x->high);
}

fv_expr *fv_maximum_of(fv_kemit *e, fv_reduce_kind kind, const fv_extremes *x) {
    fv_arena *a = e->arena;
    fv_expr *bits = kind == FV_REDUCE_MIN ? least(a, x) : greatest(a, x);
    fv_expr *is_nan =
        fv_x_bin(a, FV_X_OR, fv_x_bin(a, FV_X_LT, fv_x_const_int(a, FV_I32, INFINITE), x->high),
                 fv_x_bin(a, FV_X_LT, fv_x_const_int(a, FV_U32, MINUS_INFINITE), x->top));
    bits = fv_x_select(a, is_nan, fv_x_const_int(a, FV_I32, -1), bits);
    return fv_x_cast(a, FV_X_BITCAST, FV_F32, bits);
}

bool fv_maximum_is_opposite(fv_kemit *e, const fv_expr *r, const fv_expr *x) {
    const int n = r->u.red.nvars;
    fv_expr *to[FV_MAX_RANK];
    if (x->op != FV_X_REDUCE || x->u.red.nvars != n || x->u.red.kind == r->u.red.kind ||
        !fv_maximum_fits(e, x))
        return false;
    for (int i = 0; i < n; i++) {
        if (x->u.red.vars[i]->dim != r->u.red.vars[i]->dim)
            return false;
        to[i] = fv_x_var(e->l->exprs, r->u.red.vars[i]);
    }
    return fv_x_equal(fv_x_replace_vars(e->l->exprs, x->arg[0], n, x->u.red.vars, to), r->arg[0]);
}
