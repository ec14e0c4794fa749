/* softmax.c - recognizes weights of attention that are a softmax of the scores, and hidden keys
 * that its definition leaves out. */
#include "backend/fuse/softmax.h"

#include <math.h>

#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/type/float_bits.h"

/* ---- parts of expressions ---- */

bool fv_is_product_sum(const fv_expr *x) {
    return x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM && x->arg[0]->op == FV_X_MUL &&
           fv_elem_is_float((fv_elem)x->type.elem);
}

bool fv_has_products(const fv_expr *x) {
    bool found = fv_is_product_sum(x);
    for (int i = 0; i < x->n && !found; i++)
        found = fv_has_products(x->arg[i]);
    return found;
}

bool fv_is_number(const fv_expr *x, double *value) {
    fv_elem e = (fv_elem)x->type.elem;
    bool is = x->op == FV_X_CONST && fv_elem_is_float(e);
    *value = is ? x->u.f : 0;
    if (x->op != FV_X_CONVERT || !fv_elem_is_float(e) || !fv_is_number(x->arg[0], value))
        return is;
    *value = fv_float_decode(e, fv_float_encode(e, *value));
    return true;
}

/* ---- are the weights a softmax of x? ---- */

/* x with the key in place of the variable v. */
static fv_expr *over_key(const fv_softmax *f, fv_expr *x, fv_var *v) {
    fv_expr *key = fv_x_var(f->a, f->at->key);
    return fv_x_replace_vars(f->a, x, 1, &v, &key);
}

static bool is_max(const fv_softmax *f, fv_expr *x, const fv_expr *of) {
    return x->op == FV_X_REDUCE && x->u.red.kind == FV_REDUCE_MAX && x->u.red.nvars == 1 &&
           over_key(f, x->arg[0], x->u.red.vars[0]) == of;
}

static bool is_same_for_row(const fv_softmax *f, const fv_expr *x) {
    return !fv_has_products(x) && !fv_x_uses(x, f->at->key);
}

/* The maximum of x within `shift`, which may be the larger one of it and a sink; NULL: `shift` has
 * another form. */
static fv_expr *max_in(const fv_softmax *f, fv_expr *shift, const fv_expr *x) {
    if (is_max(f, shift, x))
        return shift;
    for (int i = 0; i < 2 && shift->op == FV_X_MAX; i++)
        if (is_max(f, shift->arg[i], x) && is_same_for_row(f, shift->arg[1 - i]))
            return shift->arg[i];
    return NULL;
}

/* Is x the expression exp(x - shift)? The first one that is found is recorded; others must equal
 * it. */
static bool is_exp(fv_softmax *f, fv_expr *x) {
    bool exp = x->op == FV_X_EXP || x->op == FV_X_EXP_FLUSH;
    fv_expr *y = exp && x->arg[0]->op == FV_X_SUB ? x->arg[0] : NULL;
    fv_expr *max = y && !f->exp && fv_x_contains(f->a, y->arg[0], f->at->score)
                       ? max_in(f, y->arg[1], y->arg[0])
                       : NULL;
    if (f->exp || (f->max && max != f->max))
        return x == f->exp;
    if (!max)
        return false;
    f->exp = x;
    f->x = y->arg[0];
    f->max = max;
    f->shift = y->arg[1];
    return true;
}

/* Is x the sum of the exponentials, or that sum plus the exponential of a sink? If the shift is
 * finite, x is at least 1, because the exponential of the largest number is 1. (If only the shift
 * contains a sink, x can be less, and is 0 if all exponentials are.) */
static bool is_total(const fv_softmax *f, const fv_expr *x) {
    bool found = x == f->sum;
    for (int i = 0; i < 2 && !found && f->sum && x->op == FV_X_ADD && x->arg[i] == f->sum; i++) {
        const fv_expr *e = x->arg[1 - i];
        found = f->exp && e->op == f->exp->op && e->arg[0]->op == FV_X_SUB &&
                e->arg[0]->arg[1] == f->shift && is_same_for_row(f, e->arg[0]->arg[0]);
    }
    return found;
}

/* Do scores occur only in the exponential, in its sum, and in the maximum? */
static bool find_parts(fv_softmax *f, const fv_expr *root) {
    fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(f->a, root); (x = fv_x_next(&v));) {
        bool known = !fv_has_products(x) || is_exp(f, x) || x == f->max || x == f->sum;
        if (!known && x->op == FV_X_REDUCE) {
            bool sum = !f->sum && x->u.red.kind == FV_SUM && x->u.red.nvars == 1 &&
                       is_exp(f, over_key(f, x->arg[0], x->u.red.vars[0]));
            f->sum = sum ? x : f->sum;
            /* the first other reduction is taken for the maximum; is_exp checks it when the
             * exponential is found */
            f->max = f->max ? f->max : x;
            known = sum || x == f->max;
            if (!known)
                return false;
        }
        if (known)
            fv_x_skip(&v);
    }
    return true;
}

/* Is x finite whatever data the model has? */
static bool is_finite(const fv_expr *x) {
    double c;
    return fv_is_number(x, &c)
               ? isfinite(c)
               : x->op == FV_X_CONVERT && !fv_elem_is_float((fv_elem)x->arg[0]->type.elem);
}

/* Is x a small integer, of which sums and products are exact in f32 and f64? */
static bool is_exact(double x) {
    return x == trunc(x) && fabs(x) <= 1024;
}

/* Sets *value to the value of x where the exponential of a key is 0 and that of another key of the
 * row is 1. False: that value is not known. A zero of unknown sign is given as -0. */
static bool value_beside(const fv_softmax *f, const fv_expr *x, double *value) {
    double y = 0, z = 0;
    *value = 0;
    if (x == f->exp)
        return true;
    if (x->op == FV_X_CONST) {
        *value = fv_elem_is_float((fv_elem)x->type.elem) ? x->u.f : (double)x->u.i;
        return true;
    }
    if (x->op == FV_X_SELECT) {
        bool same = value_beside(f, x->arg[1], &z) && value_beside(f, x->arg[2], &y) && y == z;
        *value = same && signbit(z) ? z : y;
        return same;
    }
    bool first = x->n > 0 && value_beside(f, x->arg[0], &y),
         second = x->n > 1 && value_beside(f, x->arg[1], &z);
    /* 0 * (1 / sum) is 0, because the sum is at least 1 */
    if (x->op == FV_X_MUL && first != second) {
        const fv_expr *other = x->arg[first];
        bool inverse =
            other->op == FV_X_DIV && is_finite(other->arg[0]) && is_total(f, other->arg[1]);
        double zero = first ? y : z, c;
        *value = fv_is_number(inverse ? other->arg[0] : other, &c) ? zero * c : -0.0;
        return zero == 0 && (inverse || is_finite(other));
    }
    if (x->op == FV_X_DIV && first && is_total(f, x->arg[1])) {
        *value = y;
        return y == 0;
    }
    if (!first || (x->n > 1 && !second) || x->n > 2)
        return false;
    switch ((fv_expr_op)x->op) {
    case FV_X_CONVERT: { /* small integers are exact in every type */
        fv_elem to = (fv_elem)x->type.elem;
        *value = y;
        bool has_it = y >= 0 || fv_elem_is_float(to) || to == FV_I8 || to == FV_I16 ||
                      to == FV_I32 || to == FV_I64;
        return has_it && y == trunc(y) &&
               fabs(y) <= (fv_elem_bits(to) >= 16 || (fv_elem_is_int(to) && fv_elem_bits(to) == 8)
                               ? 127
                               : 1);
    }
    case FV_X_RINT: *value = rint(y); return true;
    case FV_X_NEG: *value = -y; return true;
    case FV_X_MIN: *value = y < z ? y : z < y ? z : signbit(y) ? y : z; return true;
    case FV_X_MAX: *value = y > z ? y : z > y ? z : signbit(y) ? y : z; return true;
    case FV_X_ADD: *value = y + z; return is_exact(y) && is_exact(z);
    case FV_X_SUB: *value = y - z; return is_exact(y) && is_exact(z);
    case FV_X_MUL: *value = y * z; return is_exact(y) && is_exact(z);
    case FV_X_DIV: *value = y / z; return y == 0 && z != 0 && isfinite(z);
    default: return false;
    }
}

/* Is the weight 0 if its exponential is 0? A weight that is a result must be +0. */
static bool is_nothing(const fv_softmax *f) {
    double w;
    return value_beside(f, f->at->weight, &w) && w == 0 && !(f->kept && signbit(w));
}

bool fv_find_softmax(fv_softmax *f) {
    fv_expr *w = f->at->weight;
    return find_parts(f, w) && f->exp && f->sum && is_nothing(f);
}

/* ---- hidden keys ---- */

fv_expr *fv_softmax_seen(const fv_softmax *f, fv_expr *least, fv_expr *max) {
    return fv_x_bin(
        f->a, FV_X_AND, fv_x_bin(f->a, FV_X_LT, least, max),
        fv_x_bin(f->a, FV_X_LT, max, fv_x_const(f->a, (fv_elem)f->x->type.elem, INFINITY)));
}

static bool is_low(const fv_expr *x) {
    double c;
    return fv_is_number(x, &c) && c == -INFINITY;
}

/* The maximum over keys that `where` does not hide, as it is compared in the condition `seen`;
 * NULL: `seen` has another form. */
static fv_expr *compared(const fv_softmax *f, fv_expr *seen, fv_expr *where) {
    if (seen->op != FV_X_AND || seen->arg[0]->op != FV_X_LT || seen->arg[1]->op != FV_X_LT)
        return NULL;
    for (int i = 0; i < 2; i++) {
        fv_expr *least = seen->arg[i]->arg[0], *max = seen->arg[i]->arg[1];
        fv_expr *of = fv_x_select(
            f->a, where, fv_x_const(f->a, (fv_elem)f->x->type.elem, -INFINITY), f->x->arg[2]);
        if (is_max(f, max, of) && seen == fv_softmax_seen(f, least, max) &&
            !fv_has_products(least) && !fv_x_uses(least, f->at->key))
            return max;
    }
    return NULL;
}

void fv_find_hidden(fv_arena *a, fv_attention *at) {
    double c;
    fv_expr *v = at->v, *hidden = v->op == FV_X_SELECT ? v->arg[0] : NULL;
    if (!hidden || hidden->op != FV_X_AND || !fv_is_number(v->arg[1], &c) || c != 0 || signbit(c))
        return;
    fv_softmax f = {.a = a, .at = at};
    if (!fv_find_softmax(&f) || f.x->op != FV_X_SELECT || f.x->arg[0] != hidden ||
        !is_low(f.x->arg[1]))
        return;
    bool second = fv_has_products(hidden->arg[0]);
    fv_expr *where = hidden->arg[second], *seen = hidden->arg[!second];
    if (fv_has_products(where) || !compared(&f, seen, where))
        return;
    at->hidden = hidden;
    at->where = where;
    at->seen = seen;
    at->v = v->arg[2];
}
