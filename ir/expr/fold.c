/* fold.c - simplification of integer expressions by identities and intervals.
 *
 * Integers wrap, so an identity that moves a division or a remainder through a sum holds only where
 * the interval of the sum proves that nothing wraps; identities of +, - and * alone always hold. */
#include "ir/expr/fold.h"

#include <math.h>

#include "ir/base/saturate.h"

/* ---- arithmetic on constants ---- */

int64_t fv_fold_wrap(fv_elem e, int64_t v) {
    int drop = 64 - fv_elem_bits(e);
    if (drop == 0)
        return v;
    uint64_t up = (uint64_t)v << drop;
    return fv_elem_is_signed(e) ? (int64_t)up >> drop : (int64_t)(up >> drop);
}

static int64_t add(int64_t x, int64_t y) {
    return (int64_t)((uint64_t)x + (uint64_t)y);
}
static int64_t sub(int64_t x, int64_t y) {
    return (int64_t)((uint64_t)x - (uint64_t)y);
}
static int64_t mul(int64_t x, int64_t y) {
    return (int64_t)((uint64_t)x * (uint64_t)y);
}

static int64_t divide(bool is_signed, int64_t x, int64_t y) {
    if (y == 0)
        return 0;
    if (!is_signed)
        return (int64_t)((uint64_t)x / (uint64_t)y);
    return y == -1 ? sub(0, x) : x / y;
}

static int64_t floordiv(bool is_signed, int64_t x, int64_t y) {
    int64_t q = divide(is_signed, x, y);
    bool inexact = y != 0 && sub(x, mul(q, y)) != 0;
    return is_signed && inexact && (x < 0) != (y < 0) ? q - 1 : q;
}

static bool less(bool is_signed, int64_t x, int64_t y) {
    return is_signed ? x < y : (uint64_t)x < (uint64_t)y;
}

static int64_t mulhi(fv_elem e, int64_t x, int64_t y) {
    if (e == FV_U32)
        return (int64_t)(((uint64_t)x * (uint64_t)y) >> 32);
    __extension__ typedef unsigned __int128 wide;
    return (int64_t)((wide)(uint64_t)x * (wide)(uint64_t)y >> 64);
}

static int64_t shift(fv_elem e, bool left, int64_t x, int64_t y) {
    int count = (int)(y & (fv_elem_bits(e) - 1));
    if (left)
        return (int64_t)((uint64_t)x << count);
    return fv_elem_is_signed(e) ? x >> count : (int64_t)((uint64_t)x >> count);
}

bool fv_fold_ints(fv_elem e, fv_expr_op op, int64_t x, int64_t y, int64_t *out) {
    bool sg = fv_elem_is_signed(e);
    int64_t r;
    switch (op) {
    case FV_X_ADD: r = add(x, y); break;
    case FV_X_SUB: r = sub(x, y); break;
    case FV_X_MUL: r = mul(x, y); break;
    case FV_X_DIV: r = divide(sg, x, y); break;
    case FV_X_REM: r = y == 0 ? 0 : sub(x, mul(y, divide(sg, x, y))); break;
    case FV_X_FLOORDIV: r = floordiv(sg, x, y); break;
    case FV_X_FLOORMOD: r = y == 0 ? 0 : sub(x, mul(y, floordiv(sg, x, y))); break;
    case FV_X_MIN: r = less(sg, x, y) ? x : y; break;
    case FV_X_MAX: r = less(sg, x, y) ? y : x; break;
    case FV_X_NEG: r = sub(0, x); break;
    case FV_X_ABS: r = sg && x < 0 ? sub(0, x) : x; break;
    case FV_X_AND: r = x & y; break;
    case FV_X_OR: r = x | y; break;
    case FV_X_XOR: r = x ^ y; break;
    case FV_X_NOT: r = e == FV_BOOL ? !x : ~x; break;
    case FV_X_SHL: r = shift(e, true, x, y); break;
    case FV_X_SHR: r = shift(e, false, x, y); break;
    case FV_X_MULHI: r = mulhi(e, x, y); break;
    case FV_X_ADDSAT: r = fv_addsat(x, y); break;
    case FV_X_MULSAT: r = fv_mulsat(x, y); break;
    case FV_X_LT: *out = less(sg, x, y); return true;
    case FV_X_LE: *out = !less(sg, y, x); return true;
    case FV_X_EQ: *out = x == y; return true;
    case FV_X_NE: *out = x != y; return true;
    default: return false;
    }
    *out = e == FV_BOOL ? r & 1 : fv_fold_wrap(e, r);
    return true;
}

bool fv_x_value(const fv_expr *x, fv_x_variable *of, void *user, int64_t *value) {
    fv_elem e = (fv_elem)x->type.elem;
    int64_t p, q = 0;
    if (x->type.lanes > 1 || fv_elem_is_float(e))
        return false;
    if (x->op == FV_X_CONST || (x->op == FV_X_DIM && fv_dim_is_const(x->u.dim))) {
        *value = x->op == FV_X_CONST ? x->u.i : x->u.dim->value;
        return true;
    }
    if (x->op == FV_X_VAR)
        return of(user, x->u.var, value);
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD || x->n < 1 ||
        !fv_x_value(x->arg[0], of, user, &p))
        return false;
    if (x->op == FV_X_SELECT)
        return fv_x_value(x->arg[p ? 1 : 2], of, user, value);
    if (x->op == FV_X_CONVERT) {
        *value = e == FV_BOOL ? p != 0 : fv_fold_wrap(e, p);
        return true;
    }
    return x->n <= 2 && (x->n == 1 || fv_x_value(x->arg[1], of, user, &q)) &&
           fv_fold_ints((fv_elem)x->arg[0]->type.elem, (fv_expr_op)x->op, p, q, value);
}

typedef struct known_variable {
    const fv_var *v;
    int64_t i;
} known_variable;

static bool is_known(void *user, const fv_var *v, int64_t *value) {
    const known_variable *known = user;
    *value = known->i;
    return v == known->v;
}

bool fv_x_value_at(const fv_expr *x, const fv_var *v, int64_t i, int64_t *value) {
    return fv_x_value(x, is_known, &(known_variable){v, i}, value);
}

/* ---- intervals ---- */

typedef struct range {
    int64_t lo, hi;
} range;
static const range anything = {INT64_MIN, INT64_MAX};

static bool is_anything(range r) {
    return r.lo == INT64_MIN || r.hi == INT64_MAX;
}

static range range_of(const fv_expr *x, int depth);

static range mul_range(range a, range b) {
    int64_t p[4];
    if (__builtin_mul_overflow(a.lo, b.lo, &p[0]) || __builtin_mul_overflow(a.lo, b.hi, &p[1]) ||
        __builtin_mul_overflow(a.hi, b.lo, &p[2]) || __builtin_mul_overflow(a.hi, b.hi, &p[3]))
        return anything;
    range r = {p[0], p[0]};
    for (int i = 1; i < 4; i++) {
        r.lo = p[i] < r.lo ? p[i] : r.lo;
        r.hi = p[i] > r.hi ? p[i] : r.hi;
    }
    return r;
}

static range div_range(fv_expr_op op, range a, range b) {
    if (b.lo <= 0) /* bounds of quotients are computed for positive divisors only */
        return anything;
    if (op == FV_X_FLOORDIV || a.lo >= 0) {
        int64_t lo1 = floordiv(true, a.lo, b.lo), lo2 = floordiv(true, a.lo, b.hi);
        int64_t hi1 = floordiv(true, a.hi, b.lo), hi2 = floordiv(true, a.hi, b.hi);
        return (range){lo1 < lo2 ? lo1 : lo2, hi1 > hi2 ? hi1 : hi2};
    }
    return (range){a.lo, a.hi > 0 ? a.hi : 0};
}

static range mod_range(fv_expr_op op, range a, range b) {
    if (b.lo <= 0 || (op == FV_X_REM && a.lo < 0))
        return anything;
    if (a.lo >= 0 && a.hi < b.lo)
        return a;
    return (range){0, b.hi - 1};
}

static range binary_range(fv_expr_op op, range a, range b) {
    range r;
    switch (op) {
    case FV_X_MIN: return (range){a.lo < b.lo ? a.lo : b.lo, a.hi < b.hi ? a.hi : b.hi};
    case FV_X_MAX: return (range){a.lo > b.lo ? a.lo : b.lo, a.hi > b.hi ? a.hi : b.hi};
    case FV_X_FLOORMOD:
    case FV_X_REM:
        if (is_anything(b))
            return anything;
        return mod_range(op, a, b);
    default: break;
    }
    if (is_anything(a) || is_anything(b))
        return anything;
    switch (op) {
    case FV_X_ADD:
    case FV_X_ADDSAT:
        if (__builtin_add_overflow(a.lo, b.lo, &r.lo) || __builtin_add_overflow(a.hi, b.hi, &r.hi))
            return anything;
        return r;
    case FV_X_SUB:
        if (__builtin_sub_overflow(a.lo, b.hi, &r.lo) || __builtin_sub_overflow(a.hi, b.lo, &r.hi))
            return anything;
        return r;
    case FV_X_MUL:
    case FV_X_MULSAT: return mul_range(a, b);
    case FV_X_DIV:
    case FV_X_FLOORDIV: return div_range(op, a, b);
    default: return anything;
    }
}

static range convert_range(const fv_expr *x) {
    range r;
    return fv_elem_range((fv_elem)x->arg[0]->type.elem, &r.lo, &r.hi) ? r : anything;
}

static range range_of(const fv_expr *x, int depth) {
    if (x->type.elem != FV_I64 || depth > 12)
        return anything;
    switch (x->op) {
    case FV_X_CONST: return (range){x->u.i, x->u.i};
    case FV_X_VAR: return (range){x->u.var->lo, x->u.var->hi};
    case FV_X_DIM: return (range){x->u.dim->lo, x->u.dim->hi};
    case FV_X_CONVERT: return convert_range(x);
    case FV_X_SPLAT: return range_of(x->arg[0], depth + 1);
    case FV_X_RAMP: {
        range r = range_of(x->arg[0], depth + 1);
        range ramp = {0, x->type.lanes - 1};
        return binary_range(FV_X_ADD, r, ramp);
    }
    case FV_X_NEG: {
        range r = range_of(x->arg[0], depth + 1);
        return is_anything(r) ? anything : (range){-r.hi, -r.lo};
    }
    case FV_X_SELECT: {
        range p = range_of(x->arg[1], depth + 1), q = range_of(x->arg[2], depth + 1);
        return (range){p.lo < q.lo ? p.lo : q.lo, p.hi > q.hi ? p.hi : q.hi};
    }
    default:
        if (x->n != 2)
            return anything;
        return binary_range((fv_expr_op)x->op, range_of(x->arg[0], depth + 1),
                            range_of(x->arg[1], depth + 1));
    }
}

void fv_x_range(const fv_expr *x, int64_t *lo, int64_t *hi) {
    range r = range_of(x, 0);
    *lo = r.lo;
    *hi = r.hi;
}

/* ---- identities ---- */

static bool is_int_type(fv_ktype t) {
    return t.lanes == 1 && (t.elem == FV_BOOL || fv_elem_is_int((fv_elem)t.elem));
}

static bool constant(const fv_expr *x, int64_t *v) {
    if (x->op != FV_X_CONST || !is_int_type(x->type))
        return false;
    *v = x->u.i;
    return true;
}

/* Folds x op c if the value of c alone allows it, as in x + 0 or x & 0. */
static fv_expr *fold_right_const(fv_arena *a, fv_expr_op op, fv_expr *x, int64_t c) {
    fv_elem e = (fv_elem)x->type.elem;
    int64_t ones = e == FV_BOOL ? 1 : fv_fold_wrap(e, -1);
    switch (op) {
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_SHL:
    case FV_X_SHR:
    case FV_X_XOR: return c == 0 ? x : NULL;
    case FV_X_MUL: return c == 1 ? x : c == 0 ? fv_x_const_int(a, e, 0) : NULL;
    case FV_X_DIV:
    case FV_X_FLOORDIV: return c == 1 ? x : c == 0 ? fv_x_const_int(a, e, 0) : NULL;
    case FV_X_REM:
    case FV_X_FLOORMOD: return c == 1 || c == 0 ? fv_x_const_int(a, e, 0) : NULL;
    case FV_X_AND: return c == 0 ? fv_x_const_int(a, e, 0) : c == ones ? x : NULL;
    case FV_X_OR: return c == 0 ? x : c == ones ? fv_x_const_int(a, e, ones) : NULL;
    default: return NULL;
    }
}

/* Folds (x op c1) op c2 to x op c. */
static fv_expr *fold_chain(fv_arena *a, fv_expr_op op, fv_expr *x, int64_t c2) {
    int64_t c1, c;
    fv_elem e = (fv_elem)x->type.elem;
    if (x->n != 2 || !constant(x->arg[1], &c1))
        return NULL;
    if (op == FV_X_MUL && x->op == FV_X_MUL)
        return fv_x_bin(a, FV_X_MUL, x->arg[0], fv_x_const_int(a, e, mul(c1, c2)));
    if ((op != FV_X_ADD && op != FV_X_SUB) || (x->op != FV_X_ADD && x->op != FV_X_SUB))
        return NULL;
    c = fv_fold_wrap(e, add(x->op == FV_X_SUB ? sub(0, c1) : c1, op == FV_X_SUB ? sub(0, c2) : c2));
    if (fv_elem_is_signed(e) && c < 0 && c != INT64_MIN)
        return fv_x_bin(a, FV_X_SUB, x->arg[0], fv_x_const_int(a, e, -c));
    return fv_x_bin(a, FV_X_ADD, x->arg[0], fv_x_const_int(a, e, c));
}

static bool is_multiple(const fv_expr *x, int64_t c, fv_arena *a, fv_expr **quotient) {
    int64_t k;
    if (constant(x, &k) && k % c == 0) {
        *quotient = fv_x_int(a, k / c);
        return true;
    }
    if (x->op != FV_X_MUL || !constant(x->arg[1], &k) || k % c != 0)
        return false;
    *quotient = fv_x_bin(a, FV_X_MUL, x->arg[0], fv_x_int(a, k / c));
    return true;
}

/* Folds quotients and remainders of x by c > 0 for i64, where the interval of x proves that it does
 * not wrap. */
static fv_expr *fold_divide(fv_arena *a, fv_expr_op op, fv_expr *x, int64_t c) {
    range r = range_of(x, 0);
    bool floors = op == FV_X_FLOORDIV || op == FV_X_FLOORMOD;
    bool quotient = op == FV_X_FLOORDIV || op == FV_X_DIV;
    if (c <= 0 || is_anything(r) || (!floors && r.lo < 0))
        return NULL;
    if (r.lo >= 0 && r.hi < c)
        return quotient ? fv_x_int(a, 0) : x;
    fv_expr *q;
    if (is_multiple(x, c, a, &q))
        return quotient ? q : fv_x_int(a, 0);
    if (x->op != FV_X_ADD)
        return NULL;
    for (int i = 0; i < 2; i++) {
        if (!is_multiple(x->arg[i], c, a, &q))
            continue;
        fv_expr *rest = x->arg[1 - i];
        range s = range_of(rest, 0);
        if (is_anything(s) || is_anything(range_of(x->arg[i], 0)) || (!floors && s.lo < 0))
            continue;
        fv_expr *part = fv_x_bin(a, op, rest, fv_x_int(a, c));
        return quotient ? fv_x_bin(a, FV_X_ADD, q, part) : part;
    }
    return NULL;
}

/* Folds a comparison, min or max that the intervals of its arguments decide. */
static fv_expr *fold_compare(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y) {
    range p = range_of(x, 0), q = range_of(y, 0);
    switch (op) {
    case FV_X_LT:
        if (p.hi < q.lo || p.lo >= q.hi)
            return fv_x_const_int(a, FV_BOOL, p.hi < q.lo);
        return NULL;
    case FV_X_LE:
        if (p.hi <= q.lo || p.lo > q.hi)
            return fv_x_const_int(a, FV_BOOL, p.hi <= q.lo);
        return NULL;
    case FV_X_EQ:
    case FV_X_NE:
        if (p.hi < q.lo || p.lo > q.hi)
            return fv_x_const_int(a, FV_BOOL, op == FV_X_NE);
        return NULL;
    case FV_X_MIN: return p.hi <= q.lo ? x : q.hi <= p.lo ? y : NULL;
    case FV_X_MAX: return p.hi <= q.lo ? y : q.hi <= p.lo ? x : NULL;
    default: return NULL;
    }
}

static fv_expr *fold_equal_args(fv_arena *a, fv_expr_op op, fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem;
    switch (op) {
    case FV_X_SUB:
    case FV_X_XOR: return fv_x_const_int(a, e, 0);
    case FV_X_MIN:
    case FV_X_MAX:
    case FV_X_AND:
    case FV_X_OR: return x;
    case FV_X_LE:
    case FV_X_EQ: return fv_x_const_int(a, FV_BOOL, 1);
    case FV_X_LT:
    case FV_X_NE: return fv_x_const_int(a, FV_BOOL, 0);
    default: return NULL;
    }
}

static bool is_cheap_to_compare(const fv_expr *x) {
    return x->op == FV_X_VAR || x->op == FV_X_DIM || x->op == FV_X_LOAD;
}

/* v for the sum x + y of (v floordiv c) * c and v mod c, as a row that was split and joined again
 * has it; NULL: the sum is another one. */
static fv_expr *fold_digits(fv_expr *x, const fv_expr *y) {
    int64_t c, by, of;
    if (x->op != FV_X_MUL || x->arg[0]->op != FV_X_FLOORDIV || y->op != FV_X_FLOORMOD)
        return NULL;
    fv_expr *v = x->arg[0]->arg[0];
    return constant(x->arg[1], &c) && constant(x->arg[0]->arg[1], &by) &&
                   constant(y->arg[1], &of) && c && c == by && c == of && fv_x_equal(v, y->arg[0])
               ? v
               : NULL;
}

fv_expr *fv_fold_bin(fv_arena *a, fv_expr_op op, fv_expr *x, fv_expr *y) {
    if (!is_int_type(x->type) || !is_int_type(y->type))
        return NULL;
    fv_elem e = (fv_elem)x->type.elem;
    const fv_expr_info *info = fv_expr_op_info(op);
    int64_t cx, cy, c;
    if (constant(x, &cx) && constant(y, &cy) && fv_fold_ints(e, op, cx, cy, &c))
        return fv_x_const_int(a, info->result == FV_XR_BOOL ? FV_BOOL : e, c);
    if (constant(x, &cx) && (info->flags & FV_XF_COMMUTES))
        return fv_x_bin(a, op, y, x);
    fv_expr *r = NULL;
    if (constant(y, &cy)) {
        r = fold_right_const(a, op, x, cy);
        if (!r)
            r = fold_chain(a, op, x, cy);
        if (!r && e == FV_I64 && op >= FV_X_DIV && op <= FV_X_FLOORMOD)
            r = fold_divide(a, op, x, cy);
    }
    if (!r && (x == y || (is_cheap_to_compare(x) && fv_x_equal(x, y))))
        r = fold_equal_args(a, op, x);
    if (!r && e == FV_I64)
        r = fold_compare(a, op, x, y);
    if (!r && op == FV_X_ADD && x->op == FV_X_SUB && fv_x_equal(x->arg[1], y))
        r = x->arg[0];
    if (!r && op == FV_X_ADD)
        r = fold_digits(x, y);
    if (!r && op == FV_X_ADD)
        r = fold_digits(y, x);
    return r;
}

fv_expr *fv_fold_un(fv_arena *a, fv_expr_op op, fv_expr *x) {
    int64_t c;
    if (constant(x, &c) && fv_fold_ints((fv_elem)x->type.elem, op, c, 0, &c))
        return fv_x_const_int(a, (fv_elem)x->type.elem, c);
    if (x->op == op && (op == FV_X_NOT || op == FV_X_NEG))
        return x->arg[0];
    if (x->op == FV_X_CONST && op == FV_X_NEG)
        return fv_x_const(a, (fv_elem)x->type.elem, -x->u.f);
    if (constant(x, &c) && op == FV_X_REQUIRE && c)
        return x;
    return NULL;
}

static fv_expr *cast_int_const(fv_arena *a, fv_elem e, const fv_expr *x) {
    if (e == FV_F32 || e == FV_F64) {
        bool big = x->type.elem == FV_U64;
        if (e == FV_F32)
            return fv_x_const(a, e, big ? (double)(float)(uint64_t)x->u.i : (double)(float)x->u.i);
        return fv_x_const(a, e, big ? (double)(uint64_t)x->u.i : (double)x->u.i);
    }
    return fv_x_const_int(a, e, x->u.i);
}

/* Folds a bitcast of a constant. A NaN is not folded: not every machine keeps its payload. */
static fv_expr *bitcast_const(fv_arena *a, fv_elem e, const fv_expr *x) {
    bool from_float = fv_elem_is_float((fv_elem)x->type.elem), single = fv_elem_bits(e) == 32;
    union {
        float f;
        uint32_t u;
    } narrow = {.f = 0};
    union {
        double f;
        uint64_t u;
    } wide = {.f = 0};
    if (fv_elem_is_storage(e) || (from_float && isnan(x->u.f)))
        return NULL;
    if (from_float) {
        narrow.f = (float)x->u.f;
        wide.f = x->u.f;
    } else {
        narrow.u = (uint32_t)x->u.i;
        wide.u = (uint64_t)x->u.i;
    }
    if (!fv_elem_is_float(e))
        return fv_x_const_int(a, e,
                              single && from_float ? (int64_t)narrow.u
                              : from_float         ? (int64_t)wide.u
                                                   : x->u.i);
    double v = single ? (double)narrow.f : wide.f;
    return isnan(v) ? NULL : fv_x_const(a, e, v);
}

/* Has the type `wide` all numbers of the float type `narrow`? */
static bool has_all(fv_elem wide, fv_elem narrow) {
    return fv_elem_is_float(narrow) &&
           ((wide == FV_F32 && fv_elem_is_storage(narrow)) || (wide == FV_F64 && narrow != FV_F64));
}

/* The bounds of i32(max(min(y, hi), lo)) for a float y, as in quantization; x is that float
 * maximum. lo and hi are constants with -65536 <= lo <= 0 <= hi <= 65536, so 0, which NaN becomes,
 * is within the bounds. */
static range limited_range(const fv_expr *x) {
    if (x->op != FV_X_MAX || x->arg[0]->op != FV_X_MIN || x->arg[1]->op != FV_X_CONST ||
        x->arg[0]->arg[1]->op != FV_X_CONST)
        return anything;
    double lo = x->arg[1]->u.f, hi = x->arg[0]->arg[1]->u.f;
    bool small = lo >= -65536 && lo <= 0 && hi >= 0 && hi <= 65536;
    return small ? (range){(int64_t)floor(lo), (int64_t)ceil(hi)} : anything;
}

/* Bounds of an i32 that is a constant, a conversion of a small number, or one of these plus
 * constants. */
static range small_range(const fv_expr *x) {
    if (x->op == FV_X_CONST)
        return (range){x->u.i, x->u.i};
    if (x->op == FV_X_CONVERT && is_int_type(x->arg[0]->type))
        return fv_elem_bits((fv_elem)x->arg[0]->type.elem) < 32 ? convert_range(x) : anything;
    if (x->op == FV_X_CONVERT)
        return limited_range(x->arg[0]);
    bool adds = x->op == FV_X_ADD && x->arg[1]->op == FV_X_CONST;
    range r = adds ? small_range(x->arg[0]) : anything;
    return is_anything(r) ? r : (range){r.lo + x->arg[1]->u.i, r.hi + x->arg[1]->u.i};
}

/* If x converts an i32 to another integer type, which has all values that the i32 can have: that
 * i32. NULL: x is something else. */
static fv_expr *without_narrowing(fv_expr *x) {
    int64_t lo, hi;
    if (x->op != FV_X_CONVERT || x->arg[0]->type.elem != FV_I32 || !is_int_type(x->type) ||
        !fv_elem_range((fv_elem)x->type.elem, &lo, &hi))
        return NULL;
    range r = small_range(x->arg[0]);
    return !is_anything(r) && r.lo >= lo && r.hi <= hi ? x->arg[0] : NULL;
}

fv_expr *fv_fold_cast(fv_arena *a, fv_expr_op op, fv_elem e, fv_expr *x) {
    if (op == FV_X_CONVERT && x->op == FV_X_CONVERT && (fv_elem)x->arg[0]->type.elem == e &&
        has_all((fv_elem)x->type.elem, e))
        return x->arg[0]; /* f16(f32(h)) is h */
    if (op == FV_X_CONVERT && e == FV_I32 && without_narrowing(x))
        return without_narrowing(x);
    if (op == FV_X_BITCAST && x->op == FV_X_CONST)
        return bitcast_const(a, e, x);
    if (op != FV_X_CONVERT || x->op != FV_X_CONST || fv_elem_is_storage(e))
        return NULL;
    if (is_int_type(x->type))
        return cast_int_const(a, e, x);
    if (e == FV_F32 || e == FV_F64)
        return fv_x_const(a, e, x->u.f);
    return NULL;
}
