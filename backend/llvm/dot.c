/* dot.c - translates sums of products of bytes, i16 and bf16, and products with powers of two, to
 * intrinsics of the table of instructions.
 *
 * Vectors wider than any instruction of the table are divided into halves; narrower ones are
 * repeated until an instruction has as many lanes. */
#include <string.h>

#include "backend/llvm/emit.h"
#include "ir/expr/instruction.h"

enum { DOT_ARGS = 3, MOST_LANES = 64 };

/* Lanes first, first + 1, .. of x, modulo its number of lanes: n of them. */
static LLVMValueRef lanes_from(fv_ll_fn *f, LLVMValueRef x, int first, int n) {
    int lanes = fv_ll_lanes_of(x);
    LLVMValueRef at[MOST_LANES];
    if (lanes == 1)
        return fv_ll_splat(f, x, n);
    for (int i = 0; i < n; i++)
        at[i] = LLVMConstInt(f->m->types.i32, (unsigned)((first + i) % lanes), 0);
    return LLVMBuildShuffleVector(f->b, x, x, LLVMConstVector(at, (unsigned)n), "");
}

/* Two vectors, one after the other. */
static LLVMValueRef joined(fv_ll_fn *f, LLVMValueRef x, LLVMValueRef y) {
    int n = 2 * fv_ll_lanes_of(x);
    LLVMValueRef at[MOST_LANES];
    for (int i = 0; i < n; i++)
        at[i] = LLVMConstInt(f->m->types.i32, (unsigned)i, 0);
    return LLVMBuildShuffleVector(f->b, x, y, LLVMConstVector(at, (unsigned)n), "");
}

static LLVMTypeRef words(fv_ll_fn *f, int lanes) {
    return fv_ll_lanes(f->m->types.i32, lanes);
}

/* Calls an intrinsic that has no other types than its own. */
static LLVMValueRef call(fv_ll_fn *f, const char *name, size_t length, LLVMValueRef *args, int n) {
    LLVMValueRef fn =
        LLVMGetIntrinsicDeclaration(f->m->module, LLVMLookupIntrinsicID(name, length), NULL, 0);
    return LLVMBuildCall2(f->b, LLVMGlobalGetValueType(fn), fn, args, (unsigned)n, "");
}

/* Bytes 0 and 2 of a word as two i16, or, if `odd`, bytes 1 and 3. extend: the intrinsic. */
static LLVMValueRef widened(fv_ll_fn *f, const char *extend, LLVMValueRef x, bool odd) {
    LLVMValueRef eight = LLVMConstInt(f->m->types.i32, 8, 0),
                 rest = LLVMConstInt(f->m->types.i32, 24, 0);
    if (odd) /* a rotation, which is part of the instruction */
        x = LLVMBuildOr(f->b, LLVMBuildLShr(f->b, x, eight, ""), LLVMBuildShl(f->b, x, rest, ""),
                        "");
    return call(f, extend, strcspn(extend, " "), &x, 1);
}

/* Emits the instructions of a row with one lane: SMLAD adds two products of i16, to which bytes are
 * widened. */
static LLVMValueRef by_smlad(fv_ll_fn *f, const fv_instruction *row, LLVMValueRef *args) {
    static const char smlad[] = "llvm.arm.smlad";
    const char *second = strchr(row->llvm, ' ');
    LLVMValueRef x[DOT_ARGS], sum = args[2];
    if (!second)
        return call(f, smlad, strlen(smlad), args, DOT_ARGS);
    if (row->op == FV_X_DOT_I16_I8_EVEN || row->op == FV_X_DOT_I16_I8_ODD) {
        x[0] = args[0];
        x[1] = widened(f, row->llvm, args[1], row->op == FV_X_DOT_I16_I8_ODD);
        x[2] = sum;
        return call(f, smlad, strlen(smlad), x, DOT_ARGS);
    }
    for (int odd = 0; odd < 2; odd++) {
        x[0] = widened(f, row->llvm, args[0], odd);
        x[1] = widened(f, second + 1, args[1], odd);
        x[2] = sum;
        sum = call(f, smlad, strlen(smlad), x, DOT_ARGS);
    }
    return sum;
}

/* Emits one instruction for SCALEB. A single f32 is computed as one lane of a vector. */
static LLVMValueRef by_scalef(fv_ll_fn *f, const fv_instruction *row, LLVMValueRef *args) {
    enum { ROUNDS = 4 }; /* as MXCSR says; only the instruction of 512 bits has this operand */
    LLVMTypeRef param[DOT_ARGS + 2];
    unsigned id = LLVMLookupIntrinsicID(row->llvm, strlen(row->llvm));
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(f->m->module, id, NULL, 0);
    LLVMTypeRef of = LLVMGlobalGetValueType(fn);
    unsigned n = LLVMCountParamTypes(of);
    LLVMGetParamTypes(of, param);
    int lanes = (int)LLVMGetVectorSize(param[0]);
    LLVMValueRef a = args[0], b = args[1];
    if (row->out.lanes == 1) {
        a = fv_ll_splat(f, a, lanes);
        b = fv_ll_splat(f, b, lanes);
    }
    LLVMValueRef with[] = {a, b, LLVMConstNull(param[2]), LLVMConstAllOnes(param[3]),
                           LLVMConstInt(f->m->types.i32, ROUNDS, 0)};
    LLVMValueRef r = LLVMBuildCall2(f->b, of, fn, with, n, "");
    return row->out.lanes == 1 ? LLVMBuildExtractElement(f->b, r, fv_ll_int(f->m, 0), "") : r;
}

/* Emits one instruction. Its parameters are vectors of i32, i16, i8, f32 or bf16, depending on the
 * instruction and the version of LLVM. */
static LLVMValueRef by_instruction(fv_ll_fn *f, const fv_instruction *row, LLVMValueRef *args) {
    LLVMTypeRef type = words(f, row->out.lanes),
                types[] = {type, fv_ll_lanes(f->m->types.i8, 4 * row->out.lanes)}, param[DOT_ARGS];
    unsigned id = LLVMLookupIntrinsicID(row->llvm, strlen(row->llvm));
    bool varies = LLVMIntrinsicIsOverloaded(id);
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(f->m->module, id, types, varies ? 2 : 0);
    LLVMTypeRef of = LLVMGlobalGetValueType(fn);
    int n = (int)LLVMCountParamTypes(of);
    LLVMValueRef order[] = {args[2], args[0], args[1]}, *from = n == DOT_ARGS ? order : args;
    LLVMGetParamTypes(of, param);
    for (int i = 0; i < n; i++)
        order[i] = LLVMBuildBitCast(f->b, from[i], param[i], "");
    LLVMValueRef r = LLVMBuildCall2(f->b, of, fn, order, (unsigned)n, "");
    r = LLVMBuildBitCast(f->b, r, type, "");
    if (row->op == FV_X_DOT_U8_I8_SAT) {
        /* the instruction leaves two sums of i16, which the product with ones adds */
        LLVMValueRef ones =
            fv_ll_splat(f, LLVMConstInt(f->m->types.i32, 0x10001, 0), row->out.lanes);
        return fv_ll_of_table(f, FV_X_DOT_I16_I16, (LLVMValueRef[]){r, ones, args[2]});
    }
    return n == DOT_ARGS ? r : LLVMBuildAdd(f->b, r, args[2], "");
}

/* The instruction of the table for that number of lanes; otherwise that with the next larger
 * number, or NULL. */
static const fv_instruction *row_for(fv_ll_fn *f, fv_expr_op op, int lanes) {
    const fv_elem e = op == FV_X_SCALEB ? FV_F32 : FV_I32;
    const fv_instruction *row = NULL;
    for (; lanes <= MOST_LANES && !row; lanes *= 2)
        row = fv_instruction_find(f->m->target, op, e, e, lanes);
    return row;
}

LLVMValueRef fv_ll_dot16(fv_ll_fn *f, fv_expr_op op, LLVMValueRef x, LLVMValueRef y,
                         LLVMValueRef sum) {
    const fv_instruction *row = fv_instruction_find(f->m->target, op, fv_dot16_elem(op), FV_I32, 1);
    FV_HOLDS(f->m->session, row);
    LLVMTypeRef type = LLVMTypeOf(x);
    LLVMValueRef none = LLVMConstInt(f->m->types.i32, 0, 0);
    /* whether bytes are unsigned, products are subtracted, neighbouring bytes are exchanged */
    LLVMValueRef args[] = {
        LLVMConstInt(f->m->types.i32, op == FV_X_DOT16_U8_U8, 0), none, none, sum, x, y};
    return fv_ll_intrinsic(f, row->llvm, 1, &type, 6, args);
}

LLVMValueRef fv_ll_of_table(fv_ll_fn *f, fv_expr_op op, LLVMValueRef *args) {
    int lanes = fv_ll_lanes_of(args[0]), n = fv_expr_op_info(op)->nargs;
    const fv_instruction *row = row_for(f, op, lanes);
    LLVMValueRef part[DOT_ARGS], half[2];
    if (op == FV_X_SCALEB && row && row->out.lanes == lanes)
        return by_scalef(f, row, args);
    if (row && row->out.lanes == 1)
        return by_smlad(f, row, args);
    if (row && row->out.lanes == lanes)
        return by_instruction(f, row, args);
    if (row) {
        for (int i = 0; i < n; i++)
            part[i] = lanes_from(f, args[i], 0, row->out.lanes);
        LLVMValueRef r = fv_ll_of_table(f, op, part);
        return lanes == 1 ? LLVMBuildExtractElement(f->b, r, fv_ll_int(f->m, 0), "")
                          : lanes_from(f, r, 0, lanes);
    }
    /* expansion must not leave an operation for which the table has no instruction */
    FV_HOLDS(f->m->session, lanes > 1);
    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < n; i++)
            part[i] = lanes_from(f, args[i], h * lanes / 2, lanes / 2);
        half[h] = fv_ll_of_table(f, op, part);
    }
    return joined(f, half[0], half[1]);
}
