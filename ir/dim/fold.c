/* fold.c - simplification of division, mod, min, max and broadcast. Every rule holds for all values
 * of the symbols within their bounds, zero divisors included; a rule of broadcast holds for all
 * values with which the two shapes can be broadcast. */
#include "ir/dim/poly.h"

#include <assert.h>

/* The constant if the bounds of d allow only one value, otherwise d. */
static const fv_dim *fixed(fv_dims *t, const fv_dim *d) {
    bool one = d->lo == d->hi && d->lo != INT64_MIN && d->lo != INT64_MAX;
    return one ? fv_dim_const(t, d->lo) : d;
}

static bool is_const(const fv_dim *d, int64_t v) {
    return d->kind == FV_DIM_CONST && d->value == v;
}

static const fv_dim *zero(fv_dims *t) {
    return fv_dim_const(t, 0);
}
static const fv_dim *negative(fv_dims *t, const fv_dim *d) {
    return fv_dim_sub(t, zero(t), d);
}
static bool not_zero(const fv_dim *d) {
    return d->lo > 0 || d->hi < 0;
}

static const fv_dim *binary(fv_dims *t, fv_dim_kind kind, const fv_dim *a, const fv_dim *b) {
    return fv_dim_node(t, kind, 2, (const fv_dim *[]){a, b}, false);
}

/* ---- division by a constant c >= 2 ---- */

/* Splits p into c * quotient + rest, where |coefficients| of the rest are less than c and its
 * constant is in [0, c). */
static bool split_by_const(const fv_poly *p, int64_t c, fv_poly *quotient, fv_poly *rest) {
    *quotient = *rest = (fv_poly){0};
    for (int i = 0; i < p->n; i++)
        if (!fv_poly_add_term(quotient, p->term[i].m, p->term[i].c / c) ||
            !fv_poly_add_term(rest, p->term[i].m, p->term[i].c % c))
            return false;
    quotient->constant = fv_int_floordiv(p->constant, c);
    rest->constant = p->constant - c * quotient->constant;
    return true;
}

static void divide_terms(fv_poly *p, int64_t g) {
    for (int i = 0; i < p->n; i++)
        p->term[i].c /= g;
    p->constant = fv_int_floordiv(p->constant, g);
}

/* Sets *out to the value of p floordiv c if the bounds of p allow only one. */
static bool one_quotient(const fv_poly *p, int64_t c, int64_t *out) {
    fv_range r = fv_poly_range(p);
    if (r.lo == INT64_MIN || r.hi == INT64_MAX)
        return false;
    *out = fv_int_floordiv(r.lo, c);
    return fv_int_floordiv(r.hi, c) == *out;
}

/* ((x floordiv k) + r) floordiv c = (x + r * k) floordiv (k * c), for c >= 1. If r is not 0, k must
 * be a constant >= 1; if r is 0, k may be any dim. */
static const fv_dim *floordiv_nested(fv_dims *t, const fv_poly *rest, int64_t c) {
    int64_t shift = 0, by;
    if (rest->n != 1 || rest->term[0].c != 1 || rest->term[0].m->kind != FV_DIM_FLOORDIV)
        return NULL;
    const fv_dim *x = rest->term[0].m->arg[0], *k = rest->term[0].m->arg[1];
    bool fits = k->kind == FV_DIM_CONST && k->value >= 1 &&
                !__builtin_mul_overflow(k->value, c, &by) &&
                !__builtin_mul_overflow(rest->constant, k->value, &shift);
    if (!fits && rest->constant)
        return NULL;
    const fv_dim *divisor = fv_dim_mul(t, k, fv_dim_const(t, c));
    return divisor->opaque ? NULL
                           : fv_dim_floordiv(t, fv_dim_add(t, x, fv_dim_const(t, shift)), divisor);
}

static const fv_dim *floordiv_const(fv_dims *t, const fv_dim *a, int64_t c) {
    fv_poly p = {0}, quotient, rest;
    int64_t whole;
    if (!fv_poly_add(&p, a, 1) || !split_by_const(&p, c, &quotient, &rest))
        return binary(t, FV_DIM_FLOORDIV, a, fv_dim_const(t, c));
    const fv_dim *q = fv_poly_dim(t, &quotient), *r;
    /* (g * x + k) floordiv (g * c) = (x + k floordiv g) floordiv c */
    int64_t g = fv_int_gcd(fv_poly_content(&rest), c);
    divide_terms(&rest, g);
    c /= g;
    if (c == 1)
        r = fv_poly_dim(t, &rest);
    else if (one_quotient(&rest, c, &whole))
        r = fv_dim_const(t, whole);
    else if (!(r = floordiv_nested(t, &rest, c)))
        r = binary(t, FV_DIM_FLOORDIV, fv_poly_dim(t, &rest), fv_dim_const(t, c));
    return is_const(q, 0) ? r : fv_dim_add(t, q, r);
}

/* ---- division by anything ---- */

/* Splits p into b * quotient + rest for a b of one term: all terms that b divides go into the
 * quotient. */
static bool split_by_term(fv_dims *t, const fv_poly *p, const struct fv_term *b, fv_poly *quotient,
                          fv_poly *rest) {
    *quotient = (fv_poly){0};
    *rest = (fv_poly){.constant = p->constant};
    for (int i = 0; i < p->n; i++) {
        const fv_dim *m;
        bool divides = p->term[i].c != INT64_MIN && p->term[i].c % b->c == 0 &&
                       fv_mono_divide(t, p->term[i].m, b->m, &m);
        if (!divides ? !fv_poly_add_term(rest, p->term[i].m, p->term[i].c)
                     : !fv_poly_add_term(quotient, m, p->term[i].c / b->c))
            return false;
    }
    return quotient->n || quotient->constant;
}

static bool divide_mono(fv_dims *t, fv_poly *p, const fv_dim *by) {
    fv_poly out = {0};
    const fv_dim *m;
    if (p->constant)
        return false;
    for (int i = 0; i < p->n; i++)
        if (!fv_mono_divide(t, p->term[i].m, by, &m) || !fv_poly_add_term(&out, m, p->term[i].c))
            return false;
    *p = out;
    return true;
}

/* Divides p and b by an atom that is a factor of all their terms and cannot be 0; false: there is
 * none. */
static bool cancel_atom(fv_dims *t, fv_poly *p, fv_poly *b) {
    const fv_dim *lead = b->n ? b->term[0].m : NULL;
    for (int i = 0; i < fv_mono_degree(lead); i++) {
        const fv_dim *atom = fv_mono_atom(lead, i);
        fv_poly u = *p, v = *b;
        if (not_zero(atom) && divide_mono(t, &u, atom) && divide_mono(t, &v, atom)) {
            *p = u;
            *b = v;
            return true;
        }
    }
    return false;
}

/* Divides p and b by the greatest common divisor of their coefficients, with the sign that makes
 * the leading coefficient of b positive. */
static bool cancel_content(fv_poly *p, fv_poly *b) {
    int64_t g = fv_int_gcd(fv_poly_content(p), p->constant);
    g = fv_int_gcd(fv_int_gcd(fv_poly_content(b), b->constant), g);
    if (g == 0)
        return false;
    if (b->n && b->term[0].c < 0)
        g = -g;
    if (g == 1)
        return false;
    for (int i = 0; i < p->n; i++)
        p->term[i].c /= g;
    for (int i = 0; i < b->n; i++)
        b->term[i].c /= g;
    p->constant /= g;
    b->constant /= g;
    return true;
}

static bool any_is(const fv_poly *p, int64_t v) {
    for (int i = 0; i < p->n; i++)
        if (p->term[i].c == v)
            return true;
    return p->constant == v;
}

/* Simplifies a floordiv b for a b that is not a constant; NULL: nothing applies. */
static const fv_dim *floordiv_symbolic(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    fv_poly p = {0}, q = {0}, quotient, rest;
    if (!fv_poly_add(&p, a, 1) || !fv_poly_add(&q, b, 1) || any_is(&p, INT64_MIN) ||
        any_is(&q, INT64_MIN))
        return NULL;
    /* the result of the cancellation is folded again */
    if (cancel_content(&p, &q) || cancel_atom(t, &p, &q))
        return fv_dim_floordiv(t, fv_poly_dim(t, &p), fv_poly_dim(t, &q));
    if (not_zero(b) && fv_poly_divide(t, &quotient, &p, &q))
        return fv_poly_dim(t, &quotient);
    if (not_zero(b) && q.n == 1 && !q.constant &&
        split_by_term(t, &p, &q.term[0], &quotient, &rest))
        return fv_dim_add(t, fv_poly_dim(t, &quotient),
                          fv_dim_floordiv(t, fv_poly_dim(t, &rest), b));
    if (a->kind == FV_DIM_FLOORDIV && b->lo >= 0 && !fv_dim_mul(t, a->arg[1], b)->opaque)
        return /* (x floordiv y) floordiv b = x floordiv (y * b) holds for either sign of y */
            fv_dim_floordiv(t, a->arg[0], fv_dim_mul(t, a->arg[1], b));
    if (a->lo >= 0 && fv_dim_at_most(t, fv_dim_add(t, a, fv_dim_const(t, 1)), b))
        return zero(t);
    return NULL;
}

static const fv_dim *floordiv(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    a = fixed(t, a);
    b = fixed(t, b);
    if (is_const(a, 0) || is_const(b, 0))
        return zero(t);
    if (is_const(b, 1))
        return a;
    if (b->kind == FV_DIM_CONST && b->value < 0 && b->value != INT64_MIN)
        return fv_dim_floordiv(t, negative(t, a), fv_dim_const(t, -b->value));
    if (b->kind == FV_DIM_CONST && b->value > 0)
        return floordiv_const(t, a, b->value);
    const fv_dim *simple = floordiv_symbolic(t, a, b);
    return simple ? simple : binary(t, FV_DIM_FLOORDIV, a, b);
}

const fv_dim *fv_dim_floordiv(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return fv_dim_settle(t, floordiv(t, a, b));
}

static const fv_dim *ceildiv(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    a = fixed(t, a);
    b = fixed(t, b);
    if (b->lo >= 0)
        return fv_dim_floordiv(t, fv_dim_add(t, a, fv_dim_sub(t, b, fv_dim_const(t, 1))), b);
    if (b->hi <= 0)
        return fv_dim_ceildiv(t, negative(t, a), negative(t, b));
    return is_const(a, 0) ? a : binary(t, FV_DIM_CEILDIV, a, b);
}

const fv_dim *fv_dim_ceildiv(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return fv_dim_settle(t, ceildiv(t, a, b));
}

/* ---- mod ---- */

/* Replaces (y mod k) by y where c divides k, which does not change the value mod c. */
static bool drop_inner_mods(fv_poly *p, int64_t c) {
    for (int i = 0; i < p->n; i++) {
        const fv_dim *m = p->term[i].m;
        int64_t scale = p->term[i].c;
        if (m->kind != FV_DIM_MOD || m->arg[1]->kind != FV_DIM_CONST || m->arg[1]->value % c != 0 ||
            scale == INT64_MIN)
            continue;
        fv_poly q = *p;
        if (!fv_poly_add_term(&q, m, -scale) || !fv_poly_add(&q, m->arg[0], scale))
            return false;
        *p = q;
        i = -1;
    }
    return true;
}

static const fv_dim *mod_const(fv_dims *t, const fv_dim *a, int64_t c) {
    fv_poly p = {0}, quotient, rest;
    int64_t whole;
    if (!fv_poly_add(&p, a, 1) || !drop_inner_mods(&p, c) ||
        !split_by_const(&p, c, &quotient, &rest))
        return binary(t, FV_DIM_MOD, a, fv_dim_const(t, c));
    /* (g * x + k) mod (g * c) = g * (x mod c) + k, where 0 <= k < g, after whole g moved into x */
    int64_t g = fv_int_gcd(fv_poly_content(&rest), c), k = rest.constant % g;
    rest.constant -= k;
    divide_terms(&rest, g);
    c /= g;
    const fv_dim *r;
    if (c == 1)
        r = zero(t);
    else if (one_quotient(&rest, c, &whole))
        r = fv_dim_sub(t, fv_poly_dim(t, &rest),
                       fv_dim_mul(t, fv_dim_const(t, whole), fv_dim_const(t, c)));
    else
        r = binary(t, FV_DIM_MOD, fv_poly_dim(t, &rest), fv_dim_const(t, c));
    return fv_dim_add(t, fv_dim_mul(t, r, fv_dim_const(t, g)), fv_dim_const(t, k));
}

static const fv_dim *mod_symbolic(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    fv_poly p = {0}, q = {0}, quotient, rest;
    if (!fv_poly_add(&p, a, 1) || !fv_poly_add(&q, b, 1) || any_is(&p, INT64_MIN) ||
        any_is(&q, INT64_MIN))
        return NULL;
    if (fv_poly_divide(t, &quotient, &p, &q))
        return zero(t);
    if (q.n == 1 && !q.constant && split_by_term(t, &p, &q.term[0], &quotient, &rest))
        return fv_dim_mod(t, fv_poly_dim(t, &rest), b);
    if (a->lo >= 0 && fv_dim_at_most(t, fv_dim_add(t, a, fv_dim_const(t, 1)), b))
        return a;
    return NULL;
}

static const fv_dim *mod(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    a = fixed(t, a);
    b = fixed(t, b);
    if (is_const(a, 0) || is_const(b, 0) || is_const(b, 1) || is_const(b, -1) || a == b)
        return zero(t);
    if (b->kind == FV_DIM_CONST && b->value < 0 && b->value != INT64_MIN)
        return negative(t, fv_dim_mod(t, negative(t, a), fv_dim_const(t, -b->value)));
    if (b->kind == FV_DIM_CONST && b->value > 0)
        return mod_const(t, a, b->value);
    const fv_dim *simple = mod_symbolic(t, a, b);
    return simple ? simple : binary(t, FV_DIM_MOD, a, b);
}

const fv_dim *fv_dim_mod(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return fv_dim_settle(t, mod(t, a, b));
}

/* ---- min, max, broadcast ---- */

enum { MOST_ARGS = 32 };

typedef struct arguments {
    int n;
    const fv_dim *at[MOST_ARGS];
} arguments;

/* Adds the arguments of nested nodes of one kind to the list, sorted and without duplicates; false:
 * there are too many. */
static bool collect(arguments *list, fv_dim_kind kind, const fv_dim *d) {
    if (d->kind == kind)
        return collect(list, kind, d->arg[0]) && collect(list, kind, d->arg[1]);
    int i = 0;
    while (i < list->n && fv_dim_sorts(list->at[i], d) < 0)
        i++;
    if (i < list->n && list->at[i] == d)
        return true;
    if (list->n == MOST_ARGS)
        return false;
    for (int k = list->n++; k > i; k--)
        list->at[k] = list->at[k - 1];
    list->at[i] = d;
    return true;
}

static const fv_dim *nest(fv_dims *t, fv_dim_kind kind, const arguments *list) {
    const fv_dim *d = list->at[list->n - 1];
    for (int i = list->n - 2; i >= 0; i--)
        d = binary(t, kind, list->at[i], d);
    return d;
}

/* Is v redundant in a min or max that contains u: u <= v in a min, u >= v in a max? */
static bool wins(fv_dims *t, fv_dim_kind kind, const fv_dim *u, const fv_dim *v) {
    return kind == FV_DIM_MIN ? fv_dim_at_most(t, u, v) : fv_dim_at_most(t, v, u);
}

static void drop_dominated(fv_dims *t, fv_dim_kind kind, arguments *list) {
    for (int i = 0; i < list->n; i++)
        for (int k = 0; k < list->n; k++) {
            if (i == k || !wins(t, kind, list->at[i], list->at[k]))
                continue;
            list->n--;
            for (int j = k; j < list->n; j++)
                list->at[j] = list->at[j + 1];
            i = -1;
            break;
        }
}

/* Is l at most every argument of the min, except the one at `skip`? */
static bool below_all(fv_dims *t, const fv_dim *l, const arguments *list, int skip) {
    for (int i = 0; i < list->n; i++)
        if (i != skip && !fv_dim_at_most(t, l, list->at[i]))
            return false;
    return true;
}

/* Gives a clamp its normal form: min(h, max(l, x)) is max(l, min(h, x)) if l <= h. */
static const fv_dim *clamp(fv_dims *t, const arguments *list) {
    for (int i = 0; i < list->n; i++) {
        arguments inner = {0};
        if (list->at[i]->kind != FV_DIM_MAX_ || !collect(&inner, FV_DIM_MAX_, list->at[i]))
            continue;
        for (int k = 0; k < inner.n; k++) {
            const fv_dim *l = inner.at[k], *d = NULL;
            if (!below_all(t, l, list, i))
                continue;
            for (int j = 0; j < inner.n; j++)
                if (j != k)
                    d = d ? fv_dim_max(t, d, inner.at[j]) : inner.at[j];
            for (int j = 0; j < list->n; j++)
                if (j != i)
                    d = fv_dim_min(t, d, list->at[j]);
            return fv_dim_max(t, l, d);
        }
    }
    return NULL;
}

static const fv_dim *extremum(fv_dims *t, fv_dim_kind kind, const fv_dim *a, const fv_dim *b) {
    arguments list = {0};
    a = fixed(t, a);
    b = fixed(t, b);
    if (!collect(&list, kind, a) || !collect(&list, kind, b))
        return binary(t, kind, a, b);
    drop_dominated(t, kind, &list);
    const fv_dim *simple = kind == FV_DIM_MIN && list.n > 1 ? clamp(t, &list) : NULL;
    return simple ? simple : nest(t, kind, &list);
}

const fv_dim *fv_dim_min(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return fv_dim_settle(t, extremum(t, FV_DIM_MIN, a, b));
}

const fv_dim *fv_dim_max(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return fv_dim_settle(t, extremum(t, FV_DIM_MAX_, a, b));
}

static bool not_one(const fv_dim *d) {
    return d->lo > 1 || d->hi < 1;
}

static const fv_dim *broadcast(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    arguments list = {0};
    a = fixed(t, a);
    b = fixed(t, b);
    if (is_const(a, 1))
        return b;
    /* if neither is 1 both are equal, so the one that is known not to be 1 is the result; a
     * constant is preferred */
    if (is_const(b, 1) || a == b || (not_one(a) && a->kind == FV_DIM_CONST))
        return a;
    if (not_one(b) && b->kind == FV_DIM_CONST)
        return b;
    if (not_one(a) || not_one(b))
        return not_one(a) && (!not_one(b) || fv_dim_sorts(a, b) < 0) ? a : b;
    if (!collect(&list, FV_DIM_BROADCAST, a) || !collect(&list, FV_DIM_BROADCAST, b))
        return binary(t, FV_DIM_BROADCAST, a, b);
    return nest(t, FV_DIM_BROADCAST, &list);
}

const fv_dim *fv_dim_broadcast(fv_dims *t, const fv_dim *a, const fv_dim *b) {
    return fv_dim_settle(t, broadcast(t, a, b));
}

/* ---- predicates ---- */

const fv_dim *fv_dim_is(fv_dims *t, const fv_dim *a, int64_t k) {
    const fv_dim *one = fv_dim_const(t, 1), *d = fv_dim_sub(t, a, fv_dim_const(t, k));
    const fv_dim *distance = fv_dim_max(t, d, negative(t, d));
    return fv_dim_sub(t, one, fv_dim_min(t, one, distance));
}

const fv_dim *fv_dim_is_negative(fv_dims *t, const fv_dim *a) {
    const fv_dim *one = fv_dim_const(t, 1);
    return fv_dim_max(t, zero(t), fv_dim_min(t, one, negative(t, a)));
}

const fv_dim *fv_dim_select(fv_dims *t, const fv_dim *cond, const fv_dim *a, const fv_dim *b) {
    if (a == b)
        return a;
    return fv_dim_add(t, b, fv_dim_mul(t, cond, fv_dim_sub(t, a, b)));
}
