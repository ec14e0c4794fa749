/* convert.c - CONVERT and BITCAST. */
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

/* Truncates. Numbers out of range become the nearest integer of the type, NaN becomes 0. */
static LLVMValueRef float_to_int(fv_ll_fn *f, LLVMValueRef x, fv_elem to) {
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

/* Performs a conversion by the instruction of a row of the table. LLVM divides vectors that are
 * wider than a register. */
static LLVMValueRef by_instruction(fv_ll_fn *f, const fv_instruction *row, LLVMValueRef x,
                                   fv_elem from, fv_elem to) {
    LLVMTypeRef type = float_type(f, x, to);
    x = LLVMBuildBitCast(f->b, x, float_type(f, x, from), "");
    x = strcmp(row->llvm, "fpext") ? LLVMBuildFPTrunc(f->b, x, type, "")
                                   : LLVMBuildFPExt(f->b, x, type, "");
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
    return fv_elem_is_float(to) ? float_to_float(f, x, to) : float_to_int(f, x, to);
}

LLVMValueRef fv_ll_bitcast(fv_ll_fn *f, LLVMValueRef x, fv_elem from, fv_ktype type) {
    fv_elem to = (fv_elem)type.elem;
    if (from == FV_BOOL && to != FV_BOOL)
        return LLVMBuildZExt(f->b, x, shaped(f, x, to), "");
    if (to == FV_BOOL && from != FV_BOOL)
        return to_bool(f, x, from);
    return LLVMBuildBitCast(f->b, x, fv_ll_type(f->m, type), "");
}
