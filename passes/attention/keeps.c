/* keeps.c - proofs about masks that hold for all runs: no element is infinite, each query keeps a
 * visible key, a mask is causal. */
#include <math.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
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

/* Is x finite in all runs? Integers and bools count as finite numbers of moderate size: an integer
 * mask that is multiplied with the lowest float is assumed to consist of zeros and ones. Sums and
 * products of finite numbers are assumed not to overflow. */
static bool is_finite(fv_arena *a, const fv_expr *x) {
    if (!fv_elem_is_float(x->type.elem))
        return true;
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST: return isfinite(x->u.f);
    case FV_X_LOAD:
        return fv_is_load(x) && fv_loaded(x)->kind == FV_VALUE_CONST && fv_loaded(x)->tensor &&
               is_finite_tensor(fv_loaded(x)->tensor);
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
    case FV_X_MIN:
    case FV_X_MAX: return is_finite(a, x->arg[0]) && is_finite(a, x->arg[1]);
    case FV_X_NEG:
    case FV_X_ABS:
    case FV_X_CONVERT: return is_finite(a, x->arg[0]);
    case FV_X_SELECT: {
        int c = truth(a, x->arg[0]);
        return (c == 0 || is_finite(a, x->arg[1])) && (c == 1 || is_finite(a, x->arg[2]));
    }
    default: return false;
    }
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

bool fv_mask_is_causal(fv_elements *e, const fv_value *mask, bool seen) {
    fv_var *index[FV_MAX_RANK];
    int rank = mask->type->rank;
    if (mask->kind == FV_VALUE_CONST || rank < 2 ||
        mask->type->dims[rank - 1] != mask->type->dims[rank - 2])
        return false;
    const fv_expr *x = fv_element(e, mask, index);
    const fv_var *key = index[rank - 1], *query = index[rank - 2];
    if (x->op != (seen ? FV_X_LE : FV_X_LT) || x->arg[0]->op != FV_X_VAR ||
        x->arg[1]->op != FV_X_VAR)
        return false;
    return x->arg[0]->u.var == (seen ? key : query) && x->arg[1]->u.var == (seen ? query : key);
}
