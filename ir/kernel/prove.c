/* prove.c - proofs that two accesses never touch the same element.
 *
 * For two iterations v and v' = v + step + t, t >= 0, of a loop, some axis must have indices whose
 * difference is proved to be at least 1, or at most -1. An index is a polynomial over expressions
 * that are constant in the loop and over the variables of inner loops, of which each iteration has
 * its own; these are replaced by the bounds of their loops, the innermost first, until intervals
 * decide. Another proof: the difference is never 0 if a divisor of all its coefficients does not
 * divide its constant, as in 2 * p - 1. */
#include "ir/kernel/prove.h"

#include "ir/base/limits.h"
#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

#include <string.h>

enum { MAX_FACTORS = 4, MAX_TERMS = 48, MAX_STEPS = 20000, MAX_DEPTH = 100, MAX_BOUNDS = 64 };

/* ---- polynomials ---- */

/* An indivisible factor of polynomials: a variable, or an expression that is treated as one. */
typedef struct fv_atom {
    const fv_var *var; /* the variable; NULL: the atom is an expression */
    const fv_expr *x;  /* the expression; NULL: the atom is a variable */
    int iteration;     /* 0: its value in iteration v, 1: in iteration v', -1: the same in both */
    int id;
    int64_t lo, hi;
} atom;

typedef struct term {
    int64_t k;
    int n;
    const atom *f[MAX_FACTORS]; /* the factors, sorted by id */
} term;

typedef struct poly {
    int n;
    /* whether the polynomial is unknown, because it became too large or a coefficient overflowed */
    bool unknown;
    term t[MAX_TERMS];
} poly;

/* A polynomial is 2 kB, of which few terms are used: it is cleared, copied and added to in place,
 * and neither initialized as a whole nor returned. */
static void clear(poly *p) {
    p->n = 0;
    p->unknown = false;
}

static void copy(poly *to, const poly *from) {
    to->n = from->n;
    to->unknown = from->unknown;
    memcpy(to->t, from->t, (size_t)from->n * sizeof *from->t);
}

static bool same_factors(const term *a, const term *b) {
    return a->n == b->n && memcmp(a->f, b->f, (size_t)a->n * sizeof *a->f) == 0;
}

static void add_term(poly *p, const term *t) {
    for (int i = 0; i < p->n; i++) {
        if (!same_factors(&p->t[i], t))
            continue;
        p->unknown |= __builtin_add_overflow(p->t[i].k, t->k, &p->t[i].k);
        if (p->t[i].k == 0)
            p->t[i] = p->t[--p->n];
        return;
    }
    if (t->k == 0)
        return;
    if (p->n == MAX_TERMS)
        p->unknown = true;
    else
        p->t[p->n++] = *t;
}

static term times(const term *a, const term *b, bool *bad) {
    term r = {.n = a->n + b->n};
    *bad |= __builtin_mul_overflow(a->k, b->k, &r.k);
    if (r.n > MAX_FACTORS) {
        *bad = true;
        r.n = 0;
        return r;
    }
    for (int i = 0, j = 0, n = 0; n < r.n; n++)
        r.f[n] = j == b->n || (i < a->n && a->f[i]->id <= b->f[j]->id) ? a->f[i++] : b->f[j++];
    return r;
}

static void add_product(poly *p, const poly *a, const poly *b) {
    p->unknown |= a->unknown || b->unknown;
    for (int i = 0; i < a->n; i++)
        for (int j = 0; j < b->n; j++) {
            term t = times(&a->t[i], &b->t[j], &p->unknown);
            add_term(p, &t);
        }
}

static void add_constant(poly *p, int64_t k) {
    add_term(p, &(term){.k = k});
}

static void add_atom(poly *p, const atom *x, int64_t k) {
    term t = {.k = k, .n = 1, .f = {x}};
    add_term(p, &t);
}

/* ---- intervals of polynomials ---- */

typedef struct interval {
    bool lo_known, hi_known;
    int64_t lo, hi;
} interval;

__extension__ typedef __int128 wide;

/* Intervals drop bounds beyond +-2^62, so that sums of two bounds do not overflow. */
static const int64_t far = INT64_C(1) << 62;

static interval checked(wide lo, bool lo_known, wide hi, bool hi_known) {
    interval r = {lo_known && lo > -far && lo < far, hi_known && hi > -far && hi < far, 0, 0};
    r.lo = r.lo_known ? (int64_t)lo : 0;
    r.hi = r.hi_known ? (int64_t)hi : 0;
    return r;
}

static interval times_interval(interval a, interval b) {
    bool positive = a.lo_known && a.lo >= 0 && b.lo_known && b.lo >= 0;
    if (positive)
        return checked((wide)a.lo * b.lo, true, (wide)a.hi * b.hi, a.hi_known && b.hi_known);
    if (!a.lo_known || !a.hi_known || !b.lo_known || !b.hi_known)
        return (interval){0};
    wide p[4] = {(wide)a.lo * b.lo, (wide)a.lo * b.hi, (wide)a.hi * b.lo, (wide)a.hi * b.hi};
    wide lo = p[0], hi = p[0];
    for (int i = 1; i < 4; i++) {
        lo = p[i] < lo ? p[i] : lo;
        hi = p[i] > hi ? p[i] : hi;
    }
    return checked(lo, true, hi, true);
}

static interval scaled(interval a, int64_t k) {
    if (k < 0) {
        interval r = checked((wide)a.hi * k, a.hi_known, (wide)a.lo * k, a.lo_known);
        return r;
    }
    return checked((wide)a.lo * k, a.lo_known, (wide)a.hi * k, a.hi_known);
}

static interval of_atom(const atom *x) {
    return checked(x->lo, x->lo != INT64_MIN, x->hi, x->hi != INT64_MAX);
}

static interval of_poly(const poly *p) {
    interval sum = {true, true, 0, 0};
    for (int i = 0; i < p->n; i++) {
        interval t = p->t[i].n ? of_atom(p->t[i].f[0]) : (interval){true, true, 1, 1};
        for (int j = 1; j < p->t[i].n; j++)
            t = times_interval(t, of_atom(p->t[i].f[j]));
        t = scaled(t, p->t[i].k);
        sum = checked((wide)sum.lo + t.lo, sum.lo_known && t.lo_known, (wide)sum.hi + t.hi,
                      sum.hi_known && t.hi_known);
    }
    if (p->unknown)
        return (interval){0};
    return sum;
}

static bool is_nonnegative(const poly *p) {
    interval r = of_poly(p);
    return r.lo_known && r.lo >= 0;
}

static bool is_nonpositive(const poly *p) {
    interval r = of_poly(p);
    return r.hi_known && r.hi <= 0;
}

/* ---- from expressions ---- */

static bool depends_on_inner(fv_prover *z, const fv_expr *root) {
    const fv_expr *x;
    if (fv_x_has_load(root))
        return true; /* the memory may change between the two accesses, so the values may differ */
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if (x->op == FV_X_VAR && fv_ptrmap_get(&z->inner, x->u.var))
            return true;
    return false;
}

static atom *atom_of(fv_prover *z, const fv_var *var, const fv_expr *x, int iteration) {
    for (int i = 0; i < z->natoms; i++) {
        atom *a = z->atoms[i];
        if (a->var == var && a->iteration == iteration && (!x) == (!a->x) &&
            (!x || fv_x_equal(a->x, x)))
            return a;
    }
    atom *a = FV_NEW(z->a, atom, 1);
    *a = (atom){var, x, iteration, z->natoms, INT64_MIN, INT64_MAX};
    if (var) {
        a->lo = var->lo;
        a->hi = var->hi;
    } else if (x) {
        fv_x_range(x, &a->lo, &a->hi);
    }
    FV_PUSH(z->a, z->atoms, z->natoms, z->cap_atoms, a);
    return a;
}

static void add_expr(fv_prover *z, poly *p, const fv_expr *x, int iteration, int64_t by);

/* Does x load from memory that the kernel may write? Two such loads need not give the same
 * value. */
static bool reads_mutable(fv_prover *z, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(z->a, root); (x = fv_x_next(&v));)
        if (!fv_x_has_load(x))
            fv_x_skip(&v);
        else if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->role != FV_BUF_IN)
            return true;
    return false;
}

/* The value of v if a let defines it; NULL: v is treated as an atom, because it has no let, or its
 * value was loaded from memory that may have changed. */
static const fv_expr *value_of(fv_prover *z, const fv_var *v) {
    const fv_stmt *let = fv_ptrmap_get(&z->lets, v);
    return let && !reads_mutable(z, let->x) ? let->x : NULL;
}

static void add_var(fv_prover *z, poly *p, const fv_var *v, int iteration, int64_t by) {
    const fv_expr *value = value_of(z, v);
    if (value) {
        add_expr(z, p, value, iteration, by);
        return;
    }
    /* the loop's variable: v in the earlier iteration, v + step + t in the later one */
    if (z->loop && v == z->loop->var) {
        int64_t step;
        add_atom(p, atom_of(z, v, NULL, -1), by);
        if (iteration == 1) {
            p->unknown |= __builtin_mul_overflow(z->loop->loop.step, by, &step);
            add_constant(p, step);
            add_atom(p, z->later, by);
        }
        return;
    }
    bool inner = fv_ptrmap_get(&z->inner, v) != NULL;
    add_atom(p, atom_of(z, v, NULL, inner ? iteration : -1), by);
}

static void add_opaque(fv_prover *z, poly *p, const fv_expr *x, int iteration, int64_t by) {
    p->unknown |= reads_mutable(z, x);
    add_atom(p, atom_of(z, NULL, x, depends_on_inner(z, x) ? iteration : -1), by);
}

static void add_operator(fv_prover *z, poly *p, const fv_expr *x, int iteration, int64_t by) {
    if (x->op == FV_X_MUL) {
        poly a, b;
        clear(&a);
        clear(&b);
        add_expr(z, &a, x->arg[0], iteration, by);
        add_expr(z, &b, x->arg[1], iteration, 1);
        add_product(p, &a, &b);
        return;
    }
    add_expr(z, p, x->arg[0], iteration, by);
    if (x->op == FV_X_SUB)
        p->unknown |= __builtin_sub_overflow(0, by, &by);
    add_expr(z, p, x->arg[1], iteration, by);
}

static bool may_wrap(const fv_expr *x) {
    int64_t lo, hi;
    fv_x_range(x, &lo, &hi);
    return lo == INT64_MIN || hi == INT64_MAX;
}

/* Adds the expression times `by`. */
static void add_expr(fv_prover *z, poly *p, const fv_expr *x, int iteration, int64_t by) {
    int64_t k;
    if (z->depth >= MAX_DEPTH || ++z->steps > MAX_STEPS) {
        p->unknown = true;
        return;
    }
    z->depth++;
    switch (x->op) {
    case FV_X_CONST:
        p->unknown |= __builtin_mul_overflow(x->u.i, by, &k);
        add_constant(p, k);
        break;
    case FV_X_VAR: add_var(z, p, x->u.var, iteration, by); break;
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
        if (z->exact && may_wrap(x))
            add_opaque(z, p, x, iteration, by);
        else
            add_operator(z, p, x, iteration, by);
        break;
    default: add_opaque(z, p, x, iteration, by); break;
    }
    z->depth--;
}

/* ---- p >= 0 ---- */

static bool prove(fv_prover *z, const poly *p);

static bool is_loop_atom(fv_prover *z, const atom *a) {
    return a->var && a->iteration >= 0 && fv_ptrmap_get(&z->loops, a->var) != NULL;
}

static uintptr_t place_of(const fv_prover *z, const atom *a) {
    return (uintptr_t)fv_ptrmap_get(&z->inner, a->var);
}

/* The variable of an inner loop in p that was declared last; NULL: there is none. */
static const atom *innermost(fv_prover *z, const poly *p) {
    const atom *found = NULL;
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->t[i].n; j++) {
            const atom *a = p->t[i].f[j];
            if (is_loop_atom(z, a) && (!found || place_of(z, a) > place_of(z, found)))
                found = a;
        }
    return found;
}

/* Splits p = factor * a + rest; false: p is not linear in a. */
static bool split(const poly *p, const atom *a, poly *factor, poly *rest) {
    clear(factor);
    clear(rest);
    for (int i = 0; i < p->n; i++) {
        term t = p->t[i];
        int at = -1, times_in = 0;
        for (int j = 0; j < t.n; j++)
            if (t.f[j] == a) {
                at = j;
                times_in++;
            }
        if (times_in > 1)
            return false;
        if (times_in == 1) {
            memmove(t.f + at, t.f + at + 1, (size_t)(t.n - at - 1) * sizeof *t.f);
            t.n--;
        }
        add_term(times_in ? factor : rest, &t);
    }
    return true;
}

static bool with_bound(fv_prover *z, const poly *factor, const poly *rest, const poly *bound) {
    poly p;
    copy(&p, rest);
    add_product(&p, factor, bound);
    return prove(z, &p);
}

static bool with_bound_plus(fv_prover *z, const poly *factor, const poly *rest, const fv_expr *x,
                            int64_t plus, int iteration) {
    poly bound;
    clear(&bound);
    add_expr(z, &bound, x, iteration, 1);
    add_constant(&bound, plus);
    return with_bound(z, factor, rest, &bound);
}

/* Proves the claim with a replaced by a bound, which may be a min or max; any of its arguments is a
 * bound, too. */
static bool with_bound_expr(fv_prover *z, const poly *factor, const poly *rest, const fv_expr *x,
                            fv_expr_op choice, int64_t plus, int iteration) {
    bool ok;
    if (z->bounds >= MAX_BOUNDS || ++z->steps > MAX_STEPS)
        return false;
    z->bounds++;
    const fv_expr *value = x->op == FV_X_VAR ? value_of(z, x->u.var) : NULL;
    if (value)
        ok = with_bound_expr(z, factor, rest, value, choice, plus, iteration);
    else if (x->op == choice)
        ok = with_bound_expr(z, factor, rest, x->arg[0], choice, plus, iteration) ||
             with_bound_expr(z, factor, rest, x->arg[1], choice, plus, iteration);
    else
        ok = with_bound_plus(z, factor, rest, x, plus, iteration);
    z->bounds--;
    return ok;
}

/* The least distance from the last value of a loop to its end: its step, if the extent is a
 * multiple of the step, otherwise 1. */
static int64_t below_end(fv_prover *z, const fv_stmt *s, int iteration) {
    poly extent;
    clear(&extent);
    add_expr(z, &extent, s->loop.hi, iteration, 1);
    add_expr(z, &extent, s->loop.lo, iteration, -1);
    bool multiple = !extent.unknown;
    for (int i = 0; i < extent.n; i++)
        multiple = multiple && extent.t[i].k % s->loop.step == 0;
    return multiple ? s->loop.step : 1;
}

static bool contains(const poly *p, const atom *a) {
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->t[i].n; j++)
            if (p->t[i].f[j] == a)
                return true;
    return false;
}

/* Uses the bounds of the loop over v, whose last value is `last`: lo <= v <= last - step, and t <=
 * last - v - step, where the later of two iterations has the value v + step + t. */
static bool prove_by_own_loop(fv_prover *z, const poly *p) {
    const fv_stmt *s = z->loop;
    if (!s)
        return false;
    const atom *v = atom_of(z, s->var, NULL, -1);
    poly factor, rest, minus_v;
    bool has_later = contains(p, z->later);
    if ((!has_later && !contains(p, v)) || !split(p, has_later ? z->later : v, &factor, &rest))
        return false;
    if (!is_nonpositive(&factor))
        return !has_later && is_nonnegative(&factor) &&
               with_bound_expr(z, &factor, &rest, s->loop.lo, FV_X_MAX, 0, -1);
    int64_t below = below_end(z, s, -1) + s->loop.step;
    if (!has_later)
        return with_bound_expr(z, &factor, &rest, s->loop.hi, FV_X_MIN, -below, -1);
    clear(&minus_v);
    add_atom(&minus_v, v, -1); /* v is replaced by hi - below */
    add_product(&rest, &factor, &minus_v);
    return with_bound_expr(z, &factor, &rest, s->loop.hi, FV_X_MIN, -below, -1);
}

/* Uses that a min is at most each of its arguments, and a max at least each. `inner`: only those
 * that contain variables of inner loops, which are tried before the bounds of these loops. */
static bool prove_by_choice(fv_prover *z, const poly *p, bool inner) {
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->t[i].n; j++) {
            const atom *a = p->t[i].f[j];
            poly factor, rest;
            bool min = a->x && a->x->op == FV_X_MIN, max = a->x && a->x->op == FV_X_MAX;
            if ((!min && !max) || inner != (a->iteration >= 0) || !split(p, a, &factor, &rest))
                continue;
            if ((min ? is_nonpositive(&factor) : is_nonnegative(&factor)) &&
                with_bound_expr(z, &factor, &rest, a->x, min ? FV_X_MIN : FV_X_MAX, 0,
                                a->iteration))
                return true;
        }
    return false;
}

/* Finds a min or max of which only a bound on the other side would be known, so that the claim must
 * be proved for each of its arguments; splits p = factor * min + rest. NULL: there is none. */
static const atom *one_of_two(const poly *p, poly *factor, poly *rest) {
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->t[i].n; j++) {
            const atom *a = p->t[i].f[j];
            bool min = a->x && a->x->op == FV_X_MIN, max = a->x && a->x->op == FV_X_MAX;
            if ((min || max) && split(p, a, factor, rest) &&
                (min ? is_nonnegative(factor) : is_nonpositive(factor)))
                return a;
        }
    return NULL;
}

static bool prove(fv_prover *z, const poly *p) {
    if (p->unknown || ++z->steps > MAX_STEPS)
        return false;
    if (is_nonnegative(p))
        return true;
    const atom *a = innermost(z, p);
    poly factor, rest;
    const atom *both = a ? NULL : one_of_two(p, &factor, &rest);
    if (both)
        return with_bound_plus(z, &factor, &rest, both->x->arg[0], 0, both->iteration) &&
               with_bound_plus(z, &factor, &rest, both->x->arg[1], 0, both->iteration);
    if (prove_by_choice(z, p, true))
        return true;
    if (!a)
        return prove_by_choice(z, p, false) || prove_by_own_loop(z, p);
    if (!split(p, a, &factor, &rest))
        return false;
    const fv_stmt *s = fv_ptrmap_get(&z->loops, a->var);
    if (is_nonnegative(&factor))
        return with_bound_expr(z, &factor, &rest, s->loop.lo, FV_X_MAX, 0, a->iteration);
    if (is_nonpositive(&factor))
        return with_bound_expr(z, &factor, &rest, s->loop.hi, FV_X_MIN,
                               -below_end(z, s, a->iteration), a->iteration);
    return false;
}

/* Is index a of the later iteration proved to be always greater (sign 1) or always smaller (-1)
 * than index b of the earlier one? */
static bool apart(fv_prover *z, const fv_expr *later, const fv_expr *earlier, int sign) {
    poly d;
    z->steps = 0;
    clear(&d);
    add_expr(z, &d, later, 1, sign);
    add_expr(z, &d, earlier, 0, -sign);
    add_constant(&d, -1);
    return prove(z, &d);
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Do the indices differ for all integer values of their atoms, because a common divisor of the
 * coefficients of their difference does not divide its constant? */
static bool differ_by_rest(fv_prover *z, const fv_expr *later, const fv_expr *earlier) {
    poly p;
    z->steps = 0;
    clear(&p);
    add_expr(z, &p, later, 1, 1);
    add_expr(z, &p, earlier, 0, -1);
    uint64_t divisor = 0, rest = 0;
    for (int i = 0; i < p.n; i++) {
        uint64_t k = p.t[i].k < 0 ? 0 - (uint64_t)p.t[i].k : (uint64_t)p.t[i].k;
        if (p.t[i].n)
            divisor = common_divisor(divisor, k);
        else
            rest = k;
    }
    return !p.unknown && divisor && rest % divisor;
}

/* An index of the form u floordiv by + plus, or u mod by + plus, by > 0. */
typedef struct quotient {
    const fv_expr *u;
    int64_t by, plus;
} quotient;

static bool is_quotient(fv_prover *z, const fv_expr *x, fv_expr_op op, quotient *q) {
    const fv_expr *value;
    q->plus = 0;
    while (x->op == FV_X_VAR && (value = value_of(z, x->u.var)))
        x = value;
    if (x->op == FV_X_ADD && fv_x_is_int(x->arg[1], &q->plus))
        x = x->arg[0];
    q->u = x->n ? x->arg[0] : NULL;
    return x->op == (unsigned)op && fv_x_is_int(x->arg[1], &q->by) && q->by > 0;
}

/* Are the indices at[d] and at[e] the quotient and the rest of one division, each plus a
 * constant? */
static bool are_of_one_division(fv_prover *z, fv_expr *const *at, int d, int e, quotient *q) {
    return is_quotient(z, at[d], FV_X_FLOORDIV, &q[0]) &&
           is_quotient(z, at[e], FV_X_FLOORMOD, &q[1]) && q[0].by == q[1].by &&
           fv_x_equal(q[0].u, q[1].u);
}

/* Replaces the axes d and e of both accesses by one, whose index is the dividend, if the indices
 * are quotient and rest: where dividends differ, quotients or rests do. */
static bool join_if_divided(fv_prover *z, int rank, int d, int e, fv_expr **later,
                            fv_expr **earlier) {
    quotient a[2], b[2];
    if (!are_of_one_division(z, later, d, e, a) || !are_of_one_division(z, earlier, d, e, b) ||
        a[0].by != b[0].by || a[0].plus != b[0].plus || a[1].plus != b[1].plus)
        return false;
    later[d] = (fv_expr *)(uintptr_t)a[0].u;
    earlier[d] = (fv_expr *)(uintptr_t)b[0].u;
    memmove(later + e, later + e + 1, (size_t)(rank - e - 1) * sizeof *later);
    memmove(earlier + e, earlier + e + 1, (size_t)(rank - e - 1) * sizeof *earlier);
    return true;
}

/* Joins the axes of quotients and rests, so rows of an axis that counts the pixels of an image are
 * proved to differ on the axes of the image. Other axes may be between the two. Returns the number
 * of axes that are left. */
static int join_divided_axes(fv_prover *z, int rank, fv_expr **later, fv_expr **earlier) {
    for (int d = rank - 1; d-- > 0;)
        for (int e = d + 1; e < rank; e++)
            if (join_if_divided(z, rank, d, e, later, earlier)) {
                rank--;
                break;
            }
    return rank;
}

static bool differ_somewhere(fv_prover *z, int rank, fv_expr *const *later,
                             fv_expr *const *earlier) {
    for (int d = 0; d < rank; d++)
        if (differ_by_rest(z, later[d], earlier[d]) || apart(z, later[d], earlier[d], 1) ||
            apart(z, later[d], earlier[d], -1))
            return true;
    return false;
}

bool fv_prove_apart(fv_prover *z, int rank, fv_expr *const *later, fv_expr *const *earlier) {
    fv_expr *joined[2][FV_MAX_RANK];
    if (differ_somewhere(z, rank, later, earlier))
        return true;
    memcpy(joined[0], later, (size_t)rank * sizeof *later);
    memcpy(joined[1], earlier, (size_t)rank * sizeof *earlier);
    int fewer = join_divided_axes(z, rank, joined[0], joined[1]);
    return fewer < rank && differ_somewhere(z, fewer, joined[0], joined[1]);
}

/* Adds the difference times `sign`, which is 1 or -1. */
static void add_difference(fv_prover *z, poly *p, const fv_difference *d, int sign) {
    int64_t less;
    add_expr(z, p, d->a, 0, sign);
    add_expr(z, p, d->b, 0, -sign);
    p->unknown |= __builtin_mul_overflow(d->less, -sign, &less);
    add_constant(p, less);
}

bool fv_prove_natural(fv_prover *z, const fv_difference *what, int n, const fv_difference *facts) {
    poly p, after;
    z->steps = 0;
    clear(&p);
    add_difference(z, &p, what, 1);
    bool ok = prove(z, &p);
    for (int i = 0; i < n && !ok; i++) {
        copy(&after, &p);
        add_difference(z, &after, &facts[i], -1);
        ok = prove(z, &after);
    }
    return ok;
}

void fv_prover_start(fv_prover *z, const fv_stmt *loop) {
    z->loop = loop;
    z->inner = fv_ptrmap_in(z->a);
    z->ninner = 0;
    z->natoms = 0;
    z->later = atom_of(z, NULL, NULL, -1);
    z->later->lo = 0;
    if (loop)
        fv_prover_inner(z, loop->var);
}

void fv_prover_inner(fv_prover *z, const void *what) {
    *fv_ptrmap_at(&z->inner, what) = (void *)++z->ninner;
}

void fv_prover_learn(fv_prover *z, const fv_stmt *s) {
    if (s->kind == FV_S_FOR)
        *fv_ptrmap_at(&z->loops, s->var) = (void *)s;
    if (s->kind == FV_S_LET && s->var->type.elem == FV_I64)
        *fv_ptrmap_at(&z->lets, s->var) = (void *)s;
}
