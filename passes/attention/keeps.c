/* keeps.c - proofs about masks that hold for all runs: no element is infinite, each query keeps a
 * visible key, a mask is causal. */
#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
#include "ir/type/float_bits.h"
#include "passes/attention/write.h"

enum { UNKNOWN = -1 };

/* ---- of elements ---- */

typedef struct bounds {
    double lo, hi; /* least and greatest value; NAN: not known */
} bounds;

/* The bounds of the elements of a constant that a load can read; if the index is a number, the
 * bounds of that element. */
static bounds bounds_of_load(const fv_expr *x) {
    const fv_tensor *t = fv_loaded(x)->kind == FV_VALUE_CONST ? fv_loaded(x)->tensor : NULL;
    bounds b = {INFINITY, -INFINITY};
    for (size_t i = 0; t && i < t->count; i++) {
        double v = fv_elem_is_float(t->elem) ? fv_tensor_float(t, i) : (double)fv_tensor_int(t, i);
        bool reached = true;
        for (size_t k = (size_t)t->rank, rest = i; k-- > 0; rest /= (size_t)t->dims[k])
            reached &= x->arg[k]->op != FV_X_CONST ||
                       x->arg[k]->u.i == (int64_t)(rest % (size_t)t->dims[k]);
        if (reached && isnan(v))
            return (bounds){NAN, NAN};
        b.lo = reached && v < b.lo ? v : b.lo;
        b.hi = reached && v > b.hi ? v : b.hi;
    }
    return b.lo <= b.hi ? b : (bounds){NAN, NAN};
}

static int truth(fv_arena *a, const fv_expr *x);

static bounds bounds_of(fv_arena *a, const fv_expr *x) {
    bool is_float = fv_elem_is_float(x->type.elem);
    if (x->op == FV_X_CONST)
        return is_float ? (bounds){x->u.f, x->u.f} : (bounds){(double)x->u.i, (double)x->u.i};
    if (x->op == FV_X_LOAD && fv_is_load(x))
        return bounds_of_load(x);
    if (x->op == FV_X_CONVERT && x->type.elem != FV_BOOL &&
        (is_float || x->arg[0]->type.elem == FV_BOOL))
        return bounds_of(a, x->arg[0]);
    int t = x->type.elem == FV_BOOL ? truth(a, x) : UNKNOWN;
    return t == UNKNOWN ? (bounds){NAN, NAN} : (bounds){t, t};
}

/* The truth of a <= b, or of a < b if `strict`: 1, 0 or UNKNOWN. */
static int truth_of_order(fv_arena *a, const fv_expr *x, bool strict) {
    int64_t lo, hi;
    if (x->arg[0]->type.elem == FV_I64 && x->arg[1]->type.elem == FV_I64) {
        fv_x_range(fv_x_bin(a, FV_X_SUB, x->arg[1], x->arg[0]), &lo, &hi);
        return lo >= strict ? 1 : hi < strict ? 0 : UNKNOWN;
    }
    bounds p = bounds_of(a, x->arg[0]), q = bounds_of(a, x->arg[1]);
    if (strict)
        return p.hi < q.lo ? 1 : p.lo >= q.hi ? 0 : UNKNOWN;
    return p.hi <= q.lo ? 1 : p.lo > q.hi ? 0 : UNKNOWN;
}

static int truth_of_equality(fv_arena *a, const fv_expr *x) {
    bounds p = bounds_of(a, x->arg[0]), q = bounds_of(a, x->arg[1]);
    if (p.lo == p.hi && q.lo == q.hi && p.lo == q.lo)
        return 1;
    return p.hi < q.lo || q.hi < p.lo ? 0 : UNKNOWN;
}

static int negation(int t) {
    return t == UNKNOWN ? UNKNOWN : !t;
}

/* The truth of condition x: 1, 0 or UNKNOWN. */
static int truth(fv_arena *a, const fv_expr *x) {
    int p, q;
    bounds b;
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST: return x->u.i != 0;
    case FV_X_LE: return truth_of_order(a, x, false);
    case FV_X_LT: return truth_of_order(a, x, true);
    case FV_X_EQ: return truth_of_equality(a, x);
    case FV_X_NE: return negation(truth_of_equality(a, x));
    case FV_X_NOT: return negation(truth(a, x->arg[0]));
    case FV_X_XOR:
        return x->arg[1]->op == FV_X_CONST && x->arg[1]->u.i ? negation(truth(a, x->arg[0]))
                                                             : UNKNOWN;
    case FV_X_AND:
    case FV_X_OR:
        p = truth(a, x->arg[0]);
        q = truth(a, x->arg[1]);
        if (x->op == FV_X_AND)
            return p == 0 || q == 0 ? 0 : p == 1 && q == 1 ? 1 : UNKNOWN;
        return p == 1 || q == 1 ? 1 : p == 0 && q == 0 ? 0 : UNKNOWN;
    case FV_X_CONVERT:
    case FV_X_LOAD:
        if (x->op == FV_X_CONVERT && x->arg[0]->type.elem == FV_BOOL)
            return truth(a, x->arg[0]);
        b = x->op == FV_X_LOAD ? fv_is_load(x) ? bounds_of_load(x) : (bounds){NAN, NAN}
                               : bounds_of(a, x->arg[0]);
        return b.lo > 0 || b.hi < 0 ? 1 : b.lo == 0 && b.hi == 0 ? 0 : UNKNOWN;
    default: return UNKNOWN;
    }
}

static bool is_finite_tensor(const fv_tensor *t) {
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(fv_tensor_float(t, i)))
            return false;
    return true;
}

/* The bounds of x in all runs if it and all that it is computed from are finite; else NAN. Integers
 * and bools that are computed at run time are assumed to be masks of zeros and ones, which are
 * multiplied with the lowest float. */
static bounds finite_bounds(fv_arena *a, const fv_expr *x);

static const bounds unknown = {NAN, NAN};

static bounds bounds_of_both(bounds p, bounds q) {
    return (bounds){p.lo < q.lo ? p.lo : q.lo, p.hi > q.hi ? p.hi : q.hi};
}

/* The bounds of p * q; infinite if a product is, which rounding to the type then finds. */
static bounds product(bounds p, bounds q) {
    return bounds_of_both(
        bounds_of_both((bounds){p.lo * q.lo, p.lo * q.lo}, (bounds){p.lo * q.hi, p.lo * q.hi}),
        bounds_of_both((bounds){p.hi * q.lo, p.hi * q.lo}, (bounds){p.hi * q.hi, p.hi * q.hi}));
}

/* The bounds of the integer or bool x. */
static bounds bounds_of_integer(fv_arena *a, const fv_expr *x) {
    bounds b = bounds_of(a, x);
    return b.lo <= b.hi ? b : (bounds){0, 1};
}

static bounds bounds_of_select(fv_arena *a, const fv_expr *x) {
    int c = truth(a, x->arg[0]);
    bounds p = c == 0 ? unknown : finite_bounds(a, x->arg[1]);
    bounds q = c == 1 ? unknown : finite_bounds(a, x->arg[2]);
    if (c != UNKNOWN)
        return c ? p : q;
    return isnan(p.lo) || isnan(q.lo) ? unknown : bounds_of_both(p, q);
}

/* The bounds of an operation on the bounds p and q of its operands, before rounding. */
static bounds bounds_of_operation(fv_expr_op op, bounds p, bounds q) {
    switch (op) {
    case FV_X_ADD: return (bounds){p.lo + q.lo, p.hi + q.hi};
    case FV_X_SUB: return (bounds){p.lo - q.hi, p.hi - q.lo};
    case FV_X_MUL: return product(p, q);
    case FV_X_MIN: return (bounds){fmin(p.lo, q.lo), fmin(p.hi, q.hi)};
    case FV_X_MAX: return (bounds){fmax(p.lo, q.lo), fmax(p.hi, q.hi)};
    case FV_X_NEG: return (bounds){-p.hi, -p.lo};
    case FV_X_ABS: return (bounds){0, fmax(fabs(p.lo), fabs(p.hi))};
    case FV_X_CONVERT: return p;
    default: return unknown;
    }
}

static double rounded(fv_elem e, double x) {
    return fv_float_decode(e, fv_float_encode(e, x));
}

static bounds finite_bounds(fv_arena *a, const fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem;
    bounds b = unknown, other = unknown;
    if (!fv_elem_is_float(e))
        return bounds_of_integer(a, x);
    if (x->op == FV_X_CONST || x->op == FV_X_LOAD) {
        b = bounds_of(a, x);
    } else if (x->op == FV_X_SELECT) {
        b = bounds_of_select(a, x);
    } else if (x->n == 1 || x->n == 2) {
        b = finite_bounds(a, x->arg[0]);
        other = x->n == 2 ? finite_bounds(a, x->arg[1]) : b;
        b = isnan(b.lo) || isnan(other.lo) ? unknown
                                           : bounds_of_operation((fv_expr_op)x->op, b, other);
    }
    b = (bounds){rounded(e, b.lo), rounded(e, b.hi)};
    return isfinite(b.lo) && isfinite(b.hi) ? b : unknown;
}

/* Is x finite in all runs? */
static bool is_finite(fv_arena *a, const fv_expr *x) {
    return !isnan(finite_bounds(a, x).lo);
}

static bool is_kept(fv_arena *a, const fv_expr *x, bool seen) {
    return x->type.elem == FV_BOOL ? truth(a, x) == seen : is_finite(a, x);
}

/* ---- of masks ---- */

/* Does each row of the constant mask contain a visible key? */
static bool rows_keep(const fv_tensor *t, bool seen) {
    size_t n = t->rank ? (size_t)t->dims[t->rank - 1] : 1;
    for (size_t i = 0; i < t->count; i += n) {
        bool kept = false;
        for (size_t k = i; k < i + n && !kept; k++)
            kept = t->elem == FV_BOOL ? (fv_tensor_int(t, k) != 0) == seen
                                      : fv_tensor_float(t, k) > -INFINITY;
        if (!kept)
            return false;
    }
    return true;
}

bool fv_mask_is_finite(fv_elements *e, const fv_value *mask) {
    fv_var *index[FV_MAX_RANK];
    if (mask->kind == FV_VALUE_CONST)
        return mask->tensor && is_finite_tensor(mask->tensor);
    return is_finite(e->arena, fv_element(e, mask, index));
}

bool fv_mask_keeps_a_key(fv_elements *e, const fv_value *mask, bool seen) {
    fv_var *index[FV_MAX_RANK];
    fv_arena *a = e->arena;
    int rank = mask->type->rank;
    if (mask->kind == FV_VALUE_CONST)
        return mask->tensor && rows_keep(mask->tensor, seen);
    fv_expr *x = fv_element(e, mask, index);
    if (rank < 1)
        return is_kept(a, x, seen);
    bool square = rank > 1 && mask->type->dims[rank - 1] == mask->type->dims[rank - 2];
    /* tries to prove that the first key is visible, then the key at the position of the query */
    fv_expr *tried[2] = {fv_x_int(a, 0), square ? fv_x_var(a, index[rank - 2]) : NULL};
    for (int i = 0; i < 2 && tried[i]; i++)
        if (is_kept(a, fv_x_replace_vars(a, x, 1, &index[rank - 1], &tried[i]), seen))
            return true;
    return false;
}

/* Is each matrix of the constant equal to `seen` for the keys up to the position of the query, and
 * for no others? The matrices must have more than one row, since one is broadcast to all. */
static bool is_triangular(const fv_tensor *t, bool seen) {
    size_t n = (size_t)t->dims[t->rank - 1];
    bool same = t->elem == FV_BOOL && n > 1;
    for (size_t i = 0; i < t->count && same; i++)
        same = (fv_tensor_int(t, i) != 0) == (i % n <= i / n % n ? seen : !seen);
    return same;
}

bool fv_mask_is_causal(fv_elements *e, const fv_value *mask, bool seen) {
    fv_var *index[FV_MAX_RANK];
    int rank = mask->type->rank;
    if (rank < 2 || mask->type->dims[rank - 1] != mask->type->dims[rank - 2])
        return false;
    if (mask->kind == FV_VALUE_CONST)
        return mask->tensor && is_triangular(mask->tensor, seen);
    const fv_expr *x = fv_element(e, mask, index);
    const fv_var *key = index[rank - 1], *query = index[rank - 2];
    if (x->op != (seen ? FV_X_LE : FV_X_LT) || x->arg[0]->op != FV_X_VAR ||
        x->arg[1]->op != FV_X_VAR)
        return false;
    return x->arg[0]->u.var == (seen ? key : query) && x->arg[1]->u.var == (seen ? query : key);
}
