/* expr.c - scalar expressions of kernel IR as C: few parentheses, no undefined behaviour.
 *
 * Signed arithmetic that may wrap is done in the unsigned type; what intervals prove not to wrap
 * (the index arithmetic) is written plainly. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/c/internal.h"
#include "ir/expr/fold.h"

/* ---- pieces ---- */

static fv_c_piece piece(const char *s, int prec) {
    return (fv_c_piece){s, prec, false};
}

const char *fv_c_paren(fv_cg *g, fv_c_piece p, int prec) {
    return p.prec < prec ? fv_printf(g->arena, "(%s)", p.s) : p.s;
}

const char *fv_c_at(fv_cg *g, const fv_expr *x, int prec) {
    return fv_c_paren(g, fv_c_expr(g, x), prec);
}

const char *fv_c_str(fv_cg *g, const fv_expr *x) {
    return fv_c_expr(g, x).s;
}

/* the margin that is kept below INT32_MAX, since the variable of a loop may exceed the end of the
 * loop by a step */
enum { STEP_ROOM = 65536 };

static bool fits_int(const fv_expr *x) {
    int64_t lo, hi;
    fv_x_range(x, &lo, &hi);
    return lo > INT32_MIN && hi < INT32_MAX - STEP_ROOM;
}

static bool never_wraps(const fv_expr *x) {
    int64_t lo, hi;
    if (x->type.elem != FV_I64)
        return false;
    fv_x_range(x, &lo, &hi);
    return lo != INT64_MIN && hi != INT64_MAX;
}

bool fv_c_is_narrow(const fv_cg *g, const fv_expr *x) {
    return g->machine.narrow && x->type.elem == FV_I64 && x->type.lanes == 1 && fits_int(x);
}

/* ---- constants ---- */

static uint64_t float_bits(fv_elem e, double v) {
    union {
        float f;
        uint32_t u;
    } f = {(float)v};
    union {
        double d;
        uint64_t u;
    } d = {v};
    return e == FV_F32 ? f.u : d.u;
}

static fv_c_piece float_const(fv_cg *g, fv_elem e, double v) {
    if (isfinite(v))
        return piece(fv_c_float(g->arena, e, v), signbit(v) ? FV_C_UNARY : FV_C_PRIMARY);
    bool single = e == FV_F32;
    const char *name = fv_c_helper_bits(g, single ? FV_U32 : FV_U64, e);
    if (isnan(v))
        v = (double)NAN; /* all NaNs get the same bits, since they count as equal */
    unsigned long long bits =
        isnan(v) ? (single ? 0x7fc00000u : 0x7ff8000000000000u) : float_bits(e, v);
    return piece(fv_printf(g->arena, single ? "%s(0x%llxu)" : "%s(UINT64_C(0x%llx))", name, bits),
                 FV_C_PRIMARY);
}

static fv_c_piece int_const(fv_cg *g, fv_elem e, int64_t v) {
    fv_arena *a = g->arena;
    switch (e) {
    case FV_BOOL: return piece(v ? "true" : "false", FV_C_PRIMARY);
    case FV_U64: return piece(fv_printf(a, "UINT64_C(%llu)", (unsigned long long)v), FV_C_PRIMARY);
    case FV_U32: return piece(fv_printf(a, "%uu", (unsigned)v), FV_C_PRIMARY);
    case FV_I64:
        if (v == INT64_MIN || v == INT64_MAX)
            return piece(v < 0 ? "INT64_MIN" : "INT64_MAX", FV_C_PRIMARY);
        if (v <= INT32_MIN || v > INT32_MAX)
            return piece(fv_printf(a, v < 0 ? "-INT64_C(%lld)" : "INT64_C(%lld)",
                                   v < 0 ? -(long long)v : (long long)v),
                         v < 0 ? FV_C_UNARY : FV_C_PRIMARY);
        break;
    case FV_I32:
        if (v == INT32_MIN)
            return piece("INT32_MIN", FV_C_PRIMARY);
        break;
    default: break;
    }
    fv_c_piece p = piece(fv_printf(a, "%lld", (long long)v), v < 0 ? FV_C_UNARY : FV_C_PRIMARY);
    p.is_int = e == FV_I64;
    return p;
}

/* ---- integer arithmetic ---- */

/* The expression in the unsigned type of its width, where + - * wrap. */
static fv_c_piece unsigned_expr(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    const char *type = fv_elem_bits(e) == 64 ? "uint64_t" : "uint32_t";
    int prec = x->op == FV_X_MUL ? FV_C_MUL : FV_C_ADD;
    const char *sign = x->op == FV_X_ADD ? "+" : x->op == FV_X_SUB ? "-" : "*";
    /* expressions that are not wide have the same value when C computes them as signed */
    bool wide = e == FV_I32 || (e == FV_I64 && !never_wraps(x));
    if (wide && (x->op == FV_X_ADD || x->op == FV_X_SUB || x->op == FV_X_MUL)) {
        const char *l = fv_c_paren(g, unsigned_expr(g, x->arg[0]), prec);
        const char *r = fv_c_paren(g, unsigned_expr(g, x->arg[1]), prec + 1);
        return piece(fv_printf(g->arena, "%s %s %s", l, sign, r), prec);
    }
    if (wide && x->op == FV_X_NEG) {
        const char *r = fv_c_paren(g, unsigned_expr(g, x->arg[0]), FV_C_MUL);
        return piece(fv_printf(g->arena, "0 - %s", r), FV_C_ADD);
    }
    if (x->op == FV_X_CONST && e == FV_I32)
        return piece(fv_printf(g->arena, "%uu", (unsigned)x->u.i), FV_C_PRIMARY);
    if (x->op == FV_X_CONST && e == FV_I64 && x->u.i >= 0)
        return piece(fv_printf(g->arena, "UINT64_C(%lld)", (long long)x->u.i), FV_C_PRIMARY);
    return piece(fv_printf(g->arena, "(%s)%s", type, fv_c_at(g, x, FV_C_UNARY)), FV_C_UNARY);
}

static fv_c_piece infix(fv_cg *g, const fv_expr *x, const char *sign, int prec, int left,
                        int right) {
    fv_c_piece a = fv_c_expr(g, x->arg[0]), b = fv_c_expr(g, x->arg[1]);
    fv_c_piece r = {.prec = prec, .is_int = a.is_int && b.is_int};
    const char *l = fv_c_paren(g, a, left);
    /* with operands of type int, C would compute the result as int, into which it does not fit */
    if (r.is_int && x->type.elem == FV_I64 && !fits_int(x)) {
        l = fv_printf(g->arena, "(int64_t)%s", fv_c_paren(g, a, FV_C_UNARY));
        r.is_int = false;
    }
    r.s = fv_printf(g->arena, "%s %s %s", l, sign, fv_c_paren(g, b, right));
    return r;
}

static fv_c_piece cast(fv_cg *g, const char *type, fv_c_piece p) {
    return piece(fv_printf(g->arena, "(%s)%s", type, fv_c_paren(g, p, FV_C_UNARY)), FV_C_UNARY);
}

static fv_c_piece add_sub_mul(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    const char *sign = x->op == FV_X_ADD ? "+" : x->op == FV_X_SUB ? "-" : "*";
    int prec = x->op == FV_X_MUL ? FV_C_MUL : FV_C_ADD;
    if ((e == FV_I64 && !never_wraps(x)) || e == FV_I32)
        return cast(g, fv_c_elem(e), unsigned_expr(g, x));
    /* the operands would be promoted to int, whose product may overflow */
    if (e == FV_U16 && x->op == FV_X_MUL)
        return cast(
            g, "uint16_t",
            piece(fv_printf(g->arena, "(uint32_t)%s * %s", fv_c_at(g, x->arg[0], FV_C_UNARY),
                            fv_c_at(g, x->arg[1], FV_C_UNARY)),
                  FV_C_MUL));
    fv_c_piece p = infix(g, x, sign, prec, prec, prec + 1);
    return fv_elem_bits(e) < 32 ? cast(g, fv_c_elem(e), p) : p;
}

fv_c_piece fv_c_call(fv_cg *g, const char *name, int n, fv_expr *const *arg) {
    fv_text t = {.arena = g->arena};
    for (int i = 0; i < n; i++)
        fv_text_printf(&t, "%s%s", i ? ", " : "", fv_c_str(g, arg[i]));
    return piece(fv_c_apply(g, name, "%s", n ? t.s : ""), FV_C_PRIMARY);
}

/* A call of the helper for the operation of x, which has two operands of the type of x. If both are
 * written as int, and x is an i64 that fits into an int (fv_c_is_narrow), the helper for int32_t
 * gives the same result. */
static fv_c_piece call_binary(fv_cg *g, const fv_expr *x) {
    fv_c_piece a = fv_c_expr(g, x->arg[0]), b = fv_c_expr(g, x->arg[1]);
    bool narrow = fv_c_is_narrow(g, x) && a.is_int && b.is_int;
    const char *name = fv_c_helper(g, (fv_expr_op)x->op, narrow ? FV_I32 : x->type.elem);
    return (fv_c_piece){fv_c_apply(g, name, "%s, %s", a.s, b.s), FV_C_PRIMARY, narrow};
}

/* Division by a power of two, rounded to minus infinity: a shift, or the low bits. Unlike the
 * helper it has no branch: with branches in a loop of multiply-adds, C compilers store the sums in
 * each iteration (gcc 12, clang 19). */
static fv_c_piece divide_by_shift(fv_cg *g, const fv_expr *x) {
    const bool modulo = x->op == FV_X_FLOORMOD;
    const int64_t by = x->arg[1]->u.i;
    int n = 0;
    while (by >> n > 1)
        n++;
    return fv_c_expr(g, fv_x_bin(g->arena, modulo ? FV_X_AND : FV_X_SHR, x->arg[0],
                                 fv_x_int(g->arena, modulo ? by - 1 : n)));
}

/* Division. By a positive constant, a dividend that is not negative can use C's operator. */
static fv_c_piece divide(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    if (fv_elem_is_float(e))
        return infix(g, x, "/", FV_C_MUL, FV_C_MUL, FV_C_UNARY);
    bool modulo = x->op == FV_X_REM || x->op == FV_X_FLOORMOD;
    bool floors = x->op == FV_X_FLOORDIV || x->op == FV_X_FLOORMOD;
    bool by_const = x->arg[1]->op == FV_X_CONST && x->arg[1]->u.i > 0;
    int64_t lo = 0, hi;
    if (e == FV_I64)
        fv_x_range(x->arg[0], &lo, &hi);
    else if (fv_elem_is_signed(e))
        lo = INT64_MIN;
    const bool power = by_const && (x->arg[1]->u.i & (x->arg[1]->u.i - 1)) == 0;
    if (power && floors && lo < 0 && e == FV_I64 && !fv_c_is_narrow(g, x))
        return divide_by_shift(g, x);
    if (!by_const || (floors && lo < 0))
        return call_binary(g, x);
    fv_c_piece p = infix(g, x, modulo ? "%" : "/", FV_C_MUL, FV_C_MUL, FV_C_UNARY);
    return fv_elem_bits(e) < 32 ? cast(g, fv_c_elem(e), p) : p;
}

static fv_c_piece shift(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    int bits = fv_elem_bits(e);
    bool left = x->op == FV_X_SHL;
    const char *count;
    if (x->arg[1]->op == FV_X_CONST)
        count = fv_printf(g->arena, "%lld", (long long)(x->arg[1]->u.i & (bits - 1)));
    else
        count = fv_printf(g->arena, "(%s & %d)", fv_c_at(g, x->arg[1], FV_C_UNARY), bits - 1);
    if (left) {
        const char *type = bits == 64 ? "uint64_t" : "uint32_t";
        bool as_is = e == FV_U64 || e == FV_U32;
        const char *l =
            as_is ? fv_c_at(g, x->arg[0], FV_C_UNARY)
                  : fv_printf(g->arena, "(%s)%s", type, fv_c_at(g, x->arg[0], FV_C_UNARY));
        fv_c_piece p = piece(fv_printf(g->arena, "%s << %s", l, count), FV_C_SHIFT);
        return as_is ? p : cast(g, fv_c_elem(e), p);
    }
    fv_c_piece a = fv_c_expr(g, x->arg[0]);
    const char *l = fv_c_paren(g, a.is_int ? cast(g, "int64_t", a) : a, FV_C_UNARY);
    return piece(fv_printf(g->arena, "%s >> %s", l, count), FV_C_SHIFT);
}

/* ---- logic ---- */

static fv_c_piece logic(fv_cg *g, const fv_expr *x) {
    bool is_bool = x->type.elem == FV_BOOL;
    if (x->op == FV_X_XOR) {
        if (is_bool)
            return infix(g, x, "!=", FV_C_EQUAL, FV_C_SHIFT, FV_C_SHIFT);
        return infix(g, x, "^", FV_C_XOR, FV_C_UNARY, FV_C_UNARY);
    }
    bool both = x->op == FV_X_AND;
    /* && and || may skip the second operand, which makes no difference without REQUIRE */
    if (is_bool && !fv_x_has(x->arg[1], FV_HAS_REQUIRE))
        return both ? infix(g, x, "&&", FV_C_ANDAND, FV_C_ANDAND, FV_C_EQUAL)
                    : infix(g, x, "||", FV_C_OROR, FV_C_EQUAL, FV_C_EQUAL);
    return infix(g, x, both ? "&" : "|", both ? FV_C_AND : FV_C_OR, FV_C_UNARY, FV_C_UNARY);
}

/* The comparison of two floats for equality. */
static fv_c_piece equal(fv_cg *g, const fv_expr *x) {
    return fv_c_call(g, fv_c_helper_equal(g, x->arg[0]->type.elem), 2, x->arg);
}

static fv_c_piece compare(fv_cg *g, const fv_expr *x) {
    bool equality = x->op == FV_X_EQ || x->op == FV_X_NE;
    const char *sign = fv_expr_op_text((fv_expr_op)x->op);
    const fv_expr *a = x->arg[0];
    if (!equality && a->type.elem == FV_BOOL) { /* compilers warn of a < b for bools */
        const char *l = fv_c_at(g, a, FV_C_UNARY), *r = fv_c_at(g, x->arg[1], FV_C_EQUAL);
        bool less = x->op == FV_X_LT;
        return piece(fv_printf(g->arena, "!%s %s %s", l, less ? "&&" : "||", r),
                     less ? FV_C_ANDAND : FV_C_OROR);
    }
    if (!equality && fv_elem_is_int(a->type.elem) && !fv_elem_is_signed(a->type.elem) &&
        a->op == FV_X_CONST && a->u.i == 0) { /* compilers warn of 0 <= u for unsigned u */
        const char *r = fv_c_at(g, x->arg[1], FV_C_ADD);
        return x->op == FV_X_LE ? piece("true", FV_C_PRIMARY)
                                : piece(fv_printf(g->arena, "%s != 0", r), FV_C_EQUAL);
    }
    if (equality && fv_elem_is_float(a->type.elem)) {
        fv_c_piece p = equal(g, x);
        return x->op == FV_X_EQ ? p : piece(fv_printf(g->arena, "!%s", p.s), FV_C_UNARY);
    }
    const fv_expr *b = x->arg[1];
    if (x->op == FV_X_LT && fv_elem_is_int(b->type.elem) && !fv_elem_is_signed(b->type.elem) &&
        b->op == FV_X_CONST && b->u.i == 0)
        return piece("false", FV_C_PRIMARY);
    return infix(g, x, sign, equality ? FV_C_EQUAL : FV_C_LESS, FV_C_ADD, FV_C_ADD);
}

static fv_c_piece negate(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    fv_c_piece a = fv_c_expr(g, x->arg[0]);
    if ((e == FV_I64 && !never_wraps(x)) || e == FV_I32)
        return cast(g, fv_c_elem(e), unsigned_expr(g, x));
    const char *s = fv_c_paren(g, a, a.s[0] == '-' ? FV_C_PRIMARY : FV_C_UNARY);
    fv_c_piece p = {fv_printf(g->arena, "-%s", s), FV_C_UNARY, a.is_int};
    return fv_elem_is_int(e) && e != FV_I64 && e != FV_U64 && e != FV_U32 ? cast(g, fv_c_elem(e), p)
                                                                          : p;
}

static fv_c_piece invert(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    const fv_expr *a = x->arg[0];
    if (a->op == FV_X_NE && fv_elem_is_float(a->arg[0]->type.elem))
        return equal(g, a);
    fv_c_piece p = {
        fv_printf(g->arena, "%s%s", e == FV_BOOL ? "!" : "~", fv_c_at(g, x->arg[0], FV_C_UNARY)),
        FV_C_UNARY, false};
    return e != FV_BOOL && fv_elem_bits(e) < 32 ? cast(g, fv_c_elem(e), p) : p;
}

const char *fv_c_condition(fv_cg *g, const fv_expr *x) {
    fv_c_piece c = fv_c_expr(g, x);
    bool bits = c.prec >= FV_C_OR && c.prec <= FV_C_AND;
    return fv_c_paren(g, c, bits ? FV_C_PRIMARY : FV_C_OROR);
}

static fv_c_piece choose(fv_cg *g, const fv_expr *x) {
    if (fv_x_has(x->arg[1], FV_HAS_REQUIRE) ||
        fv_x_has(x->arg[2], FV_HAS_REQUIRE)) /* a REQUIRE in either operand must be evaluated */
        return fv_c_call(g, fv_c_helper(g, FV_X_SELECT, x->type.elem), 3, x->arg);
    fv_c_piece a = fv_c_expr(g, x->arg[1]), b = fv_c_expr(g, x->arg[2]);
    const char *s = fv_printf(g->arena, "%s ? %s : %s", fv_c_condition(g, x->arg[0]),
                              fv_c_paren(g, a, FV_C_OROR), fv_c_paren(g, b, FV_C_COND));
    return (fv_c_piece){s, FV_C_COND, a.is_int && b.is_int};
}

/* min or max with a constant that is not NaN needs one comparison: it is false for NaN, which is
 * then the result. If the constant is 0, the sign of zeros must be treated (`strict`). */
static fv_c_piece min_max(fv_cg *g, const fv_expr *x) {
    fv_elem e = x->type.elem;
    const fv_expr *a = x->arg[0], *c = x->arg[1];
    if (a->op == FV_X_CONST) {
        const fv_expr *swap = a;
        a = c;
        c = swap;
    }
    bool least = x->op == FV_X_MIN;
    if (!fv_elem_is_float(e) || c->op != FV_X_CONST || isnan(c->u.f))
        return call_binary(g, x);
    bool strict = c->u.f == 0 && (signbit(c->u.f) != 0) == !least;
    if (a->op != FV_X_VAR) {
        fv_expr *arg[2] = {(fv_expr *)a, (fv_expr *)c};
        return fv_c_call(g, fv_c_helper_clamp(g, e, !least, strict), 2, arg);
    }
    const char *sign = least ? (strict ? ">" : ">=") : (strict ? "<" : "<=");
    const char *v = fv_c_at(g, a, FV_C_ADD), *k = fv_c_at(g, c, FV_C_ADD);
    return piece(fv_printf(g->arena, "%s %s %s ? %s : %s", v, sign, k, k, v), FV_C_COND);
}

/* ---- conversions ---- */

static fv_c_piece convert(fv_cg *g, const fv_expr *x) {
    fv_elem to = x->type.elem, from = x->arg[0]->type.elem;
    if (to == FV_BOOL && fv_elem_is_float(from))
        return piece(
            fv_printf(g->arena, "!%s(%s, 0)", fv_c_helper_equal(g, from), fv_c_str(g, x->arg[0])),
            FV_C_UNARY);
    if (to == FV_BOOL)
        return piece(fv_printf(g->arena, "%s != 0", fv_c_at(g, x->arg[0], FV_C_ADD)), FV_C_EQUAL);
    if (x->arg[0]->op == FV_X_RINT && g->p->target->single.nearest)
        return fv_c_call(g, fv_c_helper_fixed(g, "nearest_i32_f32"), 1, x->arg[0]->arg);
    if (fv_c_converts_by_call(g, from, to))
        return fv_c_call(g, fv_c_helper_convert(g, from, to), 1, x->arg);
    return cast(g, fv_c_elem(to), fv_c_expr(g, x->arg[0]));
}

/* The bytes of a small vector as a scalar: GNU C converts between vectors and integers of the same
 * size. */
static fv_c_piece bits_of_vector(fv_cg *g, fv_elem to, const fv_expr *x) {
    fv_elem bits = fv_elem_bits_elem(to);
    if (to != FV_F32 && to != FV_F64)
        return cast(g, fv_c_elem(to), fv_c_expr(g, x));
    const char *s = cast(g, fv_c_elem(bits), fv_c_expr(g, x)).s;
    return piece(fv_printf(g->arena, "%s(%s)", fv_c_helper_bits(g, bits, to), s), FV_C_PRIMARY);
}

static fv_c_piece bitcast(fv_cg *g, const fv_expr *x) {
    fv_elem to = x->type.elem, from = x->arg[0]->type.elem;
    if (x->arg[0]->type.lanes > 1)
        return bits_of_vector(g, to, x->arg[0]);
    if (!strcmp(fv_c_elem(to), fv_c_elem(from)))
        return fv_c_expr(g, x->arg[0]);
    if (to != FV_F32 && to != FV_F64 && from != FV_F32 && from != FV_F64)
        return cast(g, fv_c_elem(to), fv_c_expr(g, x->arg[0]));
    return fv_c_call(g, fv_c_helper_bits(g, from, to), 1, x->arg);
}

/* ---- memory ---- */

/* The number of elements by which x[.., at + 1, ..] follows x[.., at, ..] along `axis`, if the
 * extents of the axes after it are numbers; 0: they are not. */
static int64_t stride_of(const fv_buf *b, int axis) {
    int64_t stride = 1, extent;
    for (int i = axis + 1; i < b->rank; i++) {
        if (!fv_x_is_int(b->extent[i], &extent))
            return 0;
        stride *= extent;
    }
    return stride;
}

/* Divides an index into a variable part, which is returned, and a positive number, whose elements
 * are added to *offset: of (i + 1) * 64 + c and i * 64 + c, compilers do not find the common part,
 * because the sum in parentheses could overflow. Only for indices of 32 bits. */
static fv_expr *without_offset(const fv_cg *g, const fv_buf *b, int axis, fv_expr *index,
                               int64_t *offset) {
    int64_t v, stride = stride_of(b, axis);
    bool is = g->machine.narrow && index->op == FV_X_ADD && fv_x_is_int(index->arg[1], &v) &&
              v > 0 && stride > 1 && v <= INT32_MAX / stride;
    *offset += is ? v * stride : 0;
    return is ? index->arg[0] : index;
}

/* The index into the flat array, by Horner's rule. It is within an existing buffer, so nothing
 * wraps. */
const char *fv_c_index(fv_cg *g, const fv_buf *b, fv_expr *const *index) {
    fv_c_piece flat = piece("0", FV_C_PRIMARY);
    int64_t known = 0, extent, v, offset = 0;
    bool is_known = true;
    for (int i = 0; i < b->rank; i++) {
        if (!is_known || known != 0) {
            if (is_known && fv_x_is_int(b->extent[i], &extent)) {
                known *= extent;
                flat = int_const(g, FV_I64, known);
            } else if (!(fv_x_is_int(b->extent[i], &extent) && extent == 1)) {
                fv_c_piece e = fv_c_expr(g, b->extent[i]);
                const char *l = fv_c_paren(g, flat, FV_C_MUL);
                if (flat.is_int && !is_known && !g->machine.narrow)
                    l = fv_printf(g->arena, "(int64_t)%s", fv_c_paren(g, flat, FV_C_UNARY));
                flat = piece(fv_printf(g->arena, "%s * %s", l, fv_c_paren(g, e, FV_C_UNARY)),
                             FV_C_MUL);
                is_known = false;
            }
        }
        if (fv_x_is_int(index[i], &v)) {
            if (is_known)
                flat = int_const(g, FV_I64, known += v);
            else if (v != 0)
                flat = piece(fv_printf(g->arena, v < 0 ? "%s - %lld" : "%s + %lld", flat.s,
                                       v < 0 ? -(long long)v : (long long)v),
                             FV_C_ADD);
            continue;
        }
        fv_c_piece at = fv_c_expr(g, without_offset(g, b, i, index[i], &offset));
        if (is_known && known == 0)
            flat = at;
        else
            flat = piece(fv_printf(g->arena, "%s + %s", flat.s, fv_c_paren(g, at, FV_C_ADD)),
                         FV_C_ADD);
        is_known = false;
    }
    if (offset)
        return fv_printf(g->arena, "%s + %lld", flat.s, (long long)offset);
    return flat.s;
}

/* An element of a buffer. Tiles are declared with all their dims, so that compilers see constant
 * indices in small arrays. */
fv_c_piece fv_c_element(fv_cg *g, const fv_buf *b, fv_expr *const *index) {
    const char *name = fv_c_name_of(g, b);
    if (b->role != FV_BUF_TILE) {
        const char *at = fv_c_index(g, b, index);
        /* the name of a constant that is stored in a file or an object is an expression with a
         * cast */
        bool cast = *name == '(';
        return piece(fv_printf(g->arena, cast ? "(%s)[%s]" : "%s[%s]", name, at), FV_C_PRIMARY);
    }
    fv_text t = {.arena = g->arena};
    fv_text_put(&t, name);
    for (int i = 0; i < b->rank; i++)
        fv_text_printf(&t, "[%s]", fv_c_str(g, index[i]));
    return piece(t.s, FV_C_PRIMARY);
}

/* A load. A bool in memory is a byte; a tile of rank 0 is a variable of the bool type itself. */
static fv_c_piece load(fv_cg *g, const fv_expr *x) {
    fv_c_piece p = fv_c_element(g, x->u.buf, x->arg);
    bool byte = x->type.elem == FV_BOOL && !(x->u.buf->role == FV_BUF_TILE && x->u.buf->rank == 0);
    return byte ? piece(fv_printf(g->arena, "%s != 0", p.s), FV_C_EQUAL) : p;
}

static fv_c_piece guard(fv_cg *g, const fv_expr *x) {
    int rank = x->u.buf->rank;
    const char *c = fv_c_condition(g, x->arg[rank]);
    const char *s = fv_printf(g->arena, "%s ? %s : %s", c, load(g, x).s,
                              fv_c_at(g, x->arg[rank + 1], FV_C_COND));
    return piece(s, FV_C_COND);
}

static fv_c_piece variable(fv_cg *g, const fv_expr *x) {
    fv_c_piece p = piece(fv_c_name_of(g, x->u.var), FV_C_PRIMARY);
    p.is_int = fv_c_is_narrow(g, x);
    return p;
}

/* The sum of an element of a tile and a product by one instruction; without text if x is another
 * expression, or if the target has no such instruction. */
static fv_c_piece multiply_add(fv_cg *g, const fv_expr *x) {
    const fv_expr *sum = x->arg[0];
    bool is = x->op == FV_X_ADD && x->type.elem == FV_I32 && x->arg[1]->op == FV_X_MUL &&
              sum->op == FV_X_LOAD && sum->u.buf->role == FV_BUF_TILE;
    const char *name = is ? fv_c_helper_multiply_add(g) : NULL;
    if (!name)
        return (fv_c_piece){0};
    fv_expr *const args[] = {x->arg[1]->arg[0], x->arg[1]->arg[1], x->arg[0]};
    return fv_c_call(g, name, 3, args);
}

fv_c_piece fv_c_expr(fv_cg *g, const fv_expr *x) {
    if (x->type.lanes > 1)
        return fv_c_vector(g, x);
    fv_elem e = x->type.elem;
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST:
        return fv_elem_is_float(e) ? float_const(g, e, x->u.f) : int_const(g, e, x->u.i);
    case FV_X_VAR: return variable(g, x);
    case FV_X_LOAD: return load(g, x);
    case FV_X_GUARD: return guard(g, x);
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL: {
        fv_c_piece both = multiply_add(g, x);
        return both.s ? both : add_sub_mul(g, x);
    }
    case FV_X_DIV:
    case FV_X_REM:
    case FV_X_FLOORDIV:
    case FV_X_FLOORMOD: return divide(g, x);
    case FV_X_MIN:
    case FV_X_MAX: return min_max(g, x);
    case FV_X_NEG: return negate(g, x);
    case FV_X_NOT: return invert(g, x);
    case FV_X_AND:
    case FV_X_OR:
    case FV_X_XOR: return logic(g, x);
    case FV_X_SHL:
    case FV_X_SHR: return shift(g, x);
    case FV_X_LT:
    case FV_X_LE:
    case FV_X_EQ:
    case FV_X_NE: return compare(g, x);
    case FV_X_SELECT: return choose(g, x);
    case FV_X_CONVERT: return convert(g, x);
    case FV_X_BITCAST: return bitcast(g, x);
    case FV_X_REQUIRE: {
        const char *name = fv_c_helper_fixed(g, "require_bool");
        const char *s = fv_printf(g->arena, "%s(%s, error)", name, fv_c_str(g, x->arg[0]));
        return piece(s, FV_C_PRIMARY);
    }
    case FV_X_ABS:
        if (fv_elem_is_int(e) && !fv_elem_is_signed(e))
            return fv_c_expr(g, x->arg[0]);
        return fv_c_call(g, fv_c_helper(g, FV_X_ABS, e), 1, x->arg);
    case FV_X_SPLAT:
    case FV_X_RAMP: return fv_c_expr(g, x->arg[0]); /* lane 0 of a ramp */
    case FV_X_FMA:
    case FV_X_SQRT:
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT:
    case FV_X_MULHI:
    case FV_X_ADDSAT:
#include "ir/expr/cases_of_words.def"
    case FV_X_SCALEB:
    case FV_X_MULSAT: return fv_c_call(g, fv_c_helper(g, (fv_expr_op)x->op, e), x->n, x->arg);
    case FV_X_DOT16_I8_I8:
    case FV_X_DOT16_U8_U8:
        return fv_c_call(g, fv_c_helper_dot16(g, (fv_expr_op)x->op), x->n, x->arg);
#include "ir/expr/cases_of_math.def"
    case FV_X_CONVSAT:
    case FV_X_DIM:
    case FV_X_EVEN:
    case FV_X_ODD:
    case FV_X_REDUCE:
    case FV_X_END: break;
    }
    g->failed = !fv_error(
        g->session, "internal error: the C emitter got '%s', which expansion should have removed",
        fv_expr_op_text((fv_expr_op)x->op));
    return piece("0", FV_C_PRIMARY);
}
