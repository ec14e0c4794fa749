/* cpu.c - code that checks whether the CPU has the target's features (ir/target/feature.def), so
 * that a model returns FV_BAD_CPU on an older machine instead of executing an illegal instruction.
 * The result is stored, because cpuid is slow in virtual machines. */
#include <string.h>

#include "backend/llvm/emit.h"
#include "ir/kernel/matrix.h"

/* ---- asking ---- */

static LLVMValueRef call_asm(fv_ll_fn *f, LLVMTypeRef result, int n, LLVMValueRef *args,
                             const char *code, const char *constraints) {
    LLVMTypeRef types[] = {f->m->types.i32, f->m->types.i32};
    LLVMTypeRef type = LLVMFunctionType(result, types, (unsigned)n, 0);
    LLVMValueRef fn = LLVMGetInlineAsm(type, (char *)(uintptr_t)code, strlen(code),
                                       (char *)(uintptr_t)constraints, strlen(constraints), 1, 0,
                                       LLVMInlineAsmDialectATT, 0);
    return LLVMBuildCall2(f->b, type, fn, args, (unsigned)n, "");
}

static LLVMValueRef word(fv_ll_fn *f, uint32_t value) {
    return LLVMConstInt(f->m->types.i32, value, 0);
}

/* The registers eax, ebx, ecx, edx of cpuid, as a struct. */
static LLVMValueRef cpuid(fv_ll_fn *f, uint32_t leaf, uint32_t subleaf) {
    LLVMTypeRef regs[] = {f->m->types.i32, f->m->types.i32, f->m->types.i32, f->m->types.i32};
    LLVMTypeRef type = LLVMStructTypeInContext(f->m->context, regs, 4, 0);
    LLVMValueRef args[] = {word(f, leaf), word(f, subleaf)};
    return call_asm(f, type, 2, args, "cpuid",
                    "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}");
}

/* The low half of XCR0; may be executed only if OSXSAVE is set. */
static LLVMValueRef xgetbv(fv_ll_fn *f) {
    LLVMTypeRef regs[] = {f->m->types.i32, f->m->types.i32};
    LLVMTypeRef type = LLVMStructTypeInContext(f->m->context, regs, 2, 0);
    LLVMValueRef arg = word(f, 0);
    LLVMValueRef r = call_asm(f, type, 1, &arg, ".byte 0x0f, 0x01, 0xd0",
                              "={ax},={dx},{cx},~{dirflag},~{fpsr},~{flags}");
    return LLVMBuildExtractValue(f->b, r, 0, "");
}

static void need_bits(fv_ll_fn *f, LLVMValueRef x, uint32_t mask, LLVMBasicBlockRef no) {
    LLVMBasicBlockRef next = fv_ll_block(f, "has");
    LLVMValueRef got = LLVMBuildAnd(f->b, x, word(f, mask), "");
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntEQ, got, word(f, mask), ""), next, no);
    fv_ll_at(f, next);
}

/* Branches to `no` if the CPU does not have the leaf: leaves beyond the highest one have undefined
 * contents. */
static void need_leaf(fv_ll_fn *f, uint32_t leaf, LLVMBasicBlockRef no) {
    LLVMBasicBlockRef next = fv_ll_block(f, "leaf");
    LLVMValueRef highest = LLVMBuildExtractValue(f->b, cpuid(f, leaf & 0x80000000, 0), 0, "");
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntUGE, highest, word(f, leaf), ""), next, no);
    fv_ll_at(f, next);
}

/* Branches to `no` unless Linux lets this process use tile registers (FV_STATE_TILES). */
static void ask_for_tiles(fv_ll_fn *f, LLVMBasicBlockRef no) {
    LLVMTypeRef types[] = {f->m->types.i64, f->m->types.i64, f->m->types.i64};
    LLVMTypeRef type = LLVMFunctionType(f->m->types.i64, types, 3, 0);
    static char code[] = "syscall",
                constraints[] = "={ax},{ax},{di},{si},~{rcx},~{r11},~{memory},~{flags}";
    LLVMValueRef args[] = {fv_ll_int(f->m, FV_ASK_CALL), fv_ll_int(f->m, FV_ASK_STATE),
                           fv_ll_int(f->m, FV_STATE_TILES_BIT)};
    LLVMValueRef fn = LLVMGetInlineAsm(type, code, strlen(code), constraints, strlen(constraints),
                                       1, 0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef status = LLVMBuildCall2(f->b, type, fn, args, 3, "");
    LLVMBasicBlockRef next = fv_ll_block(f, "tiles");
    fv_ll_branch(f, LLVMBuildIsNull(f->b, status, ""), next, no);
    fv_ll_at(f, next);
}

/* tiles: whether the code uses tile registers; if not, it needs no permission for them */
static void ask_cpuid(fv_ll_fn *f, const fv_cpuid_need *n, bool tiles, LLVMBasicBlockRef no) {
    for (int i = 0; i < FV_CPUID_LEAVES; i++) {
        const uint32_t *mask = n->at[i].mask;
        if (!(mask[0] | mask[1] | mask[2] | mask[3]))
            continue;
        need_leaf(f, n->at[i].leaf, no);
        LLVMValueRef regs = cpuid(f, n->at[i].leaf, n->at[i].subleaf);
        for (unsigned r = 0; r < 4; r++)
            if (mask[r])
                need_bits(f, LLVMBuildExtractValue(f->b, regs, r, ""), mask[r], no);
        if (i == 0 && n->state)
            need_bits(f, xgetbv(f), n->state, no);
    }
    if (tiles && (n->state & FV_STATE_TILES))
        ask_for_tiles(f, no);
}

/* Branches to `no` unless four bits of an ID register of aarch64 are 1 to 14, which says that the
 * feature exists. */
static void ask_id(fv_ll_fn *f, const fv_feature *feature, LLVMBasicBlockRef no) {
    LLVMTypeRef type = LLVMFunctionType(f->m->types.i64, NULL, 0, 0);
    const char *code = fv_printf(f->m->arena, "mrs $0, %s", fv_id_register(feature->reg));
    LLVMValueRef fn =
        LLVMGetInlineAsm(type, (char *)(uintptr_t)code, strlen(code), (char *)(uintptr_t)"=r", 2, 1,
                         0, LLVMInlineAsmDialectATT, 0);
    LLVMValueRef all = LLVMBuildCall2(f->b, type, fn, NULL, 0, "");
    LLVMValueRef value = LLVMBuildAnd(
        f->b, LLVMBuildLShr(f->b, all, LLVMConstInt(f->m->types.i64, feature->bit, 0), ""),
        LLVMConstInt(f->m->types.i64, 15, 0), "");
    LLVMValueRef from_0 = LLVMBuildSub(f->b, value, LLVMConstInt(f->m->types.i64, 1, 0), "");
    LLVMValueRef there =
        LLVMBuildICmp(f->b, LLVMIntULT, from_0, LLVMConstInt(f->m->types.i64, 14, 0), "");
    LLVMBasicBlockRef next = fv_ll_block(f, "has");
    fv_ll_branch(f, there, next, no);
    fv_ll_at(f, next);
}

static bool is_asked(fv_feature_id id, uint64_t features, fv_cpu_kind kind) {
    return (features >> id & 1) && fv_feature_at(id)->kind == kind;
}

/* Branches to `no` unless this machine can run the code of the program. */
static void ask(fv_ll_fn *f, const fv_program *p, LLVMBasicBlockRef no) {
    const uint64_t features = fv_target_features(p->target);
    fv_cpuid_need n = fv_features_cpuid(features);
    n.state &= fv_system_state(f->m->target->system);
    ask_cpuid(f, &n, fv_matrix_is_used(p), no);
    for (fv_feature_id id = 0; id < FV_NFEATURES; id++)
        if (is_asked(id, features, FV_CPU_ID))
            ask_id(f, fv_feature_at(id), no);
}

/* ---- the function ---- */

enum { UNKNOWN, HAS, LACKS };

static LLVMValueRef memory_of_answer(fv_ll_module *m, const char *name) {
    name = fv_printf(m->arena, "%s.%s", m->program->name, name);
    LLVMValueRef g = LLVMAddGlobal(m->module, m->types.i32, name);
    LLVMSetInitializer(g, LLVMConstInt(m->types.i32, UNKNOWN, 0));
    LLVMSetLinkage(g, LLVMInternalLinkage);
    return g;
}

static void keep_answer(fv_ll_fn *f, LLVMValueRef kept, int value) {
    LLVMValueRef store = LLVMBuildStore(f->b, word(f, (uint32_t)value), kept);
    LLVMSetOrdering(store, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(store, 4);
}

static void answer(fv_ll_fn *f, LLVMBasicBlockRef at, LLVMValueRef kept, int value) {
    fv_ll_at(f, at);
    keep_answer(f, kept, value);
    LLVMBuildRet(f->b, LLVMConstInt(f->m->types.i1, value == HAS, 0));
}

/* Begins a function without parameters whose answer is kept: code that follows finds it out. Where
 * it is known, the function continues in the block `known` with the value that was kept. */
static LLVMValueRef begin_check(fv_ll_fn *f, fv_ll_module *m, LLVMValueRef fn, LLVMValueRef kept,
                                LLVMBasicBlockRef *known) {
    fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    fv_ll_begin(f, m, fn);
    LLVMBasicBlockRef unknown = fv_ll_block(f, "unknown");
    *known = fv_ll_block(f, "known");
    LLVMValueRef state = LLVMBuildLoad2(f->b, m->types.i32, kept, "");
    LLVMSetOrdering(state, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(state, 4);
    LLVMValueRef is_new = LLVMBuildICmp(f->b, LLVMIntEQ, state, word(f, UNKNOWN), "");
    fv_ll_branch_unlikely(f, is_new, unknown, *known);
    fv_ll_at(f, unknown);
    return state;
}

LLVMValueRef fv_ll_cpu_check(fv_ll_module *m) {
    if (!fv_features_can_lack(fv_target_features(m->target)))
        return NULL;
    LLVMTypeRef type = LLVMFunctionType(m->types.i1, NULL, 0, 0);
    const char *name = fv_printf(m->arena, "%s.has_cpu", m->program->name);
    LLVMValueRef fn = fv_ll_function(m, name, type, FV_LL_INTERNAL, true);
    LLVMValueRef kept = memory_of_answer(m, "cpu");
    LLVMBasicBlockRef known;
    fv_ll_fn f;
    LLVMValueRef state = begin_check(&f, m, fn, kept, &known);
    LLVMBasicBlockRef no = fv_ll_block(&f, "no");
    ask(&f, m->program, no);
    answer(&f, LLVMGetInsertBlock(f.b), kept, HAS);
    answer(&f, no, kept, LACKS);
    fv_ll_at(&f, known);
    LLVMBuildRet(f.b, LLVMBuildICmp(f.b, LLVMIntEQ, state, word(&f, HAS), ""));
    fv_ll_finish(&f);
    return fn;
}

/* What is kept is 1 + the level. */
LLVMValueRef fv_ll_cpu_level(fv_ll_module *m) {
    LLVMTypeRef type = LLVMFunctionType(m->types.i32, NULL, 0, 0);
    const char *name = fv_printf(m->arena, "%s.level", m->program->name);
    LLVMValueRef fn = fv_ll_function(m, name, type, FV_LL_INTERNAL, true);
    LLVMValueRef kept = memory_of_answer(m, "level_here");
    LLVMBasicBlockRef known;
    fv_ll_fn f;
    LLVMValueRef state = begin_check(&f, m, fn, kept, &known);
    for (int i = m->levels.n - 1; i >= 0; i--) {
        LLVMBasicBlockRef lower = i ? fv_ll_block(&f, "lower") : NULL;
        if (i)
            ask(&f, m->levels.all[i], lower);
        keep_answer(&f, kept, 1 + i);
        LLVMBuildRet(f.b, word(&f, (uint32_t)i));
        if (i)
            fv_ll_at(&f, lower);
    }
    fv_ll_at(&f, known);
    LLVMBuildRet(f.b, LLVMBuildSub(f.b, state, word(&f, 1), ""));
    fv_ll_finish(&f);
    return fn;
}
