/* inside.c - proves that an index is inside an axis.
 *
 * The claim is e >= 0. It is written as a linear form: a dim plus subexpressions that are not sums
 * (atoms), each with a dim as factor. The claim is proved if the least value of the form is not
 * negative, by the bounds of its atoms; or if that holds after subtracting a form that is known to
 * be >= 0 (from a condition, from the range of a variable, or from an assumption of the module); or
 * if it holds in all cases of a select, min or max in the form (in one case, where the min or max
 * can only help); or if it holds with the least or greatest value of a quotient in the form. Forms
 * do not model overflow: a sum that may overflow is an atom. */
#include "ir/definition/inside.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/expr/affine.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"
#include "ir/graph/infer.h"

enum { DEPTH = 4, BUDGET = 4000, VARS = 64, WIDE = 62, SIZE_BITS = 40 };

typedef struct fact { /* a linear form that is known to be >= 0 */
    fv_affine form;
    const struct fact *next;
} fact;

/* A list of nodes with the same hash, one for each structure. */
typedef struct same {
    const fv_expr *x; /* the node that represents all equal ones */
    const struct same *next;
} same;

/* Facts that are known while one load is checked. */
typedef struct load_facts {
    /* the set of index variables of the result, which have values because an element is computed */
    uint64_t of_all;
    uint64_t here;   /* the set of variables that occur in the load, and those of of_all */
    int budget;      /* number of steps after which the proof is given up */
    bool within;     /* set while facts are used to find a bound, to prevent nesting */
    fv_ptrmap holds; /* conditions that are assumed to hold */
    const fact *facts;
} load_facts;

struct fv_inside {
    fv_module *m;
    fv_dims *t;
    fv_arena *a;
    fv_affines sums;
    fv_ptrmap known; /* node -> the node that represents it */
    fv_ptrmap first; /* hash -> list `same` */
    fv_ptrmap width; /* node -> 1 + number of bits of its magnitude */
    fv_ptrmap sets;  /* node -> set of the variables in it */
    const fv_var *vars[VARS];
    int nvars;
    load_facts load;
};
typedef fv_inside prover;

static const fv_dim *number(prover *p, int64_t v) {
    return fv_dim_const(p->t, v);
}

/* ---- expressions ---- */

/* Do equal indices of both buffers refer to the same element of the same value? */
static bool same_axes(const fv_buf *a, const fv_buf *b) {
    bool equal = a->value == b->value && a->rank == b->rank;
    for (int i = 0; i < a->rank && equal; i++)
        equal = fv_x_equal(a->extent[i], b->extent[i]);
    return equal;
}

static bool same_payload(const fv_expr *a, const fv_expr *b) {
    switch (a->op) {
    case FV_X_CONST:
        return fv_elem_is_float((fv_elem)a->type.elem) ? !memcmp(&a->u.f, &b->u.f, sizeof a->u.f)
                                                       : a->u.i == b->u.i;
    case FV_X_VAR: return a->u.var == b->u.var;
    case FV_X_LOAD:
    case FV_X_GUARD: return same_axes(a->u.buf, b->u.buf);
    case FV_X_DIM: return a->u.dim == b->u.dim;
    case FV_X_REDUCE: return false;
    default: return true;
    }
}

static uint64_t mix(uint64_t h, uint64_t v) {
    return (h ^ v) * UINT64_C(0x9E3779B97F4A7C15) ^ h >> 29;
}

static uint64_t hash_of(const fv_expr *x, const fv_expr *const *args) {
    uint64_t h = mix(x->op, x->type.elem);
    const void *what = x->op == FV_X_VAR                           ? (const void *)x->u.var
                       : x->op == FV_X_DIM                         ? (const void *)x->u.dim
                       : x->op == FV_X_LOAD || x->op == FV_X_GUARD ? (const void *)x->u.buf->value
                       : x->op == FV_X_REDUCE                      ? x
                                                                   : NULL;
    h = mix(mix(h, (uintptr_t)what), x->op == FV_X_CONST ? (uint64_t)x->u.i : 0);
    for (int i = 0; i < x->n; i++)
        h = mix(h, (uintptr_t)args[i]);
    return h;
}

/* The node that represents all nodes with the same structure. */
static const fv_expr *canonical(prover *p, const fv_expr *x) {
    const fv_expr *known = fv_ptrmap_get(&p->known, x), *args[FV_MAX_RANK + 2];
    if (known)
        return known;
    for (int i = 0; i < x->n; i++)
        args[i] = canonical(p, x->arg[i]);
    void **at = fv_ptrmap_at(&p->first, (const void *)(uintptr_t)(hash_of(x, args) | 1));
    for (const same *k = *at; k && !known; k = k->next) {
        bool equal = k->x->op == x->op && k->x->type.elem == x->type.elem && k->x->n == x->n &&
                     same_payload(k->x, x);
        for (int i = 0; i < x->n && equal; i++)
            equal = canonical(p, k->x->arg[i]) == args[i];
        known = equal ? k->x : NULL;
    }
    if (!known) {
        same *k = FV_NEW(p->a, same, 1);
        *k = (same){known = x, *at};
        *at = k;
    }
    *fv_ptrmap_at(&p->known, x) = (void *)(uintptr_t)known;
    return known;
}

static bool is_same(void *p, const fv_expr *a, const fv_expr *b) {
    return canonical(p, a) == canonical(p, b);
}

static int bits_of(uint64_t v) {
    int n = 0;
    for (; v; v >>= 1)
        n++;
    return n;
}

static int larger(int a, int b) {
    return a > b ? a : b;
}

static int bits_of_elem(fv_elem e) {
    return e == FV_BOOL ? 1 : fv_elem_is_float(e) || fv_elem_bits(e) == 64 ? 63 : fv_elem_bits(e);
}

/* The number of bits that hold the magnitude of x, for proving that sums do not overflow. Products
 * without a constant factor are taken to be sizes of tensors, which fit. */
static int bits(prover *p, const fv_expr *x);

/* The bits of a min or max. A clamp max(min(x, high), low) or min(max(x, low), high) lies between
 * its limits whatever x is. */
static int bits_clamped(prover *p, const fv_expr *x) {
    int least = larger(bits(p, x->arg[0]), bits(p, x->arg[1]));
    for (int i = 0; i < 4; i++) {
        const fv_expr *within = x->arg[i & 1];
        if (within->op == (x->op == FV_X_MIN ? FV_X_MAX : FV_X_MIN)) {
            int n = larger(bits(p, x->arg[1 - (i & 1)]), bits(p, within->arg[i >> 1]));
            least = n < least ? n : least;
        }
    }
    return least;
}

static int bits_now(prover *p, const fv_expr *x) {
    int a, b;
    if (x->type.elem != FV_I64)
        return bits_of_elem((fv_elem)x->type.elem);
    switch (x->op) {
    case FV_X_CONST: return bits_of(x->u.i < 0 ? -(uint64_t)x->u.i : (uint64_t)x->u.i);
    case FV_X_DIM: return SIZE_BITS;
    case FV_X_VAR:
        return x->u.var->hi > 0 && x->u.var->hi < FV_DIM_MAX ? bits_of((uint64_t)x->u.var->hi)
                                                             : SIZE_BITS + 1;
    case FV_X_ADD:
    case FV_X_SUB: return larger(bits(p, x->arg[0]), bits(p, x->arg[1])) + 1;
    case FV_X_MUL:
        a = bits(p, x->arg[0]);
        b = bits(p, x->arg[1]);
        return a + b > WIDE - 2 && a < WIDE - 2 && b < WIDE - 2 && x->arg[0]->op != FV_X_CONST &&
                       x->arg[1]->op != FV_X_CONST
                   ? WIDE - 2
                   : a + b;
    case FV_X_NEG:
    case FV_X_ABS:
    case FV_X_FLOORDIV: return bits(p, x->arg[0]) + 1;
    case FV_X_FLOORMOD: return bits(p, x->arg[1]);
    case FV_X_MIN:
    case FV_X_MAX: return bits_clamped(p, x);
    case FV_X_SELECT: return larger(bits(p, x->arg[1]), bits(p, x->arg[2]));
    case FV_X_CONVERT: return bits_of_elem((fv_elem)x->arg[0]->type.elem);
    default: return 63;
    }
}

static int bits(prover *p, const fv_expr *x) {
    uintptr_t known = (uintptr_t)fv_ptrmap_get(&p->width, x);
    if (!known)
        *fv_ptrmap_at(&p->width, x) = (void *)(known = (uintptr_t)bits_now(p, x) + 1);
    return (int)known - 1;
}

/* ---- forms ---- */

static bool comes_apart(void *user, const fv_expr *x) {
    prover *p = user;
    return --p->load.budget > 0 && bits(p, x) <= WIDE;
}

static fv_affine plus(prover *p, fv_affine a, const fv_affine *b, const fv_dim *by) {
    return fv_affine_plus(&p->sums, a, b, by);
}

static fv_affine form_of(prover *p, const fv_expr *x) {
    return fv_affine_of(&p->sums, x);
}

static fv_affine difference(prover *p, const fv_expr *a, const fv_expr *b, int64_t less) {
    fv_affine fa = form_of(p, a), fb = form_of(p, b), r = plus(p, fa, &fb, number(p, -1));
    if (r.rest)
        r.rest = fv_dim_sub(p->t, r.rest, number(p, less));
    return r;
}

/* ---- bounds ---- */

static bool prove(prover *p, const fv_affine *f, int depth);
static const fv_dim *bound(prover *p, const fv_expr *x, bool most);

static const fv_dim *bound_of_form(prover *p, const fv_affine *f, bool most) {
    const fv_dim *sum = f->rest;
    for (int i = 0; i < f->n && sum; i++) {
        const fv_dim *by = f->term[i].by;
        const fv_dim *b = by->lo >= 0   ? bound(p, f->term[i].x, most)
                          : by->hi <= 0 ? bound(p, f->term[i].x, !most)
                                        : NULL;
        sum = b ? fv_dim_add(p->t, sum, fv_dim_mul(p->t, by, b)) : NULL;
    }
    return sum;
}

static const fv_dim *bound_of(prover *p, const fv_expr *x, bool most) {
    fv_affine f = form_of(p, x);
    return bound_of_form(p, &f, most);
}

/* Proves f >= 0 by facts, while a bound is being computed; not recursively. */
static bool prove_within(prover *p, const fv_affine *f) {
    if (p->load.within || !p->load.facts || !f->rest)
        return false;
    p->load.within = true;
    bool ok = prove(p, f, 1);
    p->load.within = false;
    return ok;
}

static bool is_at_most(prover *p, const fv_dim *a, const fv_dim *b) {
    fv_affine f = fv_affine_dim(fv_dim_sub(p->t, b, a));
    return fv_dim_at_most(p->t, a, b) || prove_within(p, &f);
}

/* The smaller of a and b (the larger, if `most`), or their min or max if neither is proved to be
 * smaller; NULL: one of them is NULL. */
static const fv_dim *outer(prover *p, const fv_dim *a, const fv_dim *b, bool most) {
    if (!a || !b)
        return NULL;
    if (is_at_most(p, a, b))
        return most ? b : a;
    if (is_at_most(p, b, a))
        return most ? a : b;
    return most ? fv_dim_max(p->t, a, b) : fv_dim_min(p->t, a, b);
}

static const fv_dim *inner(prover *p, const fv_dim *a, const fv_dim *b, bool most) {
    return !a || !b ? (a ? a : b) : outer(p, a, b, !most);
}

static bool is_positive(prover *p, const fv_dim *d) {
    fv_affine f = fv_affine_dim(fv_dim_sub(p->t, d, number(p, 1)));
    return d->lo > 0 || prove(p, &f, 1);
}

static bool is_natural_by_facts(prover *p, const fv_expr *x) {
    fv_affine f = form_of(p, x);
    return prove_within(p, &f);
}

/* The least (or greatest, if `most`) value of a floordiv b for a dim b; NULL: not known. */
static const fv_dim *bound_quotient(prover *p, const fv_expr *a, const fv_dim *b, bool most) {
    const fv_dim *x = bound_of(p, a, most), *least = most ? bound_of(p, a, false) : x;
    if (!most && b->lo >= 0 && (!x || x->lo < 0) && is_natural_by_facts(p, a))
        return number(p, 0);
    if (!x || b->lo < 0)
        return NULL;
    if (!is_positive(p, b)) /* if b may be 0: a floordiv 0 is 0 */
        return least && least->lo >= 0 ? (most ? x : number(p, 0)) : NULL;
    const fv_dim *whole = most ? fv_dim_quotient(p->t, fv_dim_add(p->t, x, number(p, 1)), b) : NULL;
    return whole ? fv_dim_sub(p->t, whole, number(p, 1)) : fv_dim_floordiv(p->t, x, b);
}

/* The least (or greatest, if `most`) value of a mod b for a dim b; NULL: not known. */
static const fv_dim *bound_remainder(prover *p, const fv_expr *a, const fv_dim *b, bool most) {
    const fv_dim *x = bound_of(p, a, true), *least = bound_of(p, a, false);
    bool natural = (least && least->lo >= 0) || is_natural_by_facts(p, a);
    if (b->lo < 0)
        return NULL;
    if (!most)
        return number(p, 0);
    return inner(p, is_positive(p, b) ? fv_dim_sub(p->t, b, number(p, 1)) : NULL,
                 natural ? x : NULL, true);
}

static const fv_dim *bound_elem(prover *p, fv_elem e, bool most) {
    int width = fv_elem_bits(e);
    if (e == FV_BOOL)
        return number(p, most);
    if (fv_elem_is_float(e) || width > 32)
        return NULL;
    int64_t span = INT64_C(1) << (fv_elem_is_signed(e) ? width - 1 : width);
    return number(p, most ? span - 1 : fv_elem_is_signed(e) ? -span : 0);
}

/* The least (or greatest, if `most`) value of an atom; NULL: not known. */
static const fv_dim *bound(prover *p, const fv_expr *x, bool most) {
    fv_affine b;
    int64_t c;
    if (--p->load.budget < 0)
        return NULL;
    if (x->type.elem != FV_I64)
        return bound_elem(p, (fv_elem)x->type.elem, most);
    switch (x->op) {
    case FV_X_VAR: return !x->u.var->dim ? NULL : most ? fv_d_last(p->t, x->u.var) : number(p, 0);
    case FV_X_FLOORDIV:
    case FV_X_FLOORMOD:
        b = form_of(p, x->arg[1]);
        return !b.rest || b.n           ? NULL
               : x->op == FV_X_FLOORDIV ? bound_quotient(p, x->arg[0], b.rest, most)
                                        : bound_remainder(p, x->arg[0], b.rest, most);
    case FV_X_MIN:
    case FV_X_MAX:
        return (most == (x->op == FV_X_MIN) ? inner : outer)(p, bound_of(p, x->arg[0], most),
                                                             bound_of(p, x->arg[1], most), most);
    case FV_X_SELECT:
        return outer(p, bound_of(p, x->arg[1], most), bound_of(p, x->arg[2], most), most);
    case FV_X_CONVERT: return bound_elem(p, (fv_elem)x->arg[0]->type.elem, most);
    case FV_X_AND:
        for (int i = 0; i < 2; i++)
            if (fv_x_is_int(x->arg[i], &c) && c >= 0)
                return number(p, most ? c : 0);
        return NULL;
    default: return NULL;
    }
}

/* ---- under a condition ---- */

static void assume(prover *p, const fv_expr *c) {
    void **at = fv_ptrmap_at(&p->load.holds, canonical(p, c));
    if (*at)
        return;
    *at = (void *)(uintptr_t)c;
    for (int i = 0; i < c->n && (c->op == FV_X_AND || c->op == FV_X_REQUIRE); i++)
        assume(p, c->arg[i]);
}

static bool is_assumed(prover *p, const fv_expr *c) {
    bool holds = fv_ptrmap_get(&p->load.holds, canonical(p, c)) ||
                 ((c->op == FV_X_AND || c->op == FV_X_REQUIRE) && is_assumed(p, c->arg[0]) &&
                  is_assumed(p, c->arg[c->n - 1]));
    if (holds)
        *fv_ptrmap_at(&p->load.holds, canonical(p, c)) = (void *)(uintptr_t)c;
    return holds;
}

/* Replaces a guarded load by a plain one if its condition is assumed to hold. */
static fv_expr *unguarded(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    prover *p = r->user;
    int rank = x->n - 2;
    return x->op == FV_X_GUARD && (is_assumed(p, x->arg[rank]) || is_assumed(p, args[rank]))
               ? fv_x_load(p->a, x->u.buf, args)
               : NULL;
}

static fv_expr *sum_as_it_is(fv_x_rewriter *r, fv_expr *x) {
    (void)r;
    return x->op == FV_X_REDUCE ? x : NULL;
}

static fv_x_rewriter simplifier(prover *p) {
    return (fv_x_rewriter){.arena = p->a, .before = sum_as_it_is, .after = unguarded, .user = p};
}

/* ---- facts ---- */

static void know(prover *p, const fv_affine *f) {
    fact *k = f->rest ? FV_NEW(p->a, fact, 1) : NULL;
    if (!k)
        return;
    *k = (fact){*f, p->load.facts};
    p->load.facts = k;
}

static void know_difference(prover *p, const fv_expr *a, const fv_expr *b, int64_t less) {
    fv_affine f = difference(p, a, b, less);
    know(p, &f);
}

static void know_equal(prover *p, const fv_dim *a, const fv_dim *b) {
    fv_affine f = fv_affine_dim(fv_dim_sub(p->t, a, b)), g = fv_affine_dim(fv_dim_sub(p->t, b, a));
    know(p, &f);
    know(p, &g);
}

/* Uses that d is not 1: where d is known to be 1 or the extent of an index variable, it is that
 * extent. */
static void know_broadcast(prover *p, const fv_dim *d) {
    for (int i = 0; i < p->nvars; i++)
        if ((p->load.here >> i & 1) && fv_infer_is_fit(p->m, d, p->vars[i]->dim))
            know_equal(p, d, p->vars[i]->dim);
}

static void know_differ(prover *p, const fv_expr *a, const fv_expr *b) {
    int64_t c;
    for (int i = 0; i < 2; i++)
        if ((i ? b : a)->op == FV_X_DIM && fv_x_is_int(i ? a : b, &c) && c == 1)
            know_broadcast(p, (i ? b : a)->u.dim);
}

/* Adds the facts that follow from c (from !c, if `holds` is false). */
static void know_condition(prover *p, const fv_expr *c, bool holds) {
    fv_affine never = fv_affine_dim(number(p, -1));
    bool i64 = c->n == 2 && c->arg[0]->type.elem == FV_I64;
    if (--p->load.budget < 0)
        return;
    switch (c->op) {
    case FV_X_CONST:
        if (!c->u.i == holds)
            know(p, &never);
        return;
    case FV_X_REQUIRE: know_condition(p, c->arg[0], holds); return;
    case FV_X_NOT: know_condition(p, c->arg[0], !holds); return;
    case FV_X_AND:
    case FV_X_OR:
        if (holds == (c->op == FV_X_AND))
            for (int i = 0; i < 2; i++)
                know_condition(p, c->arg[i], holds);
        else if (holds)
            for (int i = 0; i < 2; i++) /* !a || b is true and a holds, so b holds */
                if (c->arg[i]->op == FV_X_NOT && is_assumed(p, c->arg[i]->arg[0]))
                    know_condition(p, c->arg[1 - i], true);
        return;
    case FV_X_LE:
    case FV_X_LT:
        if (i64 && holds)
            know_difference(p, c->arg[1], c->arg[0], c->op == FV_X_LT);
        else if (i64)
            know_difference(p, c->arg[0], c->arg[1], c->op == FV_X_LE);
        return;
    case FV_X_EQ:
    case FV_X_NE:
        if (i64 && holds == (c->op == FV_X_EQ)) {
            know_difference(p, c->arg[1], c->arg[0], 0);
            know_difference(p, c->arg[0], c->arg[1], 0);
        } else if (i64)
            know_differ(p, c->arg[0], c->arg[1]);
        return;
    default: return;
    }
}

/* Records d > 0, and that those arguments of d are positive without which d would be 0. */
static void know_positive(prover *p, const fv_dim *d) {
    fv_affine f = fv_affine_dim(fv_dim_sub(p->t, d, number(p, 1)));
    bool quotient = (d->kind == FV_DIM_FLOORDIV || d->kind == FV_DIM_CEILDIV) && d->arg[1]->lo > 0;
    if (d->lo <= 0)
        know(p, &f);
    for (int i = 0;
         (d->kind == FV_DIM_MUL || d->kind == FV_DIM_MIN || quotient) && i < (quotient ? 1 : d->n);
         i++)
        if (d->arg[i]->lo == 0)
            know_positive(p, d->arg[i]);
    /* a broadcast is positive only if its first dim is; if the two dims can be broadcast, the
     * second one is positive, too */
    for (int i = 0; d->kind == FV_DIM_BROADCAST && i < 2; i++)
        if (d->arg[i]->lo == 0 && (i == 0 || fv_infer_is_fit(p->m, d->arg[i], d)))
            know_positive(p, d->arg[i]);
}

/* The bits of the variables in x that have values wherever x is computed. Variables of reductions
 * within x are left out, as their axes may be empty. */
static uint64_t vars_of(prover *p, const fv_expr *x) {
    uint64_t *known = fv_ptrmap_get(&p->sets, x);
    int i = 0;
    if (known)
        return *known;
    *fv_ptrmap_at(&p->sets, x) = known = FV_NEW(p->a, uint64_t, 1);
    if (x->op == FV_X_VAR && x->u.var->dim) {
        while (i < p->nvars && p->vars[i] != x->u.var)
            i++;
        if (i == p->nvars && i < VARS)
            p->vars[p->nvars++] = x->u.var;
        *known = i < VARS ? UINT64_C(1) << i : 0;
    }
    for (i = 0; i < x->n && x->op != FV_X_REDUCE; i++)
        *known |= vars_of(p, x->arg[i]);
    return *known;
}

/* Adds the bounds of symbols that assumptions of the module have narrowed. */
static void know_symbols(prover *p, const fv_dim *d) {
    fv_affine least = fv_affine_dim(d->kind == FV_DIM_SYMBOL && d->least > d->lo
                                        ? fv_dim_sub(p->t, d, number(p, d->least))
                                        : NULL);
    fv_affine most = fv_affine_dim(d->kind == FV_DIM_SYMBOL && d->most < d->hi
                                       ? fv_dim_sub(p->t, number(p, d->most), d)
                                       : NULL);
    know(p, &least);
    know(p, &most);
    for (int i = 0; i < d->n; i++)
        know_symbols(p, d->arg[i]);
}

static bool mentions(const fv_dim *d, const fv_dim *part) {
    bool found = d == part;
    for (int i = 0; i < d->n && !found; i++)
        found = mentions(d->arg[i], part);
    return found;
}

/* If relation r says that the axis of d elements is not empty, adds d > 0. Such a relation has the
 * form k * [d == 0] == 0. */
static void know_not_empty(prover *p, const fv_dim *d, const struct fv_relation *r) {
    const fv_dim *some = fv_dim_min(p->t, d, number(p, 1));
    if (d->lo != 0 || d->hi <= 1 || (!mentions(r->a, some) && !mentions(r->b, some)))
        return;
    const fv_dim *a = fv_dim_sub(p->t, r->a, r->b), *none = fv_dim_sub(p->t, number(p, 1), some);
    const fv_dim *k = number(p, a->lo < 0 ? a->lo : a->hi);
    if (k->value && fv_dim_compare(p->t, a, fv_dim_mul(p->t, k, none)) == FV_DIM_EQUAL)
        know_positive(p, d);
}

/* Adds the facts that the module assumes about d. */
static void know_relations(prover *p, const fv_dim *d) {
    know_symbols(p, d);
    for (int i = 0; i < p->m->nrelations; i++)
        know_not_empty(p, d, &p->m->relations[i]);
    const struct fv_relation *r = p->m->relations;
    for (int i = 0; i < p->m->nrelations; i++)
        if (r[i].a == d || r[i].b == d)
            know_equal(p, r[i].a, r[i].b);
}

/* ---- proofs ---- */

static bool is_natural(prover *p, const fv_dim *d) {
    return d && (d->lo >= 0 || fv_dim_at_most(p->t, number(p, 0), d));
}

/* How many times fact f must be subtracted from g for a term to vanish; 0: they share no term of
 * the same sign. */
static int64_t times(prover *p, const fv_affine *g, const fv_affine *f) {
    if (!f->n)
        return 1;
    for (int i = 0; i < f->n; i++)
        for (int k = 0; k < g->n; k++) {
            const fv_dim *a = g->term[k].by, *b = f->term[i].by;
            if (!is_same(p, g->term[k].x, f->term[i].x))
                continue;
            if (a == b)
                return 1;
            if (fv_dim_is_const(a) && fv_dim_is_const(b) && (a->value > 0) == (b->value > 0) &&
                a->value != INT64_MIN && a->value % b->value == 0)
                return a->value / b->value;
        }
    return 0;
}

static bool prove_by_facts(prover *p, const fv_affine *g, int depth) {
    for (const fact *k = p->load.facts; k; k = k->next) {
        int64_t n = times(p, g, &k->form);
        fv_affine less = n ? plus(p, *g, &k->form, number(p, -n)) : *g;
        if (n && less.rest && prove(p, &less, depth - 1))
            return true;
    }
    return false;
}

/* The form g with x in place of the atom of term i. */
static fv_affine with(prover *p, const fv_affine *g, int i, const fv_expr *x) {
    fv_affine f = *g, by = form_of(p, x);
    const fv_dim *times = f.term[i].by;
    f.term[i] = f.term[--f.n];
    return plus(p, f, &by, times);
}

static bool prove_with(prover *p, const fv_affine *g, int i, const fv_expr *x, int depth) {
    fv_affine f = with(p, g, i, x);
    return f.rest && prove(p, &f, depth - 1);
}

/* Proves g >= 0 for each argument of term i, a min, max or select. Where the value of the term only
 * helps (a max with a positive factor), one of the arguments is enough. */
static bool prove_cases(prover *p, const fv_affine *g, int i, int depth) {
    const fv_expr *x = g->term[i].x;
    const fact *before = p->load.facts;
    bool up = g->term[i].by->lo >= 0, ok = true;
    if (x->op != FV_X_SELECT) { /* a min or max */
        if (!up && g->term[i].by->hi > 0)
            return false;
        if (up == (x->op == FV_X_MAX))
            return prove_with(p, g, i, x->arg[0], depth) || prove_with(p, g, i, x->arg[1], depth);
        return prove_with(p, g, i, x->arg[0], depth) && prove_with(p, g, i, x->arg[1], depth);
    }
    for (int k = 0; k < 2 && ok; k++) {
        know_condition(p, x->arg[0], k == 0);
        ok = prove_with(p, g, i, x->arg[1 + k], depth);
        p->load.facts = before;
    }
    return ok;
}

/* Replaces b * (a floordiv b) by its least value a - b + 1 or its greatest value a; needs b > 0 and
 * a term that is a multiple of b. */
static bool prove_quotient(prover *p, const fv_affine *g, int i, int depth) {
    fv_affine b = form_of(p, g->term[i].x->arg[1]), a = form_of(p, g->term[i].x->arg[0]), f = *g;
    const fv_dim *by = g->term[i].by,
                 *n = b.rest && !b.n && a.rest ? fv_dim_quotient(p->t, by, b.rest) : NULL;
    if (!n || !fv_dim_is_const(n) || !is_positive(p, b.rest))
        return false;
    f.term[i] = f.term[--f.n];
    if (n->value > 0)
        a.rest = fv_dim_add(p->t, fv_dim_sub(p->t, a.rest, b.rest), number(p, 1));
    f = plus(p, f, &a, n);
    return f.rest && prove(p, &f, depth - 1);
}

/* Proves that the form f is >= 0. */
static bool prove(prover *p, const fv_affine *f, int depth) {
    if (--p->load.budget < 0)
        return false;
    if (is_natural(p, bound_of_form(p, f, false)))
        return true;
    if (depth <= 0)
        return false;
    if (prove_by_facts(p, f, depth))
        return true;
    for (int i = 0; i < f->n; i++) {
        int op = f->term[i].x->op;
        if (((op == FV_X_SELECT || op == FV_X_MIN || op == FV_X_MAX) &&
             prove_cases(p, f, i, depth)) ||
            (op == FV_X_FLOORDIV && prove_quotient(p, f, i, depth)))
            return true;
    }
    return false;
}

/* Is there a fact that cannot hold, so that the load is never executed? */
static bool is_never(prover *p) {
    for (const fact *k = p->load.facts; k; k = k->next) {
        const fv_dim *most = bound_of_form(p, &k->form, true);
        if (most && most->hi < 0)
            return true;
    }
    return false;
}

static void mark(prover *p, const fv_expr *root, fv_ptrmap *marked) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->a, root); (x = fv_x_next(&v));)
        *fv_ptrmap_at(marked, canonical(p, x)) = (void *)(uintptr_t)x;
}

/* Does the expression contain a load that is not in `marked`? */
static bool has_other_load(prover *p, const fv_expr *root, const fv_ptrmap *marked) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(p->a, root); (x = fv_x_next(&v));)
        if (fv_ptrmap_get(marked, canonical(p, x)))
            fv_x_skip(&v);
        else if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            return true;
    return false;
}

fv_inside *fv_inside_new(fv_module *m, fv_arena *a, const fv_definition *d) {
    fv_inside *p = FV_NEW(a, fv_inside, 1);
    *p = (fv_inside){.m = m,
                     .t = m->dims,
                     .a = a,
                     .known = fv_ptrmap_in(a),
                     .first = fv_ptrmap_in(a),
                     .width = fv_ptrmap_in(a),
                     .sets = fv_ptrmap_in(a)};
    p->sums = (fv_affines){.dims = m->dims, .is_same = is_same, .apart = comes_apart, .user = p};
    for (int i = 0; i < d->rank; i++)
        p->load.of_all |= vars_of(p, fv_x_var(a, d->index[i]));
    return p;
}

static void begin(prover *p, int n, fv_expr *const *index, const fv_expr *cond) {
    p->load.facts = NULL;
    p->load.here = p->load.of_all | (cond ? vars_of(p, cond) : 0);
    for (int i = 0; i < n; i++)
        p->load.here |= vars_of(p, index[i]);
    for (int i = 0; i < p->nvars; i++)
        if (p->load.here >> i & 1) {
            know_relations(p, p->vars[i]->dim);
            know_positive(p, fv_dim_add(p->t, fv_d_last(p->t, p->vars[i]), number(p, 1)));
        }
    p->load.budget = BUDGET;
    p->load.holds = fv_ptrmap_in(p->a);
    if (cond) {
        assume(p, cond);
        know_condition(p, cond, true);
    }
}

bool fv_inside_load(fv_inside *p, int n, fv_expr *const *index, const fv_dim *const *extent,
                    fv_expr *cond, int *at) {
    fv_x_rewriter simple = simplifier(p);
    begin(p, n, index, cond);
    if (cond) {
        fv_expr *plain = fv_x_rewrite(&simple, cond);
        assume(p, plain);
        know_condition(p, plain, true);
        simple = simplifier(p);
    }
    const fact *all = p->load.facts;
    bool never = is_never(p);
    for (*at = 0; *at < n && !never; ++*at) {
        p->load.budget = BUDGET;
        p->load.facts = all;
        know_relations(p, extent[*at]);
        fv_affine least = form_of(p, cond ? fv_x_rewrite(&simple, index[*at]) : index[*at]);
        fv_affine most = fv_affine_dim(fv_dim_sub(p->t, extent[*at], number(p, 1)));
        most = plus(p, most, &least, number(p, -1));
        if (!least.rest || !most.rest || !prove(p, &least, DEPTH) || !prove(p, &most, DEPTH))
            return false;
    }
    return true;
}

bool fv_inside_from_data(fv_inside *p, fv_expr *x, fv_expr *cond) {
    fv_ptrmap marked = fv_ptrmap_in(p->a);
    fv_x_rewriter simple = simplifier(p);
    begin(p, 1, &x, cond);
    if (cond) {
        mark(p, cond, &marked);
        mark(p, fv_x_rewrite(&simple, cond), &marked);
        x = fv_x_rewrite(&simple, x);
    }
    p->load.facts = NULL;
    return !(bound_of(p, x, false) && bound_of(p, x, true)) && has_other_load(p, x, &marked);
}
