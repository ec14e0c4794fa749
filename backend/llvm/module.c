/* module.c - creates a module, runs LLVM's passes on it, and generates its object code. */
#include <stdlib.h>
#include <string.h>

#include "backend/llvm/emit.h"

/* ---- faults ---- */

/* The handler of LLVM's diagnostics. Frames of LLVM are on the stack, so it only records the
 * text. */
static void on_diagnostic(LLVMDiagnosticInfoRef info, void *ctx) {
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError)
        return;
    char *text = LLVMGetDiagInfoDescription(info);
    fv_ll_fault(ctx, "%s", text);
    LLVMDisposeMessage(text);
}

bool fv_ll_report(fv_ll_module *m) {
    if (!*m->fault)
        return true;
    return fv_error(m->session, "internal error: LLVM, program %s: %s", m->program->name, m->fault);
}

/* ---- target machine ---- */

static bool make_machine(fv_ll_module *m) {
    const fv_target *t = m->target;
    if (m->mode.resident)
        fv_llvm_prepare_native();
    else
        fv_llvm_prepare_all();
    if (!*t->llvm.triple && t->pointer_bits != (int)sizeof(void *) * 8)
        return fv_error(m->session, "target %s is C for any machine: write a .c file or a folder",
                        t->name);
    static const LLVMCodeGenOptLevel levels[] = {LLVMCodeGenLevelNone, LLVMCodeGenLevelLess,
                                                 LLVMCodeGenLevelDefault,
                                                 LLVMCodeGenLevelAggressive};
    LLVMTargetRef target;
    char *error = NULL;
    /* the triple is normalised, since "thumbv7em-none-eabihf" lacks the vendor; the target generic
     * is this machine */
    m->machine.triple =
        *t->llvm.triple ? LLVMNormalizeTargetTriple(t->llvm.triple) : LLVMGetDefaultTargetTriple();
    m->machine.isa = *t->llvm.triple ? t->isa : fv_isa_here();
    if (LLVMGetTargetFromTriple(m->machine.triple, &target, &error)) {
        fv_error(m->session, "target %s: this LLVM has no code generator for %s", t->name,
                 m->machine.triple);
        LLVMDisposeMessage(error);
        return false;
    }
    m->machine.ref = LLVMCreateTargetMachine(
        target, m->machine.triple, t->llvm.cpu, t->llvm.features, levels[m->mode.level],
        t->kind == FV_TARGET_MICRO ? LLVMRelocStatic : LLVMRelocPIC, LLVMCodeModelDefault);
    if (!m->machine.ref)
        return fv_error(m->session, "target %s: LLVM makes no machine for %s", t->name,
                        m->machine.triple);
    return true;
}

/* ---- types ---- */

static void make_types(fv_ll_module *m) {
    LLVMContextRef c = m->context;
    m->types.i1 = LLVMInt1TypeInContext(c);
    m->types.i8 = LLVMInt8TypeInContext(c);
    m->types.i16 = LLVMInt16TypeInContext(c);
    m->types.i32 = LLVMInt32TypeInContext(c);
    m->types.i64 = LLVMInt64TypeInContext(c);
    m->types.f16 = LLVMHalfTypeInContext(c);
    m->types.f32 = LLVMFloatTypeInContext(c);
    m->types.f64 = LLVMDoubleTypeInContext(c);
    m->types.ptr = LLVMPointerTypeInContext(c, 0);
    m->types.none = LLVMVoidTypeInContext(c);
    m->types.size = m->target->pointer_bits == 32 ? m->types.i32 : m->types.i64;
    LLVMTypeRef task[] = {m->types.ptr, m->types.i64}, state[] = {m->types.ptr, m->types.i32};
    m->types.task = LLVMFunctionType(m->types.none, task, 2, 0);
    m->types.state = LLVMStructTypeInContext(c, state, 2, 0);
}

/* Sets the ABI of RISC-V objects, which says which registers hold floats and does not follow from
 * the triple. */
static void set_abi(fv_ll_module *m) {
    if (m->machine.isa != FV_ISA_RISCV)
        return;
    const char *name = m->target->pointer_bits == 64 ? "lp64d"
                       : m->target->single.fma32     ? "ilp32f"
                                                     : "ilp32";
    LLVMMetadataRef abi = LLVMMDStringInContext2(m->context, name, strlen(name));
    LLVMAddModuleFlag(m->module, LLVMModuleFlagBehaviorError, "target-abi", 10, abi);
}

/* The function that makes room for a frame of several pages on Windows, where a stack grows page by
 * page: it touches each page. The C library has it too, but code must not need a library. It is
 * called with the size in rax (x15: the size / 16), and changes no register but flags (x16,
 * x17). */
static const char *stack_probe(fv_ll_module *m) {
    if (m->machine.isa != FV_ISA_X86)
        return "__chkstk:\n lsl x16, x15, #4\n mov x17, sp\n"
               "1: sub x17, x17, #4096\n subs x16, x16, #4096\n ldr xzr, [x17]\n b.gt 1b\n ret\n";
    return fv_printf(m->arena,
                     "%s_probe:\n push %%rcx\n push %%rax\n lea 24(%%rsp), %%rcx\n"
                     "1: cmp $4096, %%rax\n jb 2f\n"
                     " sub $4096, %%rcx\n test %%rcx, (%%rcx)\n sub $4096, %%rax\n jmp 1b\n"
                     "2: sub %%rax, %%rcx\n test %%rcx, (%%rcx)\n pop %%rax\n pop %%rcx\n ret\n",
                     m->program->name);
}

static void make_module(fv_ll_module *m) {
    m->module = LLVMModuleCreateWithNameInContext(m->program->name, m->context);
    LLVMSetTarget(m->module, m->machine.triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(m->machine.ref);
    LLVMSetModuleDataLayout(m->module, layout);
    LLVMDisposeTargetData(layout);
    set_abi(m);
    if (m->target->system != FV_SYSTEM_WINDOWS)
        return;
    const char *probe = stack_probe(m);
    LLVMSetModuleInlineAsm2(m->module, probe, strlen(probe));
}

/* ---- weights ---- */

static bool place_weights(fv_ll_module *m) {
    const fv_program *p = m->program;
    m->weights.offset = FV_NEW(m->arena, size_t, p->memory.nconstants);
    for (int i = 0; i < p->memory.nconstants; i++)
        m->weights.offset[i] = fv_weights_at(p, i);
    m->weights.bytes = fv_weights_bytes(p);
    return m->weights.bytes != SIZE_MAX ||
           fv_error(m->session, "program %s: the size of its constants overflows", p->name);
}

/* Declares the table of addresses of constants. It is not constant and has external linkage, so
 * that LLVM does not assume that its elements stay zero. */
static void declare_table(fv_ll_module *m) {
    LLVMTypeRef type = LLVMArrayType(m->types.ptr, (unsigned)m->program->memory.nconstants);
    m->weights.at =
        LLVMAddGlobal(m->module, type, fv_printf(m->arena, "%s_constants", m->program->name));
    LLVMSetInitializer(m->weights.at, LLVMConstNull(type));
    LLVMSetVisibility(m->weights.at, LLVMHiddenVisibility);
}

/* The section for weights that LLVM writes; NULL: objects of the system can be extended later. */
static const char *weights_section(fv_system system) {
    switch (system) {
    case FV_SYSTEM_WINDOWS: return ".rdata$w";
    case FV_SYSTEM_MACOS: return "__TEXT,__weights";
    case FV_SYSTEM_ELF: break;
    }
    return NULL;
}

/* Reserves the memory of the weights as a section of zeros, if they are in an object that cannot be
 * extended. */
static void reserve_weights(fv_ll_module *m, const char *name) {
    const char *section = m->weights.section = weights_section(m->target->system);
    LLVMTypeRef type = LLVMArrayType2(m->types.i8, section ? m->weights.bytes : 0);
    m->weights.at = LLVMAddGlobal(m->module, section ? type : m->types.i8, name);
    if (!section)
        return;
    LLVMSetInitializer(m->weights.at, LLVMConstNull(type));
    LLVMSetSection(m->weights.at, section);
}

static void declare_weights(fv_ll_module *m) {
    /* only the run, which is in module 0, refers to constants; kernels get their addresses as
     * arguments */
    if (m->program->memory.nconstants == 0 || m->weights.file || m->part.number != 0)
        return;
    if (m->mode.resident) {
        declare_table(m);
        return;
    }
    const char *name = fv_printf(m->arena, "%s_weights", m->program->name);
    reserve_weights(m, name);
    /* libraries of Windows export only what the linker is told to export */
    if (m->target->system != FV_SYSTEM_WINDOWS)
        LLVMSetVisibility(m->weights.at, LLVMHiddenVisibility);
    LLVMSetGlobalConstant(m->weights.at, 1);
    LLVMSetAlignment(m->weights.at, FV_BUFFER_ALIGN);
}

/* ---- the module ---- */

/* Is the element of any constant at an address that is not a multiple of its size? */
static bool has_unaligned(const fv_program *p) {
    for (int i = 0; i < p->memory.nconstants; i++) {
        const fv_constant *c = &p->memory.constants[i];
        /* a constant of a text may have no buffer: nothing reads it */
        if (c->buf &&
            !fv_constant_is_aligned(c, (size_t)fv_elem_storage_bytes((fv_elem)c->buf->elem)))
            return true;
    }
    return false;
}

bool fv_ll_open(fv_ll_module *m, fv_session *s, const fv_program *p, const fv_llvm_options *o,
                bool resident) {
    int level = o ? o->level : 2;
    m->session = s;
    m->program = p;
    m->target = p->target;
    m->mode.level = level < 0 ? 0 : level > 3 ? 3 : level;
    m->mode.small = o && o->small;
    m->mode.resident = resident;
    m->mode.unaligned = resident && has_unaligned(p);
    if (o && o->nlevels)
        m->levels = (fv_ll_levels){.n = o->nlevels, .all = o->levels, .whole = p};
    m->arena = fv_arena_new(s);
    m->kernels = fv_ptrmap_in(m->arena);
    if (!place_weights(m) || !make_machine(m))
        return false;
    m->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(m->context, on_diagnostic, m);
    make_types(m);
    make_module(m);
    declare_weights(m);
    return true;
}

/* Frees LLVM's memory of the module. */
static void dispose(fv_ll_module *m) {
    for (int i = 0; i < FV_LL_BUILDERS; i++) {
        if (m->builders.all[i])
            LLVMDisposeBuilder(m->builders.all[i]);
        m->builders.all[i] = NULL;
    }
    if (m->module)
        LLVMDisposeModule(m->module);
    if (m->context)
        LLVMContextDispose(m->context);
    if (m->machine.ref)
        LLVMDisposeTargetMachine(m->machine.ref);
    m->module = NULL;
    m->context = NULL;
    m->machine.ref = NULL;
}

void fv_ll_close(fv_ll_module *m) {
    fv_ll_close_object(m);
    dispose(m);
    if (m->machine.triple)
        LLVMDisposeMessage(m->machine.triple);
    if (m->arena)
        fv_arena_free(m->arena);
    *m = (fv_ll_module){0};
}

static void verify(fv_ll_module *m) {
    char *text = NULL;
    if (LLVMVerifyModule(m->module, LLVMReturnStatusAction, &text))
        fv_ll_fault(m, "%s", text);
    LLVMDisposeMessage(text);
}

bool fv_ll_verify(fv_ll_module *m) {
    if (!*m->fault)
        verify(m);
    return fv_ll_report(m);
}

bool fv_ll_emit(fv_ll_module *m) {
    fv_ll_kernels(m);
    if (m->part.number == 0)
        fv_ll_entries(m);
    return fv_ll_verify(m);
}

/* ---- passes ---- */

#if LLVM_VERSION_MAJOR >= 18
#define COMBINE "instcombine<no-verify-fixpoint>"
#else
#define COMBINE "instcombine"
#endif

/* LLVM's passes for -O0 to -O3. Schedules have already vectorised and unrolled loops, loops are
 * emitted in rotated form, and kernels are not inlined, so the passes listed here make the same
 * code as default<O2> in a third of the time. None of them changes a bit without fast-math flags.
 * The list of -O3 has the passes of default<O3> for functions without those that vectorise and
 * unroll, which default<O3> runs whatever the options are. */
static const char *const pipelines[] = {
    "",
    "function(sroa,early-cse,simplifycfg," COMBINE ",loop-mssa(licm)),globaldce",
    "function(sroa,early-cse<memssa>,simplifycfg," COMBINE ",loop-mssa(licm),gvn," COMBINE
    ",dse,adce,simplifycfg),globaldce",
    "function(sroa,early-cse<memssa>,aggressive-instcombine,simplifycfg," COMBINE
    ",jump-threading,correlated-propagation,"
    "simplifycfg,reassociate,constraint-elimination,loop-mssa(loop-instsimplify,loop-simplifycfg,"
    "licm,loop-rotate,licm,"
    "simple-loop-unswitch<nontrivial;trivial>),simplifycfg," COMBINE
    ",loop(loop-idiom,indvars,loop-deletion),sroa,mldst-motion,"
    "gvn,sccp,bdce," COMBINE
    ",jump-threading,correlated-propagation,adce,memcpyopt,dse,loop-mssa(licm),simplifycfg," COMBINE
    ",loop-sink,simplifycfg),globaldce",
};

static void optimize(fv_ll_module *m) {
    if (m->mode.level == 0)
        return;
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMPassBuilderOptionsSetLoopVectorization(options, 0);
    LLVMPassBuilderOptionsSetSLPVectorization(options, 0);
    LLVMPassBuilderOptionsSetLoopInterleaving(options, 0);
    LLVMPassBuilderOptionsSetLoopUnrolling(options, 0);
    LLVMErrorRef error =
        LLVMRunPasses(m->module, pipelines[m->mode.level], m->machine.ref, options);
    LLVMDisposePassBuilderOptions(options);
    if (error) {
        char *text = LLVMGetErrorMessage(error);
        fv_ll_fault(m, "%s", text);
        LLVMDisposeErrorMessage(text);
    }
    fv_llvm_release_pages(); /* the generation of code uses other parts of LLVM */
}

bool fv_ll_optimize(fv_ll_module *m) {
    optimize(m);
    return fv_ll_report(m);
}

/* ---- code ---- */

static LLVMMemoryBufferRef module_text(fv_ll_module *m) {
    char *text = LLVMPrintModuleToString(m->module);
    LLVMMemoryBufferRef b = LLVMCreateMemoryBufferWithMemoryRangeCopy(text, strlen(text), "module");
    LLVMDisposeMessage(text);
    return b;
}

static LLVMMemoryBufferRef make_code(fv_ll_module *m, LLVMCodeGenFileType type) {
    LLVMMemoryBufferRef code = NULL;
    char *error = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(m->machine.ref, m->module, type, &error, &code)) {
        fv_ll_fault(m, "%s", error);
        LLVMDisposeMessage(error);
    }
    if (!*m->fault)
        return code;
    if (code)
        LLVMDisposeMemoryBuffer(code);
    return NULL;
}

LLVMMemoryBufferRef fv_ll_code(fv_ll_module *m, fv_llvm_kind kind) {
    if (kind == FV_LLVM_IR)
        return module_text(m);
    LLVMMemoryBufferRef code =
        make_code(m, kind == FV_LLVM_ASM ? LLVMAssemblyFile : LLVMObjectFile);
    return fv_ll_report(m) ? code : NULL; /* there is no code if an error was recorded */
}

LLVMMemoryBufferRef fv_ll_make_object(fv_ll_module *m) {
    optimize(m);
    LLVMMemoryBufferRef object = *m->fault ? NULL : make_code(m, LLVMObjectFile);
    dispose(m); /* before the memory of the next module is needed */
    return object;
}
