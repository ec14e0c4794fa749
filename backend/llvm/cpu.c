/* cpu.c - code that asks an x86 CPU whether it has what the target needs, so that a model on an
 * older machine returns FV_BAD_CPU instead of dying of an illegal instruction.
 *
 * What is needed follows from the macros of the target (those that a C compiler defines for it) and
 * from its CPU name. The answer is kept: cpuid is slow in virtual machines.
 * Bits: Intel SDM volume 2A, CPUID; levels: x86-64 psABI, table 3.1. */
#include <string.h>

#include "backend/llvm/emit.h"

enum { EAX, EBX, ECX, EDX };
enum { YMM = 0x6, ZMM = 0xe6 }; /* register state that the system must save: bits of XCR0 */

typedef struct feature {
    const char *macro;
    uint32_t leaf;
    uint8_t subleaf, reg, bit;
    uint8_t state;
} feature;

static const feature features[] = {
    {"__SSE3__", 1, 0, ECX, 0, 0},
    {"__SSSE3__", 1, 0, ECX, 9, 0},
    {"__SSE4_1__", 1, 0, ECX, 19, 0},
    {"__SSE4_2__", 1, 0, ECX, 20, 0},
    {"__POPCNT__", 1, 0, ECX, 23, 0},
    {"__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16", 1, 0, ECX, 13, 0},
    {"__MOVBE__", 1, 0, ECX, 22, 0},
    {"__AVX__", 1, 0, ECX, 28, YMM},
    {"__F16C__", 1, 0, ECX, 29, YMM},
    {"__FMA__", 1, 0, ECX, 12, YMM},
    {"__AVX2__", 7, 0, EBX, 5, YMM},
    {"__BMI__", 7, 0, EBX, 3, 0},
    {"__BMI2__", 7, 0, EBX, 8, 0},
    {"__AVX512F__", 7, 0, EBX, 16, ZMM},
    {"__AVX512DQ__", 7, 0, EBX, 17, ZMM},
    {"__AVX512IFMA__", 7, 0, EBX, 21, ZMM},
    {"__AVX512CD__", 7, 0, EBX, 28, ZMM},
    {"__AVX512BW__", 7, 0, EBX, 30, ZMM},
    {"__AVX512VL__", 7, 0, EBX, 31, ZMM},
    {"__AVX512VBMI__", 7, 0, ECX, 1, ZMM},
    {"__AVX512VBMI2__", 7, 0, ECX, 6, ZMM},
    {"__GFNI__", 7, 0, ECX, 8, 0},
    {"__VAES__", 7, 0, ECX, 9, YMM},
    {"__VPCLMULQDQ__", 7, 0, ECX, 10, YMM},
    {"__AVX512VNNI__", 7, 0, ECX, 11, ZMM},
    {"__AVX512BITALG__", 7, 0, ECX, 12, ZMM},
    {"__AVX512VPOPCNTDQ__", 7, 0, ECX, 14, ZMM},
    {"__AVX512FP16__", 7, 0, EDX, 23, ZMM},
    {"__AVXVNNI__", 7, 1, EAX, 4, YMM},
    {"__AVX512BF16__", 7, 1, EAX, 5, ZMM},
    {"__LAHF_SAHF__", 0x80000001, 0, ECX, 0, 0},
    {"__LZCNT__", 0x80000001, 0, ECX, 5, 0},
};

typedef struct level {
    const char *cpu, *below, *macros;
} level;

static const level levels[] = {
    {"x86-64-v2", NULL,
     "__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16 __LAHF_SAHF__ __POPCNT__ __SSE3__ __SSE4_1__ __SSE4_2__ "
     "__SSSE3__"},
    {"x86-64-v3", "x86-64-v2",
     "__AVX__ __AVX2__ __BMI__ __BMI2__ __F16C__ __FMA__ __LZCNT__ __MOVBE__"},
    {"x86-64-v4", "x86-64-v3", "__AVX512F__ __AVX512BW__ __AVX512CD__ __AVX512DQ__ __AVX512VL__"},
};

/* ---- what is needed ---- */

enum { LEAVES = 4, OSXSAVE = 27 };
static const struct {
    uint32_t leaf, subleaf;
} leaves[LEAVES] = {
    {1, 0},
    {7, 0},
    {7, 1},
    {0x80000001, 0},
};

typedef struct need {
    uint32_t mask[LEAVES][4];
    uint32_t state;
} need;

static void add_feature(need *n, const feature *f) {
    for (int i = 0; i < LEAVES; i++)
        if (leaves[i].leaf == f->leaf && leaves[i].subleaf == f->subleaf)
            n->mask[i][f->reg] |= UINT32_C(1) << f->bit;
    n->state |= f->state;
    if (f->state)
        n->mask[0][ECX] |= UINT32_C(1) << OSXSAVE;
}

/* Words that are no feature of ours (__x86_64__) ask for nothing. */
static void add_macros(need *n, const char *s) {
    while (*s) {
        size_t length = strcspn(s, " ");
        for (size_t i = 0; i < sizeof features / sizeof *features; i++)
            if (strlen(features[i].macro) == length && !memcmp(features[i].macro, s, length))
                add_feature(n, &features[i]);
        s += length;
        s += strspn(s, " ");
    }
}

static void add_cpu(need *n, const char *cpu) {
    for (size_t i = sizeof levels / sizeof *levels; cpu && i-- > 0;)
        if (strcmp(levels[i].cpu, cpu) == 0) {
            add_macros(n, levels[i].macros);
            cpu = levels[i].below;
        }
}

/* ---- asking ---- */

static LLVMValueRef call_asm(fv_ll_fn *f, LLVMTypeRef result, int n, LLVMValueRef *args,
                             const char *code, const char *constraints) {
    LLVMTypeRef types[] = {f->m->i32, f->m->i32};
    LLVMTypeRef type = LLVMFunctionType(result, types, (unsigned)n, 0);
    LLVMValueRef fn = LLVMGetInlineAsm(type, (char *)(uintptr_t)code, strlen(code),
                                       (char *)(uintptr_t)constraints, strlen(constraints), 1, 0,
                                       LLVMInlineAsmDialectATT, 0);
    return LLVMBuildCall2(f->b, type, fn, args, (unsigned)n, "");
}

static LLVMValueRef word(fv_ll_fn *f, uint32_t value) {
    return LLVMConstInt(f->m->i32, value, 0);
}

/* { eax, ebx, ecx, edx } */
static LLVMValueRef cpuid(fv_ll_fn *f, uint32_t leaf, uint32_t subleaf) {
    LLVMTypeRef regs[] = {f->m->i32, f->m->i32, f->m->i32, f->m->i32};
    LLVMTypeRef type = LLVMStructTypeInContext(f->m->context, regs, 4, 0);
    LLVMValueRef args[] = {word(f, leaf), word(f, subleaf)};
    return call_asm(f, type, 2, args, "cpuid",
                    "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}");
}

/* The low half of XCR0; only where OSXSAVE is set. */
static LLVMValueRef xgetbv(fv_ll_fn *f) {
    LLVMTypeRef regs[] = {f->m->i32, f->m->i32};
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

/* A leaf beyond the highest one tells nothing. */
static void need_leaf(fv_ll_fn *f, uint32_t leaf, LLVMBasicBlockRef no) {
    LLVMBasicBlockRef next = fv_ll_block(f, "leaf");
    LLVMValueRef highest = LLVMBuildExtractValue(f->b, cpuid(f, leaf & 0x80000000, 0), 0, "");
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntUGE, highest, word(f, leaf), ""), next, no);
    fv_ll_at(f, next);
}

static void ask(fv_ll_fn *f, const need *n, LLVMBasicBlockRef no) {
    for (int i = 0; i < LEAVES; i++) {
        const uint32_t *mask = n->mask[i];
        if (!(mask[EAX] | mask[EBX] | mask[ECX] | mask[EDX]))
            continue;
        need_leaf(f, leaves[i].leaf, no);
        LLVMValueRef regs = cpuid(f, leaves[i].leaf, leaves[i].subleaf);
        for (unsigned r = EAX; r <= EDX; r++)
            if (mask[r])
                need_bits(f, LLVMBuildExtractValue(f->b, regs, r, ""), mask[r], no);
        if (i == 0 && n->state)
            need_bits(f, xgetbv(f), n->state, no);
    }
}

/* ---- the function ---- */

enum { UNKNOWN, HAS, LACKS };

static LLVMValueRef memory_of_answer(fv_ll_module *m) {
    const char *name = fv_printf(m->arena, "%s.cpu", m->program->name);
    LLVMValueRef g = LLVMAddGlobal(m->module, m->i32, name);
    LLVMSetInitializer(g, LLVMConstInt(m->i32, UNKNOWN, 0));
    LLVMSetLinkage(g, LLVMInternalLinkage);
    return g;
}

static void answer(fv_ll_fn *f, LLVMBasicBlockRef at, LLVMValueRef kept, int value) {
    fv_ll_at(f, at);
    LLVMValueRef store = LLVMBuildStore(f->b, word(f, (uint32_t)value), kept);
    LLVMSetOrdering(store, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(store, 4);
    LLVMBuildRet(f->b, LLVMConstInt(f->m->i1, value == HAS, 0));
}

static need needs_of(const fv_target *t) {
    need n = {0};
    add_cpu(&n, t->cpu);
    add_macros(&n, t->macros);
    return n;
}

static bool asks_for_nothing(const need *n) {
    const need nothing = {0};
    return memcmp(n, &nothing, sizeof nothing) == 0;
}

LLVMValueRef fv_ll_cpu_check(fv_ll_module *m) {
    need n = needs_of(m->target);
    if (strncmp(m->triple, "x86_64", 6) != 0 || asks_for_nothing(&n))
        return NULL;
    LLVMTypeRef type = LLVMFunctionType(m->i1, NULL, 0, 0);
    const char *name = fv_printf(m->arena, "%s.has_cpu", m->program->name);
    LLVMValueRef fn = fv_ll_function(m, name, type, FV_LL_INTERNAL, true);
    fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    LLVMValueRef kept = memory_of_answer(m);
    fv_ll_fn f;
    fv_ll_begin(&f, m, fn);
    LLVMBasicBlockRef known = fv_ll_block(&f, "known"), unknown = fv_ll_block(&f, "unknown");
    LLVMBasicBlockRef no = fv_ll_block(&f, "no");
    LLVMValueRef state = LLVMBuildLoad2(f.b, m->i32, kept, "");
    LLVMSetOrdering(state, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(state, 4);
    LLVMValueRef is_new = LLVMBuildICmp(f.b, LLVMIntEQ, state, word(&f, UNKNOWN), "");
    fv_ll_branch_unlikely(&f, is_new, unknown, known);
    fv_ll_at(&f, known);
    LLVMBuildRet(f.b, LLVMBuildICmp(f.b, LLVMIntEQ, state, word(&f, HAS), ""));
    fv_ll_at(&f, unknown);
    ask(&f, &n, no);
    answer(&f, LLVMGetInsertBlock(f.b), kept, HAS);
    answer(&f, no, kept, LACKS);
    fv_ll_finish(&f);
    return fn;
}
