/* quanta.c - see quanta.h. */
#include "backend/expand/quanta.h"

#include <math.h>

#include "backend/expand/quotient.h"

/* The other operand of a minimum or maximum of f32 with an integer; NULL: x is something else. */
static fv_expr *within(const fv_expr *x, fv_expr_op op, double *bound) {
    const double most = 1 << 17;
    if (x->op != op || x->type.elem != FV_F32)
        return NULL;
    for (int i = 0; i < 2; i++) {
        const fv_expr *c = x->arg[i];
        *bound = c->op == FV_X_CONST ? c->u.f : NAN;
        if (fabs(*bound) <= most && *bound == rint(*bound))
            return x->arg[1 - i];
    }
    return NULL;
}

bool fv_quanta_pay(const fv_target *t) {
    return t->single.fma32 && fv_is_vector_processor(t);
}

bool fv_quanta_of(const fv_expr *x, fv_quanta *q) {
    double high, low;
    if (x->op != FV_X_CONVERT || x->type.elem != FV_I32 || x->type.lanes != 1)
        return false;
    const fv_expr *r = within(x->arg[0], FV_X_MAX, &low);
    r = r ? within(r, FV_X_MIN, &high) : NULL;
    r = r && r->op == FV_X_RINT ? r->arg[0] : NULL;
    if (!r || r->op != FV_X_DIV || r->arg[1]->op != FV_X_CONST || low > high ||
        !fv_quotient_is_fma(r->arg[1]->u.f, &q->high, &q->low))
        return false;
    q->of = r->arg[0];
    q->least = (double)(float)(low * r->arg[1]->u.f);
    q->most = (double)(float)(high * r->arg[1]->u.f);
    return true;
}

fv_expr *fv_quanta_limited(fv_arena *a, const fv_quanta *q, fv_expr *x) {
    fv_expr *v = fv_x_bin(a, FV_X_MIN, x, fv_x_const(a, FV_F32, q->most));
    return fv_x_bin(a, FV_X_MAX, v, fv_x_const(a, FV_F32, q->least));
}

fv_expr *fv_quanta_rounded(fv_arena *a, fv_expr *v, fv_expr *high, fv_expr *low) {
    v = low ? fv_x_fma(a, v, high, fv_x_bin(a, FV_X_MUL, v, low)) : fv_x_bin(a, FV_X_MUL, v, high);
    return fv_x_convert(a, FV_I32, fv_x_un(a, FV_X_RINT, v));
}
