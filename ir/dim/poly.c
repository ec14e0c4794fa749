/* poly.c - arithmetic of sums of products, and bounds on them. */
#include "ir/dim/poly.h"

#include <string.h>

static int64_t min64(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int64_t fv_int_floordiv(int64_t a, int64_t b) {
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

int64_t fv_int_gcd(int64_t a, int64_t b) {
    if (a == INT64_MIN || b == INT64_MIN)
        return 1;
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a < 0 ? -a : a;
}

/* ---- order ---- */

static int rank_of(fv_dim_kind k) {
    switch (k) {
    case FV_DIM_SYMBOL: return 0;
    case FV_DIM_BROADCAST: return 1;
    case FV_DIM_FLOORDIV: return 2;
    case FV_DIM_CEILDIV: return 3;
    case FV_DIM_MOD: return 4;
    case FV_DIM_MIN: return 5;
    case FV_DIM_MAX_: return 6;
    case FV_DIM_MUL: return 7;
    case FV_DIM_ADD: return 8;
    case FV_DIM_CONST: return 9;
    }
    return 10;
}

int fv_dim_sorts(const fv_dim *a, const fv_dim *b) {
    if (a == b)
        return 0;
    if (a->kind != b->kind)
        return rank_of(a->kind) < rank_of(b->kind) ? -1 : 1;
    if (a->kind == FV_DIM_CONST)
        return a->value < b->value ? -1 : a->value > b->value;
    if (a->kind == FV_DIM_SYMBOL)
        return strcmp(a->name, b->name);
    for (int i = 0; i < a->n && i < b->n; i++)
        if (a->arg[i] != b->arg[i])
            return fv_dim_sorts(a->arg[i], b->arg[i]);
    return a->n != b->n ? (a->n < b->n ? -1 : 1) : (int)a->opaque - (int)b->opaque;
}

/* ---- monomials: NULL is 1 ---- */

static bool is_product(const fv_dim *m) {
    return m->kind == FV_DIM_MUL && !m->opaque;
}

int fv_mono_degree(const fv_dim *m) {
    return !m ? 0 : is_product(m) ? m->n : 1;
}

const fv_dim *fv_mono_atom(const fv_dim *m, int i) {
    return is_product(m) ? m->arg[i] : m;
}

/* Orders monomials: higher degree first, then by atoms. Multiplying two monomials by a third one
 * keeps their order; division relies on that. */
static int mono_sorts(const fv_dim *a, const fv_dim *b) {
    int da = fv_mono_degree(a), db = fv_mono_degree(b);
    if (a == b || da != db)
        return db - da;
    for (int i = 0; i < da; i++)
        if (fv_mono_atom(a, i) != fv_mono_atom(b, i))
            return fv_dim_sorts(fv_mono_atom(a, i), fv_mono_atom(b, i));
    return 0;
}

enum { LARGEST_DEGREE = 64 };

static const fv_dim *mono_of(fv_dims *t, int n, const fv_dim *const *atoms) {
    return n == 0 ? NULL : n == 1 ? atoms[0] : fv_dim_node(t, FV_DIM_MUL, n, atoms, false);
}

static bool mono_mul(fv_dims *t, const fv_dim *a, const fv_dim *b, const fv_dim **out) {
    const fv_dim *atoms[LARGEST_DEGREE];
    int da = fv_mono_degree(a), db = fv_mono_degree(b), i = 0, k = 0;
    if (da + db > LARGEST_DEGREE)
        return false;
    while (i + k < da + db) {
        bool left =
            k == db || (i < da && fv_dim_sorts(fv_mono_atom(a, i), fv_mono_atom(b, k)) <= 0);
        const fv_dim *next = left ? fv_mono_atom(a, i) : fv_mono_atom(b, k);
        atoms[i + k] = next;
        *(left ? &i : &k) += 1;
    }
    *out = mono_of(t, da + db, atoms);
    return true;
}

bool fv_mono_divide(fv_dims *t, const fv_dim *m, const fv_dim *by, const fv_dim **out) {
    const fv_dim *left[LARGEST_DEGREE];
    int dm = fv_mono_degree(m), db = fv_mono_degree(by), n = 0, k = 0;
    for (int i = 0; i < dm; i++) {
        if (k < db && fv_mono_atom(m, i) == fv_mono_atom(by, k))
            k++;
        else
            left[n++] = fv_mono_atom(m, i);
    }
    if (k < db)
        return false;
    *out = mono_of(t, n, left);
    return true;
}

/* ---- polynomials ---- */

bool fv_poly_add_term(fv_poly *p, const fv_dim *m, int64_t c) {
    if (!m)
        return !__builtin_add_overflow(p->constant, c, &p->constant);
    if (c == 0)
        return true;
    int i = 0;
    while (i < p->n && p->term[i].m != m && mono_sorts(p->term[i].m, m) < 0)
        i++;
    if (i < p->n && p->term[i].m == m) {
        if (__builtin_add_overflow(p->term[i].c, c, &p->term[i].c))
            return false;
        if (p->term[i].c == 0) {
            p->n--;
            memmove(&p->term[i], &p->term[i + 1], (size_t)(p->n - i) * sizeof p->term[0]);
        }
        return true;
    }
    if (p->n == FV_POLY_TERMS)
        return false;
    memmove(&p->term[i + 1], &p->term[i], (size_t)(p->n - i) * sizeof p->term[0]);
    p->term[i] = (struct fv_term){c, m};
    p->n++;
    return true;
}

/* Adds scale * d for a product d, whose last factor may be a constant. */
static bool add_product(fv_poly *p, const fv_dim *d, int64_t scale) {
    const fv_dim *last = d->arg[d->n - 1];
    if (last->kind != FV_DIM_CONST)
        return fv_poly_add_term(p, d, scale);
    int64_t c; /* without its constant, the product is the monomial arg[0] */
    return !__builtin_mul_overflow(scale, last->value, &c) && fv_poly_add_term(p, d->arg[0], c);
}

bool fv_poly_add(fv_poly *p, const fv_dim *d, int64_t scale) {
    int64_t c;
    if (d->lo == d->hi && d->lo != INT64_MIN && d->lo != INT64_MAX)
        return !__builtin_mul_overflow(scale, d->lo, &c) && fv_poly_add_term(p, NULL, c);
    if (d->kind == FV_DIM_CONST)
        return !__builtin_mul_overflow(scale, d->value, &c) && fv_poly_add_term(p, NULL, c);
    if (d->opaque)
        return fv_poly_add_term(p, d, scale);
    if (d->kind == FV_DIM_MUL)
        return add_product(p, d, scale);
    if (d->kind != FV_DIM_ADD)
        return fv_poly_add_term(p, d, scale);
    for (int i = 0; i < d->n; i++)
        if (!fv_poly_add(p, d->arg[i], scale))
            return false;
    return true;
}

bool fv_poly_add_poly(fv_poly *p, const fv_poly *q, int64_t scale) {
    int64_t c;
    for (int i = 0; i < q->n; i++)
        if (__builtin_mul_overflow(q->term[i].c, scale, &c) ||
            !fv_poly_add_term(p, q->term[i].m, c))
            return false;
    return !__builtin_mul_overflow(q->constant, scale, &c) && fv_poly_add_term(p, NULL, c);
}

/* Adds a * c * m to out. */
static bool add_scaled(fv_dims *t, fv_poly *out, const fv_poly *a, const fv_dim *m, int64_t c) {
    for (int i = 0; i <= a->n; i++) {
        const fv_dim *product, *factor = i < a->n ? a->term[i].m : NULL;
        int64_t k = i < a->n ? a->term[i].c : a->constant;
        if (k == 0 || c == 0)
            continue;
        if (__builtin_mul_overflow(k, c, &k) || !mono_mul(t, factor, m, &product))
            return false;
        if (!product ? !fv_poly_add_term(out, NULL, k) : !fv_poly_add(out, product, k))
            /* fv_poly_add and not add_term, because the product of the monomials may be a
             * constant */
            return false;
    }
    return true;
}

bool fv_poly_mul(fv_dims *t, fv_poly *out, const fv_poly *a, const fv_poly *b) {
    *out = (fv_poly){0};
    for (int i = 0; i < b->n; i++)
        if (!add_scaled(t, out, a, b->term[i].m, b->term[i].c))
            return false;
    return add_scaled(t, out, a, NULL, b->constant);
}

bool fv_poly_divide(fv_dims *t, fv_poly *out, const fv_poly *a, const fv_poly *b) {
    const fv_dim *lead = b->n ? b->term[0].m : NULL, *m;
    int64_t c = b->n ? b->term[0].c : b->constant, k;
    fv_poly rest = *a;
    *out = (fv_poly){0};
    if (c == 0)
        return false;
    for (int steps = 0; rest.n || rest.constant; steps++) {
        const fv_dim *top = rest.n ? rest.term[0].m : NULL;
        k = rest.n ? rest.term[0].c : rest.constant;
        if (steps > FV_POLY_TERMS || k == INT64_MIN || k % c != 0)
            return false;
        k /= c;
        if (!fv_mono_divide(t, top, lead, &m) ||
            !(m ? fv_poly_add(out, m, k) : fv_poly_add_term(out, NULL, k)) ||
            !add_scaled(t, &rest, b, m, -k))
            return false;
    }
    return true;
}

int64_t fv_poly_content(const fv_poly *p) {
    int64_t g = 0;
    for (int i = 0; i < p->n; i++)
        g = fv_int_gcd(g, p->term[i].c);
    return g;
}

static const fv_dim *term_dim(fv_dims *t, const fv_dim *m, int64_t c) {
    if (c == 1)
        return m;
    return fv_dim_node(t, FV_DIM_MUL, 2, (const fv_dim *[]){m, fv_dim_const(t, c)}, false);
}

const fv_dim *fv_poly_dim(fv_dims *t, const fv_poly *p) {
    const fv_dim *args[FV_POLY_TERMS + 1];
    int n = 0;
    for (int i = 0; i < p->n; i++)
        args[n++] = term_dim(t, p->term[i].m, p->term[i].c);
    if (p->constant || n == 0)
        args[n++] = fv_dim_const(t, p->constant);
    return n == 1 ? args[0] : fv_dim_node(t, FV_DIM_ADD, n, args, false);
}

/* ---- bounds ---- */

/* Adds two lower bounds. A sum that overflows upwards becomes INT64_MAX, which is still a lower
 * bound; upper bounds are cut at INT64_MIN for the same reason. */
static int64_t add_lo(int64_t a, int64_t b) {
    int64_t c;
    if (a == INT64_MIN || b == INT64_MIN)
        return INT64_MIN;
    return !__builtin_add_overflow(a, b, &c) ? c : a < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t add_hi(int64_t a, int64_t b) {
    int64_t c;
    if (a == INT64_MAX || b == INT64_MAX)
        return INT64_MAX;
    return !__builtin_add_overflow(a, b, &c) ? c : a < 0 ? INT64_MIN : INT64_MAX;
}

fv_range fv_range_add(fv_range a, fv_range b) {
    return (fv_range){add_lo(a.lo, b.lo), add_hi(a.hi, b.hi)};
}

static fv_range scaled(fv_range r, int64_t c) {
    int64_t a = 0, b = 0;
    if (c < 0)
        r = (fv_range){r.hi, r.lo};
    bool no_lo = r.lo == INT64_MIN || r.lo == INT64_MAX || __builtin_mul_overflow(r.lo, c, &a);
    bool no_hi = r.hi == INT64_MIN || r.hi == INT64_MAX || __builtin_mul_overflow(r.hi, c, &b);
    return (fv_range){no_lo ? INT64_MIN : a, no_hi ? INT64_MAX : b};
}

static fv_range plain_range(const fv_poly *p) {
    fv_range sum = {p->constant, p->constant};
    for (int i = 0; i < p->n; i++) {
        const fv_dim *m = p->term[i].m;
        sum = fv_range_add(sum, scaled((fv_range){m->lo, m->hi}, p->term[i].c));
    }
    return sum;
}

static fv_range refined_range(const fv_poly *p, int depth);

/* Sets *out to p with the atom of term i replaced by d. */
static bool with_term(fv_poly *out, const fv_poly *p, int i, const fv_dim *d) {
    int64_t c = p->term[i].c;
    *out = *p;
    return fv_poly_add_term(out, p->term[i].m, -c) && fv_poly_add(out, d, c);
}

/* Bounds p, in which term i is min(u, v) or max(u, v), by the bounds of p with u and with v in its
 * place. */
static bool range_by_choice(const fv_poly *p, int i, int depth, fv_range *out) {
    const fv_dim *m = p->term[i].m;
    fv_poly q;
    if (p->term[i].c == INT64_MIN || !with_term(&q, p, i, m->arg[0]))
        return false;
    fv_range u = refined_range(&q, depth - 1);
    if (!with_term(&q, p, i, m->arg[1]))
        return false;
    fv_range v = refined_range(&q, depth - 1);
    bool larger = (m->kind == FV_DIM_MAX_) == (p->term[i].c > 0);
    *out = larger ? (fv_range){max64(u.lo, v.lo), max64(u.hi, v.hi)}
                  : (fv_range){min64(u.lo, v.lo), min64(u.hi, v.hi)};
    return true;
}

/* Bounds p by replacing k * (x floordiv k) by x, from which it differs by 0 to k - 1. */
static bool range_by_quotient(const fv_poly *p, int i, int depth, fv_range *out) {
    const fv_dim *x = p->term[i].m->arg[0];
    int64_t k = p->term[i].m->arg[1]->value, c = p->term[i].c, slack;
    fv_poly rest = *p, all = {0};
    if (c == INT64_MIN || __builtin_mul_overflow(c, k - 1, &slack) || slack == INT64_MIN ||
        !fv_poly_add_term(&rest, p->term[i].m, -c) || !fv_poly_add_poly(&all, &rest, k) ||
        !fv_poly_add(&all, x, c))
        return false;
    fv_range r = refined_range(&all, depth - 1);
    *(c > 0 ? &r.lo : &r.hi) = c > 0 ? add_lo(r.lo, -slack) : add_hi(r.hi, -slack);
    if (r.lo != INT64_MIN && r.lo != INT64_MAX)
        r.lo = fv_int_floordiv(r.lo, k) + (r.lo % k != 0); /* division that rounds up */
    if (r.hi != INT64_MAX && r.hi != INT64_MIN)
        r.hi = fv_int_floordiv(r.hi, k);
    *out = r;
    return true;
}

static bool is_predicate(const fv_dim *d) {
    return (d->kind == FV_DIM_MIN || d->kind == FV_DIM_MAX_) && d->lo == 0 && d->hi == 1;
}

/* Sets *out to p with the atom `what` replaced by 0 or 1. */
static bool assume_predicate(fv_poly *out, const fv_poly *p, const fv_dim *what, int value) {
    *out = (fv_poly){.constant = p->constant};
    for (int i = 0; i < p->n; i++) {
        const fv_dim *m = p->term[i].m, *left = NULL;
        int n = 0, others = 0;
        for (int k = 0; k < fv_mono_degree(m); k++) {
            n += fv_mono_atom(m, k) == what;
            others += fv_mono_atom(m, k) != what;
            left = fv_mono_atom(m, k) != what ? fv_mono_atom(m, k) : left;
        }
        if (n == 0)
            left = m;
        else if (value == 0)
            continue;
        else if (others > 1)
            /* without the factor the term would be another product, for which a new node would have
             * to be made: gives up */
            return false;
        if (!left ? !fv_poly_add_term(out, NULL, p->term[i].c)
                  : !fv_poly_add(out, left, p->term[i].c))
            return false;
    }
    return true;
}

static bool range_by_predicate(const fv_poly *p, const fv_dim *what, int depth, fv_range *out) {
    fv_poly q;
    if (!assume_predicate(&q, p, what, 0))
        return false;
    fv_range no = refined_range(&q, depth - 1);
    if (!assume_predicate(&q, p, what, 1))
        return false;
    fv_range yes = refined_range(&q, depth - 1);
    *out = (fv_range){min64(no.lo, yes.lo), max64(no.hi, yes.hi)};
    return true;
}

/* Bounds p more tightly by the structure of term i; recursive up to `depth`. */
static bool range_by_term(const fv_poly *p, int i, int depth, fv_range *out) {
    const fv_dim *m = p->term[i].m;
    if (is_product(m)) {
        for (int k = 0; k < m->n; k++)
            if (is_predicate(m->arg[k]))
                return range_by_predicate(p, m->arg[k], depth, out);
        return false;
    }
    if (m->kind == FV_DIM_MIN || m->kind == FV_DIM_MAX_)
        return range_by_choice(p, i, depth, out);
    if (m->kind == FV_DIM_FLOORDIV && m->arg[1]->kind == FV_DIM_CONST && m->arg[1]->value > 0)
        return range_by_quotient(p, i, depth, out);
    return false;
}

static fv_range refined_range(const fv_poly *p, int depth) {
    fv_range r = plain_range(p), better;
    if (depth == 0 || p->n + (p->constant != 0) < 2)
        return r;
    for (int i = 0; i < p->n; i++)
        if (range_by_term(p, i, depth, &better))
            return (fv_range){max64(r.lo, better.lo), min64(r.hi, better.hi)};
    return r;
}

fv_range fv_poly_range(const fv_poly *p) {
    return refined_range(p, 5);
}

/* a floordiv b for one end of each range, b >= 1. An infinite a stays infinite; b = INT64_MAX
 * stands for an arbitrarily large b. */
static int64_t corner(int64_t a, int64_t b) {
    if (a == INT64_MIN || a == INT64_MAX)
        return a;
    return b == INT64_MAX ? (a < 0 ? -1 : 0) : fv_int_floordiv(a, b);
}

static fv_range by_positive(fv_range a, fv_range b) {
    int64_t p = corner(a.lo, b.lo), q = corner(a.lo, b.hi);
    int64_t r = corner(a.hi, b.lo), s = corner(a.hi, b.hi);
    return (fv_range){min64(p, q), max64(r, s)};
}

static int64_t negated(int64_t v) {
    return v == INT64_MIN ? INT64_MAX : v == INT64_MAX ? INT64_MIN : -v;
}

static fv_range hull(fv_range a, fv_range b) {
    return (fv_range){min64(a.lo, b.lo), max64(a.hi, b.hi)};
}

fv_range fv_range_floordiv(fv_range a, fv_range b) {
    fv_range out = {INT64_MAX, INT64_MIN};
    if (b.lo <= 0 && b.hi >= 0)
        out = hull(out, (fv_range){0, 0});
    if (b.hi >= 1)
        out = hull(out, by_positive(a, (fv_range){max64(b.lo, 1), b.hi}));
    if (b.lo <= -1) {
        fv_range minus = {negated(a.hi), negated(a.lo)};
        out = hull(out, by_positive(minus, (fv_range){negated(min64(b.hi, -1)), negated(b.lo)}));
    }
    return out;
}

/* ---- order of terms in text ---- */

/* Is d printed with a minus in front? INT64_MIN is not: it has no magnitude, and is put in
 * parentheses. */
bool fv_dim_is_minus(const fv_dim *d) {
    if (d->kind == FV_DIM_CONST)
        return d->value < 0 && d->value != INT64_MIN;
    return d->kind == FV_DIM_MUL && !d->opaque && d->arg[d->n - 1]->kind == FV_DIM_CONST &&
           fv_dim_is_minus(d->arg[d->n - 1]);
}

/* The index of the term that is printed first: the first positive one, so that a sum seldom starts
 * with a minus. */
int fv_dim_lead(const fv_dim *sum) {
    for (int i = 0; i < sum->n; i++)
        if (!fv_dim_is_minus(sum->arg[i]))
            return i;
    return 0;
}
