/* function.c - functions, blocks, and small functions that emit code. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/llvm/emit.h"

/* ---- errors ---- */

void fv_ll_fault(fv_ll_module *m, const char *format, ...) {
    if (*m->fault)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(m->fault, sizeof m->fault, format, args);
    va_end(args);
}

/* ---- types ---- */

LLVMTypeRef fv_ll_elem(fv_ll_module *m, fv_elem e) {
    if (e == FV_BOOL)
        return m->types.i1;
    if (e == FV_F32)
        return m->types.f32;
    if (e == FV_F64)
        return m->types.f64;
    return LLVMIntTypeInContext(m->context, 8 * (unsigned)fv_elem_storage_bytes(e));
}

LLVMTypeRef fv_ll_lanes(LLVMTypeRef elem, int lanes) {
    return lanes > 1 ? LLVMVectorType(elem, (unsigned)lanes) : elem;
}

LLVMTypeRef fv_ll_type(fv_ll_module *m, fv_ktype t) {
    return fv_ll_lanes(fv_ll_elem(m, (fv_elem)t.elem), t.lanes);
}

LLVMTypeRef fv_ll_mem_type(fv_ll_module *m, fv_elem e, int lanes) {
    return fv_ll_lanes(e == FV_BOOL ? m->types.i8 : fv_ll_elem(m, e), lanes);
}

int fv_ll_lanes_of(LLVMValueRef x) {
    LLVMTypeRef t = LLVMTypeOf(x);
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind ? (int)LLVMGetVectorSize(t) : 1;
}

/* ---- functions ---- */

/* Adds an attribute. One that this version of LLVM does not know is omitted, since attributes only
 * help optimization. */
void fv_ll_attr(fv_ll_module *m, LLVMValueRef fn, unsigned at, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    if (kind)
        LLVMAddAttributeAtIndex(fn, at, LLVMCreateEnumAttribute(m->context, kind, 0));
}

void fv_ll_buf_attrs(fv_ll_module *m, LLVMValueRef fn, unsigned param, const fv_buf *b) {
    /* no other parameter overlaps a buffer that is written (program_verify.c) */
    if (b->role != FV_BUF_INOUT)
        fv_ll_attr(m, fn, param + 1, "noalias");
    if (b->role == FV_BUF_IN)
        fv_ll_attr(m, fn, param + 1, "readonly");
    fv_ll_attr(m, fn, param + 1, "nocapture");
}

static void text_attr(fv_ll_module *m, LLVMValueRef fn, const char *name, const char *value) {
    LLVMAttributeRef a = LLVMCreateStringAttribute(m->context, name, (unsigned)strlen(name), value,
                                                   (unsigned)strlen(value));
    LLVMAddAttributeAtIndex(fn, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, a);
}

/* Sets the CPU of a function. Code that runs before the CPU was checked must not use the target's
 * features. */
static void set_cpu(fv_ll_module *m, LLVMValueRef fn, bool baseline) {
    bool x86 = m->machine.isa == FV_ISA_X86, arm = m->machine.isa == FV_ISA_AARCH64;
    baseline = baseline && (x86 || arm);
    const char *cpu = baseline && x86 ? "x86-64" : m->target->llvm.cpu;
    const char *features = baseline ? "" : m->target->llvm.features;
    if (*cpu)
        text_attr(m, fn, "target-cpu", cpu);
    if (*features || baseline) /* a function without these attributes has those of the module */
        text_attr(m, fn, "target-features", features);
}

const char *fv_ll_name_of_level(fv_ll_module *m, const char *name) {
    return m->levels.n ? fv_printf(m->arena, "%s.%s", name, m->target->name) : name;
}

LLVMValueRef fv_ll_function(fv_ll_module *m, const char *name, LLVMTypeRef type,
                            fv_ll_linkage linkage, bool baseline) {
    LLVMValueRef fn = LLVMAddFunction(m->module, name, type);
    LLVMSetLinkage(fn, linkage == FV_LL_EXPORTED ? LLVMExternalLinkage : LLVMInternalLinkage);
    const unsigned whole = (unsigned)LLVMAttributeFunctionIndex;
    fv_ll_attr(m, fn, whole, "nounwind");
    if (m->mode.small)
        fv_ll_attr(m, fn, whole, "optsize");
    text_attr(m, fn, "no-builtins", "");
    if (m->target->system == FV_SYSTEM_WINDOWS)
        text_attr(m, fn, "probe-stack", fv_printf(m->arena, "%s_probe", m->program->name));
    set_cpu(m, fn, baseline);
    return fn;
}

/* The next unused builder. Builders belong to the module, so that they are freed however emission
 * ends. */
static LLVMBuilderRef next_builder(fv_ll_module *m) {
    FV_HOLDS(m->session, m->builders.n < FV_LL_BUILDERS);
    LLVMBuilderRef *b = &m->builders.all[m->builders.n++];
    if (!*b)
        *b = LLVMCreateBuilderInContext(m->context);
    return *b;
}

void fv_ll_begin(fv_ll_fn *f, fv_ll_module *m, LLVMValueRef fn) {
    memset(f, 0, sizeof *f);
    f->m = m;
    f->fn = fn;
    f->vars = fv_ptrmap_in(m->arena);
    f->bufs = fv_ptrmap_in(m->arena);
    f->known = (fv_ll_known){.lets = fv_ptrmap_in(m->arena),
                             .unrounded = fv_ptrmap_in(m->arena),
                             .any = fv_ptrmap_in(m->arena)};
    LLVMBasicBlockRef entry = fv_ll_block(f, "entry");
    f->start = fv_ll_block(f, "start");
    f->slots = next_builder(m);
    LLVMPositionBuilderAtEnd(f->slots, entry);
    f->b = next_builder(m);
    fv_ll_at(f, f->start);
}

void fv_ll_finish(fv_ll_fn *f) {
    LLVMBuildBr(f->slots, f->start);
    f->m->builders.n -= 2;
}

/* ---- blocks ---- */

LLVMBasicBlockRef fv_ll_block(fv_ll_fn *f, const char *name) {
    return LLVMAppendBasicBlockInContext(f->m->context, f->fn, name);
}

void fv_ll_at(fv_ll_fn *f, LLVMBasicBlockRef block) {
    LLVMPositionBuilderAtEnd(f->b, block);
}

void fv_ll_branch(fv_ll_fn *f, LLVMValueRef c, LLVMBasicBlockRef yes, LLVMBasicBlockRef no) {
    LLVMBuildCondBr(f->b, c, yes, no);
}

void fv_ll_branch_unlikely(fv_ll_fn *f, LLVMValueRef c, LLVMBasicBlockRef yes,
                           LLVMBasicBlockRef no) {
    LLVMContextRef context = f->m->context;
    LLVMMetadataRef weights[] = {
        LLVMMDStringInContext2(context, "branch_weights", 14),
        LLVMValueAsMetadata(LLVMConstInt(f->m->types.i32, 1, 0)),
        LLVMValueAsMetadata(LLVMConstInt(f->m->types.i32, 2000, 0)),
    };
    LLVMValueRef br = LLVMBuildCondBr(f->b, c, yes, no);
    LLVMSetMetadata(br, LLVMGetMDKindIDInContext(context, "prof", 4),
                    LLVMMetadataAsValue(context, LLVMMDNodeInContext2(context, weights, 3)));
}

/* ---- values ---- */

LLVMValueRef fv_ll_alloca(fv_ll_fn *f, LLVMTypeRef type, const char *name) {
    return LLVMBuildAlloca(f->slots, type, name);
}

LLVMValueRef fv_ll_int(fv_ll_module *m, int64_t value) {
    return LLVMConstInt(m->types.i64, (unsigned long long)value, 1);
}

/* A global of zeros, which replaces an argument that the caller left out. */
LLVMValueRef fv_ll_zeros(fv_ll_module *m, LLVMTypeRef type, const char *name) {
    LLVMValueRef g = LLVMAddGlobal(m->module, type, name);
    LLVMSetInitializer(g, LLVMConstNull(type));
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(g, 1);
    return g;
}

LLVMValueRef fv_ll_splat(fv_ll_fn *f, LLVMValueRef x, int lanes) {
    if (lanes <= 1)
        return x;
    LLVMTypeRef type = fv_ll_lanes(LLVMTypeOf(x), lanes);
    LLVMValueRef zero = LLVMConstInt(f->m->types.i32, 0, 0);
    LLVMValueRef first = LLVMBuildInsertElement(f->b, LLVMGetPoison(type), x, zero, "");
    LLVMValueRef mask = LLVMConstNull(fv_ll_lanes(f->m->types.i32, lanes));
    return LLVMBuildShuffleVector(f->b, first, LLVMGetPoison(type), mask, "");
}

LLVMValueRef fv_ll_intrinsic(fv_ll_fn *f, const char *name, int ntypes, LLVMTypeRef *types,
                             int nargs, LLVMValueRef *args) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef fn = LLVMGetIntrinsicDeclaration(f->m->module, id, types, (size_t)ntypes);
    LLVMTypeRef type = LLVMGlobalGetValueType(fn);
    return LLVMBuildCall2(f->b, type, fn, args, (unsigned)nargs, "");
}

LLVMValueRef fv_ll_element(fv_ll_fn *f, LLVMTypeRef type, LLVMValueRef array, int at) {
    LLVMValueRef i = fv_ll_int(f->m, at);
    return LLVMBuildGEP2(f->b, type, array, &i, 1, "");
}

LLVMValueRef fv_ll_offset(fv_ll_fn *f, LLVMValueRef p, LLVMValueRef bytes) {
    return LLVMBuildGEP2(f->b, f->m->types.i8, p, &bytes, 1, "");
}

LLVMValueRef fv_ll_poll(fv_ll_fn *f) {
    LLVMValueRef flag = LLVMBuildLoad2(f->b, f->m->types.i32, f->cancel, "");
    LLVMSetVolatile(flag, 1);
    return LLVMBuildICmp(f->b, LLVMIntNE, flag, LLVMConstInt(f->m->types.i32, 0, 0), "");
}
