/* expr.c - translates expressions of an expanded kernel to LLVM values, each node to its
 * instructions.
 *
 * A value of n lanes is a vector of n; bool is i1. Storage types are unsigned integers. No
 * instruction carries flags that would let LLVM change a bit. */
#include <math.h>
#include <string.h>

#include "backend/llvm/emit.h"

/* The value of argument i. Must not be called twice in one C expression: the order of the emitted
 * code is the order of the calls, which C leaves to the compiler. */
static LLVMValueRef arg(fv_ll_fn *f, const fv_expr *x, int i) {
    return fv_ll_expr(f, x->arg[i]);
}

static bool on_floats(const fv_expr *x) {
    return fv_elem_is_float((fv_elem)x->arg[0]->type.elem);
}

static LLVMValueRef constant(fv_ll_fn *f, const fv_expr *x) {
    fv_elem e = (fv_elem)x->type.elem;
    LLVMTypeRef type = fv_ll_elem(f->m, e);
    LLVMValueRef c;
    if (!fv_elem_is_float(e)) {
        c = LLVMConstInt(type, (unsigned long long)x->u.i, 1);
    } else if (e == FV_F32) {
        float value = (float)x->u.f;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        c = LLVMConstBitCast(LLVMConstInt(f->m->types.i32, bits, 0), type);
    } else {
        uint64_t bits;
        memcpy(&bits, &x->u.f, sizeof bits);
        c = LLVMConstBitCast(LLVMConstInt(f->m->types.i64, bits, 0), type);
    }
    return fv_ll_splat(f, c, x->type.lanes);
}

static LLVMValueRef variable(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef v = fv_ptrmap_get(&f->vars, x->u.var);
    if (v)
        return v;
    fv_ll_fault(f->m, "variable %s has no value", x->u.var->name);
    return LLVMGetPoison(fv_ll_type(f->m, x->type));
}

static LLVMValueRef binary(fv_ll_fn *f, const fv_expr *x, LLVMOpcode on_ints, LLVMOpcode on_float) {
    LLVMValueRef a = arg(f, x, 0), b = arg(f, x, 1);
    return LLVMBuildBinOp(f->b, on_floats(x) ? on_float : on_ints, a, b, "");
}

static LLVMValueRef bitwise(fv_ll_fn *f, const fv_expr *x, LLVMOpcode op) {
    LLVMValueRef a = arg(f, x, 0), b = arg(f, x, 1);
    return LLVMBuildBinOp(f->b, op, a, b, "");
}

typedef LLVMValueRef two_fn(fv_ll_fn *f, const fv_expr *x, LLVMValueRef a, LLVMValueRef b);

static LLVMValueRef two(fv_ll_fn *f, const fv_expr *x, two_fn *fn) {
    LLVMValueRef a = arg(f, x, 0), b = arg(f, x, 1);
    return fn(f, x, a, b);
}

static LLVMValueRef shift(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef a = arg(f, x, 0), b = arg(f, x, 1);
    int bits = 8 * fv_elem_storage_bytes((fv_elem)x->type.elem);
    LLVMValueRef width =
        LLVMConstInt(fv_ll_elem(f->m, (fv_elem)x->type.elem), (unsigned long long)bits - 1, 0);
    LLVMValueRef count = LLVMBuildAnd(f->b, b, fv_ll_splat(f, width, x->type.lanes), "");
    if (x->op == FV_X_SHL)
        return LLVMBuildShl(f->b, a, count, "");
    return fv_elem_is_signed((fv_elem)x->type.elem) ? LLVMBuildAShr(f->b, a, count, "")
                                                    : LLVMBuildLShr(f->b, a, count, "");
}

static LLVMValueRef compare(fv_ll_fn *f, const fv_expr *x, LLVMRealPredicate on_float,
                            LLVMIntPredicate on_signed, LLVMIntPredicate on_unsigned) {
    LLVMValueRef a = arg(f, x, 0), b = arg(f, x, 1);
    if (on_floats(x))
        return LLVMBuildFCmp(f->b, on_float, a, b, "");
    bool is_signed = fv_elem_is_signed((fv_elem)x->arg[0]->type.elem);
    return LLVMBuildICmp(f->b, is_signed ? on_signed : on_unsigned, a, b, "");
}

static LLVMValueRef negation(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef a = arg(f, x, 0);
    return on_floats(x) ? LLVMBuildFNeg(f->b, a, "") : LLVMBuildNeg(f->b, a, "");
}

static LLVMValueRef unary_intrinsic(fv_ll_fn *f, const fv_expr *x, const char *name) {
    LLVMValueRef a = arg(f, x, 0);
    LLVMTypeRef type = LLVMTypeOf(a);
    return fv_ll_intrinsic(f, name, 1, &type, 1, &a);
}

static LLVMValueRef absolute(fv_ll_fn *f, const fv_expr *x) {
    if (on_floats(x))
        return unary_intrinsic(f, x, "llvm.fabs");
    LLVMValueRef a = arg(f, x, 0);
    if (!fv_elem_is_signed((fv_elem)x->type.elem))
        return a;
    LLVMValueRef negative = LLVMBuildICmp(f->b, LLVMIntSLT, a, LLVMConstNull(LLVMTypeOf(a)), "");
    return LLVMBuildSelect(f->b, negative, LLVMBuildNeg(f->b, a, ""), a, "");
}

static LLVMValueRef fma_(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef args[3];
    for (int i = 0; i < 3; i++)
        args[i] = arg(f, x, i);
    LLVMTypeRef type = LLVMTypeOf(args[0]);
    return fv_ll_intrinsic(f, "llvm.fma", 1, &type, 3, args);
}

/* Emits a sum of products by an instruction of the target. */
static LLVMValueRef of_table(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef args[3];
    for (int i = 0; i < x->n; i++)
        args[i] = arg(f, x, i);
    return fv_ll_of_table(f, (fv_expr_op)x->op, args);
}

static LLVMValueRef choice(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef c = arg(f, x, 0), a = arg(f, x, 1), b = arg(f, x, 2);
    LLVMValueRef r = LLVMBuildSelect(f->b, c, a, b, "");
    if (x->type.elem == FV_F32)
        fv_ll_note_limit(f, x, r, a, b);
    return r;
}

static LLVMValueRef rounded(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef v = arg(f, x, 0);
    LLVMTypeRef type = LLVMTypeOf(v);
    LLVMValueRef r = fv_ll_intrinsic(f, "llvm.roundeven", 1, &type, 1, &v);
    if (x->type.elem == FV_F32)
        fv_ll_note_rounded(f, r, v);
    return r;
}

static LLVMValueRef ramp(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef lane[256];
    LLVMTypeRef type = fv_ll_elem(f->m, (fv_elem)x->type.elem);
    for (int i = 0; i < x->type.lanes; i++)
        lane[i] = LLVMConstInt(type, (unsigned long long)i, 0);
    LLVMValueRef steps = LLVMConstVector(lane, x->type.lanes);
    return LLVMBuildAdd(f->b, fv_ll_splat(f, arg(f, x, 0), x->type.lanes), steps, "");
}

static LLVMValueRef blocks(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef a = arg(f, x, 0), b = arg(f, x, 1), lane[256];
    int lanes = x->type.lanes, n = (int)x->u.i, from = x->op == FV_X_EVEN ? 0 : n;
    for (int i = 0; i < lanes; i++)
        lane[i] =
            LLVMConstInt(f->m->types.i32, (unsigned)(from + (i / n % 2 ? lanes + i - n : i)), 0);
    return LLVMBuildShuffleVector(f->b, a, b, LLVMConstVector(lane, (unsigned)lanes), "");
}

/* Emits a REQUIRE. Several tasks may set the error word at the same time; all of them write the
 * same value. */
static LLVMValueRef require(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef ok = arg(f, x, 0), all = ok;
    if (!f->error) {
        fv_ll_fault(f->m, "REQUIRE in a kernel that declares to have none");
        return ok;
    }
    if (x->type.lanes > 1) {
        LLVMTypeRef type = LLVMTypeOf(ok);
        all = fv_ll_intrinsic(f, "llvm.vector.reduce.and", 1, &type, 1, &ok);
    }
    LLVMBasicBlockRef bad = fv_ll_block(f, "bad_index"), next = fv_ll_block(f, "checked");
    fv_ll_branch_unlikely(f, LLVMBuildNot(f->b, all, ""), bad, next);
    fv_ll_at(f, bad);
    LLVMValueRef store =
        LLVMBuildStore(f->b, LLVMConstInt(f->m->types.i32, FV_BAD_INDEX, 0), f->error);
    LLVMSetOrdering(store, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(store, 4);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
    return ok;
}

/* Sets the limits of max(min(y, hi), lo); false: x is something else. */
static bool limits(const fv_expr *x, double *lo, double *hi) {
    return x->op == FV_X_MAX && x->arg[0]->op == FV_X_MIN && fv_ll_is_number(x->arg[1], lo) &&
           fv_ll_is_number(x->arg[0]->arg[1], hi);
}

/* The larger one of v and 0; 0 if v is NaN. */
static LLVMValueRef positive(fv_ll_fn *f, LLVMValueRef v) {
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(v));
    return LLVMBuildSelect(f->b, LLVMBuildFCmp(f->b, LLVMRealOGT, v, zero, ""), v, zero, "");
}

/* Converts v, numbers of i32, truncated; nearest: rounded to the nearest integer. */
static LLVMValueRef to_i32(fv_ll_fn *f, LLVMValueRef v, LLVMTypeRef type, bool nearest) {
    return nearest ? fv_ll_nearest(f, v) : LLVMBuildFPToSI(f->b, v, type, "");
}

/* v, a float, as i32; 0 if v is NaN. Where comparisons give vectors of bits, NaN is replaced before
 * the conversion: LLVM selects after the conversion to bytes that follows, and narrows the bits of
 * the comparison as well, which takes four instructions more. */
static LLVMValueRef number_or_zero(fv_ll_fn *f, LLVMValueRef v, LLVMTypeRef type, bool nearest) {
    LLVMValueRef number = LLVMBuildFCmp(f->b, LLVMRealORD, v, v, "");
    if (f->m->target->vector_bits <= 256) {
        v = LLVMBuildSelect(f->b, number, v, LLVMConstNull(LLVMTypeOf(v)), "");
        return to_i32(f, v, type, nearest);
    }
    LLVMValueRef r = to_i32(f, v, type, nearest);
    return LLVMBuildSelect(f->b, number, r, LLVMConstNull(type), "");
}

/* Are these limits whole numbers, so that a number can be rounded after it is limited? */
static bool are_whole(double lo, double hi) {
    return lo == floor(lo) && hi == floor(hi);
}

/* A conversion of a value that is limited to numbers of i32. Only NaN has to be replaced, by 0:
 * both limits are numbers of i32, and so is every number between them. NULL: x is another
 * conversion. */
static LLVMValueRef convert_limited(fv_ll_fn *f, const fv_expr *x) {
    const fv_expr *y = x->arg[0];
    LLVMTypeRef type = fv_ll_type(f->m, x->type);
    double lo, hi;
    bool is = x->type.elem == FV_I32 && y->type.elem == FV_F32 && limits(y, &lo, &hi) &&
              lo >= -0x1p31 && hi <= 2147483520.0 && lo <= hi;
    if (!is)
        return NULL;
    LLVMValueRef v = fv_ll_expr(f, y->arg[0]->arg[0]);
    LLVMValueRef exact = are_whole(lo, hi) ? fv_ll_unrounded(f, v) : NULL;
    v = fv_ll_limit(f, false, exact ? exact : v, fv_ll_expr(f, y->arg[0]->arg[1]));
    if (lo == 0)
        return to_i32(f, positive(f, v), type, exact != NULL);
    v = fv_ll_limit(f, true, v, fv_ll_expr(f, y->arg[1]));
    return number_or_zero(f, v, type, exact != NULL);
}

/* A conversion that is known to saturate no number: of f32 to i32, where NaN is replaced by 0 if it
 * may occur, or of an i32 to f32 by way of an integer with fewer bits. NULL: x is another
 * conversion. */
static LLVMValueRef convert_inside(fv_ll_fn *f, const fv_expr *x) {
    const fv_expr *y = x->arg[0];
    int64_t lo, hi;
    if (x->type.elem == FV_I32 && y->type.elem == FV_F32) {
        fv_ll_range r = fv_ll_range_of(f, y), s = r.known ? r : fv_ll_limits_of(f, y);
        if (!s.known || s.lo < -0x1p31 || s.hi > 2147483520.0)
            return NULL;
        LLVMTypeRef type = fv_ll_type(f->m, x->type);
        LLVMValueRef v = fv_ll_expr(f, y), exact = fv_ll_unrounded(f, v);
        v = exact ? exact : v;
        return r.known ? to_i32(f, v, type, exact != NULL)
                       : number_or_zero(f, v, type, exact != NULL);
    }
    bool narrow = x->type.elem == FV_F32 && y->op == FV_X_CONVERT &&
                  y->arg[0]->type.elem == FV_I32 && fv_elem_is_int((fv_elem)y->type.elem) &&
                  fv_elem_bits((fv_elem)y->type.elem) < 32 &&
                  fv_elem_range((fv_elem)y->type.elem, &lo, &hi);
    fv_ll_range r = narrow ? fv_ll_range_of(f, y->arg[0]) : (fv_ll_range){0};
    if (!r.known || r.lo < (double)lo || r.hi > (double)hi)
        return NULL;
    return fv_ll_convert(f, fv_ll_expr(f, y->arg[0]), FV_I32, FV_F32);
}

/* The number of i32 that is nearest to v, an f32. */
static LLVMValueRef nearest_of(fv_ll_fn *f, LLVMValueRef v) {
    LLVMTypeRef type = f->m->types.f32;
    v = fv_ll_intrinsic(f, "llvm.arm.vcvtr", 1, &type, 1, &v);
    return LLVMBuildBitCast(f->b, v, f->m->types.i32, "");
}

/* The numbers of i32 that are nearest to the argument of x, which rounds f32. The instruction is
 * for one of them. */
static LLVMValueRef nearest(fv_ll_fn *f, const fv_expr *x) {
    LLVMValueRef v = arg(f, x, 0);
    const int lanes = x->type.lanes;
    if (lanes == 1)
        return nearest_of(f, v);
    LLVMValueRef r = LLVMGetPoison(fv_ll_type(f->m, fv_kt(FV_I32, lanes)));
    for (int i = 0; i < lanes; i++) {
        LLVMValueRef lane = LLVMConstInt(f->m->types.i32, (unsigned)i, false);
        LLVMValueRef n = nearest_of(f, LLVMBuildExtractElement(f->b, v, lane, ""));
        r = LLVMBuildInsertElement(f->b, r, n, lane, "");
    }
    return r;
}

/* A conversion of a rounded number to a byte, with limits 0 and 255, where an instruction saturates
 * unsigned i32 to bytes (vpmovusdb): then only the lower limit is needed before. Numbers above i32
 * become 2^31, which saturates to 255. NULL: x is another conversion. */
static LLVMValueRef convert_to_byte(fv_ll_fn *f, const fv_expr *x) {
    enum { MOST = 255, WIDE = 512 };
    const fv_expr *y = x->arg[0], *z = y->n ? y->arg[0] : y;
    double lo, hi;
    bool is = x->type.elem == FV_U8 && y->op == FV_X_CONVERT && y->type.elem == FV_I32 &&
              z->type.elem == FV_F32 && f->m->target->vector_bits == WIDE && limits(z, &lo, &hi) &&
              lo == 0 && hi == (double)MOST;
    LLVMValueRef v = is ? fv_ll_expr(f, z->arg[0]->arg[0]) : NULL;
    LLVMValueRef exact = is ? fv_ll_unrounded(f, v) : NULL;
    if (!exact)
        return NULL;
    v = fv_ll_nearest(f, positive(f, exact));
    LLVMValueRef most = fv_ll_splat(f, LLVMConstInt(f->m->types.i32, MOST, 0), x->type.lanes);
    v = LLVMBuildSelect(f->b, LLVMBuildICmp(f->b, LLVMIntULT, v, most, ""), v, most, "");
    return LLVMBuildTrunc(f->b, v, fv_ll_type(f->m, x->type), "");
}

static LLVMValueRef convert(fv_ll_fn *f, const fv_expr *x) {
    if (x->arg[0]->op == FV_X_RINT && f->m->target->single.nearest)
        return nearest(f, x->arg[0]);
    LLVMValueRef r = convert_limited(f, x);
    r = r ? r : convert_inside(f, x);
    r = r ? r : convert_to_byte(f, x);
    fv_elem from = (fv_elem)x->arg[0]->type.elem;
    return r ? r : fv_ll_convert(f, arg(f, x, 0), from, (fv_elem)x->type.elem);
}

static LLVMValueRef not_expanded(fv_ll_fn *f, const fv_expr *x) {
    fv_ll_fault(f->m, "%s is not expanded", fv_expr_op_info((fv_expr_op)x->op)->id);
    return LLVMGetPoison(fv_ll_type(f->m, x->type));
}

/* clang-format off */
LLVMValueRef fv_ll_expr(fv_ll_fn *f, const fv_expr *x) {
    switch ((fv_expr_op)x->op) {
    case FV_X_CONST: return constant(f, x);
    case FV_X_VAR: return variable(f, x);
    case FV_X_LOAD: case FV_X_GUARD: return fv_ll_load(f, x);
    case FV_X_ADD: return binary(f, x, LLVMAdd, LLVMFAdd);
    case FV_X_SUB: return binary(f, x, LLVMSub, LLVMFSub);
    case FV_X_MUL: return binary(f, x, LLVMMul, LLVMFMul);
    case FV_X_DIV: case FV_X_REM:
    case FV_X_FLOORDIV: case FV_X_FLOORMOD:
        return on_floats(x) ? binary(f, x, LLVMSDiv, LLVMFDiv) : two(f, x, fv_ll_divide);
    case FV_X_MIN: case FV_X_MAX: return two(f, x, fv_ll_min_max);
    case FV_X_NEG: return negation(f, x);
    case FV_X_ABS: return absolute(f, x);
    case FV_X_FMA: return fma_(f, x);
#include "ir/expr/cases_of_words.def"
    case FV_X_SCALEB:
        return of_table(f, x);
    case FV_X_DOT16_I8_I8: case FV_X_DOT16_U8_U8:
        return fv_ll_dot16(f, (fv_expr_op)x->op, arg(f, x, 0), arg(f, x, 1), arg(f, x, 2));
    case FV_X_SQRT: return unary_intrinsic(f, x, "llvm.sqrt");
    case FV_X_FLOOR: return unary_intrinsic(f, x, "llvm.floor");
    case FV_X_CEIL: return unary_intrinsic(f, x, "llvm.ceil");
    case FV_X_TRUNC: return unary_intrinsic(f, x, "llvm.trunc");
    case FV_X_RINT: return rounded(f, x);
    case FV_X_AND: return bitwise(f, x, LLVMAnd);
    case FV_X_OR: return bitwise(f, x, LLVMOr);
    case FV_X_XOR: return bitwise(f, x, LLVMXor);
    case FV_X_NOT: return LLVMBuildNot(f->b, arg(f, x, 0), "");
    case FV_X_SHL: case FV_X_SHR: return shift(f, x);
    case FV_X_MULHI: return two(f, x, fv_ll_mulhi);
    case FV_X_ADDSAT: case FV_X_MULSAT: return two(f, x, fv_ll_saturating);
    case FV_X_LT: return compare(f, x, LLVMRealOLT, LLVMIntSLT, LLVMIntULT);
    case FV_X_LE: return compare(f, x, LLVMRealOLE, LLVMIntSLE, LLVMIntULE);
    case FV_X_EQ: return compare(f, x, LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ);
    case FV_X_NE: return compare(f, x, LLVMRealUNE, LLVMIntNE, LLVMIntNE);
    case FV_X_SELECT: return choice(f, x);
    case FV_X_CONVERT: return convert(f, x);
    case FV_X_BITCAST:
        return fv_ll_bitcast(f, arg(f, x, 0), (fv_elem)x->arg[0]->type.elem, x->type);
    case FV_X_SPLAT: return fv_ll_splat(f, arg(f, x, 0), x->type.lanes);
    case FV_X_RAMP: return ramp(f, x);
    case FV_X_EVEN: case FV_X_ODD: return blocks(f, x);
    case FV_X_REQUIRE: return require(f, x);
    case FV_X_CONVSAT:
#include "ir/expr/cases_of_math.def"
    case FV_X_DIM: case FV_X_REDUCE: case FV_X_END: break;
    }
    return not_expanded(f, x);
}
/* clang-format on */
