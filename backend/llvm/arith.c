/* arith.c - operations for which LLVM has no instruction that is defined for all operands and
 * exact: division, minimum and maximum, high products, saturating sums and products. They are
 * written as plain instructions, none of which becomes a call on machines of 64 bits. */
#include <math.h>
#include <string.h>

#include "backend/llvm/emit.h"

static LLVMValueRef icmp(fv_ll_fn *f, LLVMIntPredicate p, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildICmp(f->b, p, a, b, "");
}

static LLVMValueRef choose(fv_ll_fn *f, LLVMValueRef c, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildSelect(f->b, c, a, b, "");
}

/* A constant of the type of x, with this value in every lane. */
static LLVMValueRef like(LLVMValueRef x, int64_t value) {
    LLVMTypeRef t = LLVMTypeOf(x);
    if (LLVMGetTypeKind(t) != LLVMVectorTypeKind)
        return LLVMConstInt(t, (unsigned long long)value, 1);
    unsigned n = LLVMGetVectorSize(t);
    LLVMValueRef lane[256];
    for (unsigned i = 0; i < n; i++)
        lane[i] = LLVMConstInt(LLVMGetElementType(t), (unsigned long long)value, 1);
    return LLVMConstVector(lane, n);
}

static unsigned int_bits(LLVMValueRef x) {
    LLVMTypeRef t = LLVMTypeOf(x);
    return LLVMGetIntTypeWidth(LLVMGetTypeKind(t) == LLVMVectorTypeKind ? LLVMGetElementType(t)
                                                                        : t);
}

/* ---- division ---- */

/* Is the scalar a constant power of two that is positive? If so, sets *shift to its exponent. */
static bool is_power_of_two(LLVMValueRef x, unsigned *shift) {
    if (!LLVMIsAConstantInt(x))
        return false;
    unsigned long long v = LLVMConstIntGetZExtValue(x);
    if (v == 0 || (v & (v - 1)) || v >> (int_bits(x) - 1))
        return false;
    *shift = (unsigned)__builtin_ctzll(v);
    return true;
}

/* A divisor that cannot trap: 1 where b is 0 or the quotient would overflow, otherwise b. A
 * quotient of the least integer and -1 is the least integer then, and the remainder 0. */
static LLVMValueRef safe_divisor(fv_ll_fn *f, bool is_signed, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef bad = icmp(f, LLVMIntEQ, b, like(b, 0));
    if (is_signed) {
        int64_t least = (int64_t)(~UINT64_C(0) << (int_bits(b) - 1));
        LLVMValueRef is_least = icmp(f, LLVMIntEQ, a, like(a, least));
        LLVMValueRef by_minus_one = icmp(f, LLVMIntEQ, b, like(b, -1));
        LLVMValueRef overflow = LLVMBuildAnd(f->b, is_least, by_minus_one, "");
        bad = LLVMBuildOr(f->b, bad, overflow, "");
    }
    return choose(f, bad, like(b, 1), b);
}

/* Does the truncated quotient exceed the floored one? The remainder is not 0 and its sign is not
 * that of the divisor. */
static LLVMValueRef rounds_up(fv_ll_fn *f, LLVMValueRef rem, LLVMValueRef d) {
    LLVMValueRef zero = like(d, 0);
    LLVMValueRef differ = icmp(f, LLVMIntSLT, LLVMBuildXor(f->b, rem, d, ""), zero);
    LLVMValueRef inexact = icmp(f, LLVMIntNE, rem, zero);
    return LLVMBuildAnd(f->b, inexact, differ, "");
}

static LLVMValueRef signed_division(fv_ll_fn *f, fv_expr_op op, LLVMValueRef a, LLVMValueRef d) {
    if (op == FV_X_DIV)
        return LLVMBuildSDiv(f->b, a, d, "");
    LLVMValueRef rem = LLVMBuildSRem(f->b, a, d, "");
    if (op == FV_X_REM)
        return rem;
    LLVMValueRef up = rounds_up(f, rem, d);
    if (op == FV_X_FLOORMOD)
        return choose(f, up, LLVMBuildAdd(f->b, rem, d, ""), rem);
    LLVMValueRef q = LLVMBuildSDiv(f->b, a, d, "");
    return choose(f, up, LLVMBuildSub(f->b, q, like(q, 1), ""), q);
}

static LLVMValueRef unsigned_division(fv_ll_fn *f, fv_expr_op op, LLVMValueRef a, LLVMValueRef d) {
    if (op == FV_X_DIV || op == FV_X_FLOORDIV)
        return LLVMBuildUDiv(f->b, a, d, "");
    return LLVMBuildURem(f->b, a, d, "");
}

static LLVMValueRef division(fv_ll_fn *f, fv_expr_op op, bool is_signed, LLVMValueRef a,
                             LLVMValueRef d) {
    return is_signed ? signed_division(f, op, a, d) : unsigned_division(f, op, a, d);
}

/* Is x a constant divisor that cannot trap, neither 0 nor -1? */
static bool is_harmless(LLVMValueRef x) {
    return LLVMIsAConstantInt(x) && LLVMConstIntGetSExtValue(x) != 0 &&
           LLVMConstIntGetSExtValue(x) != -1;
}

LLVMValueRef fv_ll_divide(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b) {
    fv_expr_op op = (fv_expr_op)x->op;
    bool is_signed = fv_elem_is_signed((fv_elem)x->type.elem);
    unsigned shift;
    if (op == FV_X_FLOORDIV && is_signed && is_power_of_two(b, &shift))
        return LLVMBuildAShr(f->b, a, like(a, shift), "");
    if (op == FV_X_FLOORMOD && is_signed && is_power_of_two(b, &shift))
        return LLVMBuildAnd(f->b, a, like(a, (INT64_C(1) << shift) - 1), "");
    if (is_harmless(b))
        return division(f, op, is_signed, a, b);
    LLVMValueRef d = safe_divisor(f, is_signed, a, b);
    LLVMValueRef r = division(f, op, is_signed, a, d);
    return choose(f, icmp(f, LLVMIntEQ, b, like(b, 0)), like(a, 0), r);
}

/* ---- minimum and maximum ---- */

static LLVMValueRef int_min_max(fv_ll_fn *f, bool max, fv_elem e, LLVMValueRef a, LLVMValueRef b) {
    bool is_signed = fv_elem_is_signed(e);
    LLVMIntPredicate p =
        is_signed ? (max ? LLVMIntSGT : LLVMIntSLT) : (max ? LLVMIntUGT : LLVMIntULT);
    return choose(f, icmp(f, p, a, b), a, b);
}

static LLVMTypeRef bits_type(fv_ll_fn *f, LLVMValueRef x) {
    LLVMTypeRef t = LLVMTypeOf(x);
    if (LLVMGetTypeKind(t) == LLVMVectorTypeKind)
        t = LLVMGetElementType(t);
    return fv_ll_lanes(t == f->m->types.f32 ? f->m->types.i32 : f->m->types.i64, fv_ll_lanes_of(x));
}

static LLVMValueRef to_bits(fv_ll_fn *f, LLVMValueRef x) {
    return LLVMBuildBitCast(f->b, x, bits_type(f, x), "");
}

/* a if it is smaller (if `max`: larger) than b, otherwise b: also if they are equal, or one is NaN.
 * The instructions minps and maxps do the same. */
static LLVMValueRef ordered(fv_ll_fn *f, bool max, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef c = LLVMBuildFCmp(f->b, max ? LLVMRealOGT : LLVMRealOLT, a, b, "");
    return choose(f, c, a, b);
}

/* The minimum or maximum from both orders of operands. The two results differ only for zeros of
 * different sign and for NaN. Their bitwise or is the minimum: -0 | +0 = -0, and the or with a NaN
 * is a NaN. Their bitwise and is the maximum, except for NaN. */
static LLVMValueRef both_ways(fv_ll_fn *f, bool max, LLVMValueRef a, LLVMValueRef b) {
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef x = to_bits(f, ordered(f, max, a, b));
    LLVMValueRef y = to_bits(f, ordered(f, max, b, a));
    if (!max)
        return LLVMBuildBitCast(f->b, LLVMBuildOr(f->b, x, y, ""), type, "");
    LLVMValueRef nan = LLVMBuildFCmp(f->b, LLVMRealUNO, a, b, "");
    LLVMValueRef ones = LLVMBuildSExt(f->b, nan, bits_type(f, a), "");
    LLVMValueRef both = LLVMBuildAnd(f->b, x, y, "");
    return LLVMBuildBitCast(f->b, LLVMBuildOr(f->b, both, ones, ""), type, "");
}

LLVMValueRef fv_ll_limit(fv_ll_fn *f, bool max, LLVMValueRef a, LLVMValueRef constant) {
    return ordered(f, max, constant, a);
}

/* If the second operand is a constant c that is not NaN, one comparison is enough, written such
 * that NaN and values equal to c come from x. Zeros: max(-0, +0) would be -0, so results of max(x,
 * +0) have the sign cleared; likewise min(x, -0) has the sign set. */
static LLVMValueRef beside_constant(fv_ll_fn *f, bool max, LLVMValueRef x, LLVMValueRef c,
                                    double value) {
    LLVMValueRef r = ordered(f, max, c, x);
    if (value != 0 || (signbit(value) != 0) == max)
        return r;
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef abs = fv_ll_intrinsic(f, "llvm.fabs", 1, &type, 1, &r);
    return max ? abs : LLVMBuildFNeg(f->b, abs, "");
}

bool fv_ll_is_number(const fv_expr *x, double *value) {
    if (x->op == FV_X_SPLAT)
        x = x->arg[0];
    if (x->op != FV_X_CONST || isnan(x->u.f))
        return false;
    *value = x->u.f;
    return true;
}

static LLVMValueRef float_min_max(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b) {
    bool max = x->op == FV_X_MAX;
    double value;
    /* fmin and fmax of aarch64 order zeros and return NaN as MIN and MAX of kernel IR do */
    if (f->m->machine.isa == FV_ISA_AARCH64) {
        LLVMTypeRef type = LLVMTypeOf(a);
        LLVMValueRef args[] = {a, b};
        return fv_ll_intrinsic(f, max ? "llvm.maximum" : "llvm.minimum", 1, &type, 2, args);
    }
    if (fv_ll_is_number(x->arg[1], &value))
        return beside_constant(f, max, a, b, value);
    if (fv_ll_is_number(x->arg[0], &value))
        return beside_constant(f, max, b, a, value);
    return both_ways(f, max, a, b);
}

LLVMValueRef fv_ll_min_max(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b) {
    fv_elem e = (fv_elem)x->type.elem;
    if (fv_elem_is_float(e))
        return float_min_max(f, x, a, b);
    return int_min_max(f, x->op == FV_X_MAX, e, a, b);
}

/* ---- wide and saturating ---- */

/* The upper half of the product of two u32 or u64. */
LLVMValueRef fv_ll_mulhi(fv_ll_fn *f, const fv_expr *e, LLVMValueRef a, LLVMValueRef b) {
    (void)e;
    unsigned bits = int_bits(a);
    LLVMTypeRef narrow = LLVMTypeOf(a);
    LLVMTypeRef wide =
        fv_ll_lanes(LLVMIntTypeInContext(f->m->context, 2 * bits), fv_ll_lanes_of(a));
    LLVMValueRef x = LLVMBuildZExt(f->b, a, wide, "");
    LLVMValueRef y = LLVMBuildZExt(f->b, b, wide, "");
    LLVMValueRef product = LLVMBuildMul(f->b, x, y, "");
    return LLVMBuildTrunc(f->b, LLVMBuildLShr(f->b, product, like(product, bits), ""), narrow, "");
}

/* A saturating sum or product of i64 that are not negative. It is computed unsigned, because the
 * signed form is a call on 32-bit machines. */
LLVMValueRef fv_ll_saturating(fv_ll_fn *f, const fv_expr *e, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef r, most = like(a, INT64_MAX), wraps;
    if (e->op == FV_X_ADDSAT) {
        r = LLVMBuildAdd(f->b, a, b, "");
        wraps = icmp(f, LLVMIntSLT, r, like(a, 0));
    } else {
        LLVMTypeRef type = LLVMTypeOf(a);
        LLVMValueRef args[] = {a, b};
        LLVMValueRef pair = fv_ll_intrinsic(f, "llvm.umul.with.overflow", 1, &type, 2, args);
        r = LLVMBuildExtractValue(f->b, pair, 0, "");
        LLVMValueRef carry = LLVMBuildExtractValue(f->b, pair, 1, "");
        wraps = LLVMBuildOr(f->b, carry, icmp(f, LLVMIntSLT, r, like(a, 0)), "");
    }
    return choose(f, wraps, most, r);
}
