/* convert.c - translates the operations CONVERT and BITCAST. */
#include <string.h>

#include "backend/llvm/emit.h"
#include "ir/expr/instruction.h"

static LLVMTypeRef shaped(fv_ll_fn *f, LLVMValueRef x, fv_elem e) {
    return fv_ll_lanes(fv_ll_elem(f->m, e), fv_ll_lanes_of(x));
}

static LLVMValueRef to_bool(fv_ll_fn *f, LLVMValueRef x, fv_elem from) {
    LLVMValueRef zero = LLVMConstNull(LLVMTypeOf(x));
    if (fv_elem_is_float(from))
        return LLVMBuildFCmp(f->b, LLVMRealUNE, x, zero, "");
    return LLVMBuildICmp(f->b, LLVMIntNE, x, zero, "");
}

static LLVMValueRef number_like(fv_ll_fn *f, LLVMValueRef x, double value) {
    LLVMTypeRef type = LLVMTypeOf(x), elem = LLVMGetElementType(type);
    return fv_ll_splat(f, LLVMConstReal(elem, value), fv_ll_lanes_of(x));
}

static LLVMValueRef integer_like(fv_ll_fn *f, LLVMValueRef x, int64_t value) {
    LLVMTypeRef type = LLVMTypeOf(x), elem = LLVMGetElementType(type);
    return fv_ll_splat(f, LLVMConstInt(elem, (unsigned long long)value, 1), fv_ll_lanes_of(x));
}

/* The larger or smaller one of x and a constant; the constant if x is NaN. */
static LLVMValueRef bounded(fv_ll_fn *f, LLVMRealPredicate p, LLVMValueRef x, double bound) {
    LLVMValueRef c = number_like(f, x, bound);
    return LLVMBuildSelect(f->b, LLVMBuildFCmp(f->b, p, x, c, ""), x, c, "");
}

/* Converts lanes of f32 or f64 to i32. For f32, 2^31 is not reached: the largest f32 below it is
 * the limit. LLVM 19 converts lanes one by one for llvm.fptosi.sat on x86. */
static LLVMValueRef lanes_to_i32(fv_ll_fn *f, LLVMValueRef x, fv_elem from) {
    double most = from == FV_F32 ? 2147483520.0 : 2147483647.0;
    LLVMValueRef inside = bounded(f, LLVMRealOLT, bounded(f, LLVMRealOGT, x, -0x1p31), most);
    LLVMValueRef r = LLVMBuildFPToSI(f->b, inside, shaped(f, x, FV_I32), "");
    LLVMValueRef above = LLVMBuildFCmp(f->b, LLVMRealOGE, x, number_like(f, x, 0x1p31), "");
    LLVMValueRef number = LLVMBuildFCmp(f->b, LLVMRealORD, x, x, "");
    r = LLVMBuildSelect(f->b, above, integer_like(f, r, INT32_MAX), r, "");
    return LLVMBuildSelect(f->b, number, r, integer_like(f, r, 0), "");
}

/* Lanes of i32 to a narrower type, saturated. */
static LLVMValueRef narrowed(fv_ll_fn *f, LLVMValueRef x, fv_elem to) {
    int64_t lo, hi;
    bool known = fv_elem_range(to, &lo, &hi);
    FV_HOLDS(f->m->session, known);
    LLVMValueRef least = integer_like(f, x, lo), most = integer_like(f, x, hi);
    x = LLVMBuildSelect(f->b, LLVMBuildICmp(f->b, LLVMIntSGT, x, least, ""), x, least, "");
    x = LLVMBuildSelect(f->b, LLVMBuildICmp(f->b, LLVMIntSLT, x, most, ""), x, most, "");
    return LLVMBuildTrunc(f->b, x, shaped(f, x, to), "");
}

/* Truncates. Numbers out of range become the nearest integer of the type, NaN becomes 0. */
static LLVMValueRef float_to_int(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_elem to) {
    bool x86 = f->m->machine.isa == FV_ISA_X86;
    if (x86 && fv_ll_lanes_of(x) > 1 && (to == FV_I32 || fv_elem_bits(to) < 32)) {
        LLVMValueRef r = lanes_to_i32(f, x, from);
        return to == FV_I32 ? r : narrowed(f, r, to);
    }
    LLVMTypeRef types[] = {shaped(f, x, to), LLVMTypeOf(x)};
    const char *name = fv_elem_is_signed(to) ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
    return fv_ll_intrinsic(f, name, 2, types, 1, &x);
}

static LLVMValueRef float_to_float(fv_ll_fn *f, LLVMValueRef x, fv_elem to) {
    LLVMTypeRef type = shaped(f, x, to);
    return to == FV_F64 ? LLVMBuildFPExt(f->b, x, type, "") : LLVMBuildFPTrunc(f->b, x, type, "");
}

static LLVMValueRef int_to_float(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_elem to) {
    LLVMTypeRef type = shaped(f, x, to);
    return fv_elem_is_signed(from) ? LLVMBuildSIToFP(f->b, x, type, "")
                                   : LLVMBuildUIToFP(f->b, x, type, "");
}

static LLVMValueRef int_to_int(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_elem to) {
    LLVMTypeRef type = shaped(f, x, to);
    return LLVMBuildIntCast2(f->b, x, type, fv_elem_is_signed(from), "");
}

/* The type of a float in LLVM. A storage type is an integer in memory. */
static LLVMTypeRef float_type(fv_ll_fn *f, LLVMValueRef x, fv_elem e) {
    return e == FV_F16 ? fv_ll_lanes(f->m->types.f16, fv_ll_lanes_of(x)) : shaped(f, x, e);
}

/* Widens a float. LLVM replaces operations on widened lanes by those on narrow lanes where the
 * result is the same: comparisons, minima and roundings, and a sum, product or quotient that is
 * rounded to f16 (f32 has more than twice the bits of f16, so rounding twice is rounding once).
 * Where the target has arithmetic of f16, that saves two conversions for each operation. Elsewhere
 * LLVM would perform the operations on lanes one by one; the fence, which is no instruction,
 * prevents that. */
static LLVMValueRef widened(fv_ll_fn *f, LLVMValueRef x, LLVMTypeRef type) {
    x = LLVMBuildFPExt(f->b, x, type, "");
    bool narrow = fv_target_features(f->m->target) & FV_FEATURE_BIT(avx512fp16);
    return fv_ll_lanes_of(x) == 1 || narrow
               ? x
               : fv_ll_intrinsic(f, "llvm.arithmetic.fence", 1, &type, 1, &x);
}

/* Performs a conversion by an instruction of the table. LLVM divides vectors that are wider than a
 * register. */
static LLVMValueRef by_instruction(fv_ll_fn *f, const fv_instruction *row, LLVMValueRef x,
                                   fv_elem from, fv_elem to) {
    LLVMTypeRef type = float_type(f, x, to);
    x = LLVMBuildBitCast(f->b, x, float_type(f, x, from), "");
    x = strcmp(row->llvm, "fpext") ? LLVMBuildFPTrunc(f->b, x, type, "") : widened(f, x, type);
    return LLVMBuildBitCast(f->b, x, shaped(f, x, to), "");
}

LLVMValueRef fv_ll_convert(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_elem to) {
    if (from == to)
        return x;
    const fv_instruction *row = fv_instruction_find(f->m->target, FV_X_CONVERT, from, to, 1);
    if (row)
        return by_instruction(f, row, x, from, to);
    if (fv_elem_is_storage(from) || fv_elem_is_storage(to)) {
        fv_ll_fault(f->m, "conversion of %s to %s is not expanded", fv_elem_name(from),
                    fv_elem_name(to));
        return LLVMGetPoison(shaped(f, x, to));
    }
    if (to == FV_BOOL)
        return to_bool(f, x, from);
    if (!fv_elem_is_float(from))
        return fv_elem_is_float(to) ? int_to_float(f, x, from, to) : int_to_int(f, x, from, to);
    return fv_elem_is_float(to) ? float_to_float(f, x, to) : float_to_int(f, x, from, to);
}

LLVMValueRef fv_ll_bitcast(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_ktype type) {
    fv_elem to = (fv_elem)type.elem;
    if (from == FV_BOOL && to != FV_BOOL)
        return LLVMBuildZExt(f->b, x, shaped(f, x, to), "");
    if (to == FV_BOOL && from != FV_BOOL)
        return to_bool(f, x, from);
    return LLVMBuildBitCast(f->b, x, fv_ll_type(f->m, type), "");
}
