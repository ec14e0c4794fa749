/* kernel.c - emits a function for each kernel, and one that unpacks arguments for parallel_for.
 *
 *   void NAME(ptr buffers ..., i64 dims ..., ptr state, i64 task)
 *   void NAME.task(ptr args, i64 task) */
#include <string.h>

#include "backend/llvm/emit.h"
#include "ir/kernel/build.h"

/* ---- types ---- */

static bool has_while(const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if (s->kind == FV_S_WHILE || has_while(&s->body) || has_while(&s->other))
            return true;
    return false;
}

static void declare_types(fv_ll_module *m, fv_ll_kernel *k) {
    int n = 0, nbufs = k->kernel->nbufs, ndims = k->kernel->ndims;
    LLVMTypeRef *types = FV_NEW(m->arena, LLVMTypeRef, nbufs + ndims + 2);
    for (int i = 0; i < nbufs; i++)
        types[n++] = m->types.ptr;
    for (int i = 0; i < ndims; i++)
        types[n++] = m->types.i64;
    types[n++] = m->types.ptr;
    k->args_type = LLVMStructTypeInContext(m->context, types, (unsigned)n, 0);
    types[n++] = m->types.i64;
    k->type = LLVMFunctionType(m->types.none, types, (unsigned)n, 0);
}

/* Sets attributes of parameters; of buffers none if the kernel calls a library function, which gets
 * their pointers. */
static void param_attrs(fv_ll_module *m, fv_ll_kernel *k) {
    int nbufs = k->kernel->nbufs, state = nbufs + k->kernel->ndims;
    for (int i = 0; i < nbufs && !fv_kernel_calls(k->kernel); i++)
        fv_ll_buf_attrs(m, k->fn, (unsigned)i, k->kernel->bufs[i]);
    fv_ll_attr(m, k->fn, (unsigned)state + 1, "noalias");
}

static void declare(fv_ll_module *m, int index) {
    const fv_kernel *kernel = m->program->kernels[index];
    fv_ll_kernel *k = FV_NEW(m->arena, fv_ll_kernel, 1);
    k->kernel = kernel;
    k->index = index;
    k->may_fail = kernel->requires_ || has_while(&kernel->body);
    declare_types(m, k);
    *fv_ptrmap_at(&m->kernels, kernel) = k;
}

/* ---- bodies ---- */

static void name_param(LLVMValueRef v, const char *name) {
    LLVMSetValueName2(v, name, strlen(name));
}

static void bind_params(fv_ll_fn *f, const fv_kernel *k) {
    unsigned n = 0, first_dim = (unsigned)k->nbufs;
    for (int i = 0; i < k->ndims; i++) {
        LLVMValueRef v = LLVMGetParam(f->fn, first_dim + (unsigned)i);
        name_param(v, k->dims[i]->name);
        *fv_ptrmap_at(&f->vars, k->dims[i]) = v;
    }
    for (int i = 0; i < k->nbufs; i++) {
        LLVMValueRef v = LLVMGetParam(f->fn, n++);
        name_param(v, k->bufs[i]->name);
        fv_ll_add_buf(f, k->bufs[i], v);
    }
    LLVMValueRef task = LLVMGetParam(f->fn, first_dim + (unsigned)k->ndims + 1);
    name_param(task, "task");
    if (k->task)
        *fv_ptrmap_at(&f->vars, k->task) = task;
}

/* Makes the struct that a kernel shares with the run accessible: { ptr cancel; i32 error; }. */
static void bind_state(fv_ll_fn *f, LLVMValueRef state) {
    name_param(state, "state");
    f->error = LLVMBuildStructGEP2(f->b, f->m->types.state, state, 1, "");
    f->cancel = LLVMBuildLoad2(f->b, f->m->types.ptr, state, "");
}

static void leave_cancelled(fv_ll_fn *f) {
    fv_ll_at(f, f->cancelled);
    LLVMValueRef store =
        LLVMBuildStore(f->b, LLVMConstInt(f->m->types.i32, FV_CANCELLED, 0), f->error);
    LLVMSetOrdering(store, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(store, 4);
    fv_ll_matrix_end(f);
    LLVMBuildRetVoid(f->b);
}

/* Declares the functions of a kernel. If a program is divided into several modules, they refer to
 * each other's functions by name. */
static void declare_functions(fv_ll_module *m, fv_ll_kernel *k) {
    const char *name = fv_ll_name_of_level(m, k->kernel->name);
    fv_ll_linkage linkage = m->part.of ? FV_LL_EXPORTED : FV_LL_INTERNAL;
    if (m->part.of)
        name = fv_printf(m->arena, "%s.%d", name, k->index);
    k->fn = fv_ll_function(m, name, k->type, linkage, false);
    k->task =
        fv_ll_function(m, fv_printf(m->arena, "%s.task", name), m->types.task, linkage, false);
}

static void emit_kernel(fv_ll_module *m, fv_ll_kernel *k) {
    const fv_kernel *kernel = k->kernel;
    fv_ll_attr(m, k->fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    param_attrs(m, k);
    fv_ll_fn f;
    fv_ll_begin(&f, m, k->fn);
    bind_params(&f, kernel);
    fv_ll_find_launches(&f, kernel);
    if (k->may_fail)
        bind_state(&f, LLVMGetParam(k->fn, (unsigned)(kernel->nbufs + kernel->ndims)));
    if (k->may_fail)
        f.cancelled = fv_ll_block(&f, "cancelled");
    fv_ll_matrix_begin(&f, &kernel->body);
    fv_ll_stmts(&f, &kernel->body);
    fv_ll_matrix_end(&f);
    LLVMBuildRetVoid(f.b);
    if (k->may_fail)
        leave_cancelled(&f);
    fv_ll_finish(&f);
}

static void emit_task(fv_ll_module *m, fv_ll_kernel *k) {
    fv_ll_fn f;
    fv_ll_begin(&f, m, k->task);
    unsigned n = LLVMCountStructElementTypes(k->args_type);
    LLVMValueRef *args = FV_NEW(m->arena, LLVMValueRef, n + 1);
    for (unsigned i = 0; i < n; i++) {
        LLVMValueRef at = LLVMBuildStructGEP2(f.b, k->args_type, LLVMGetParam(k->task, 0), i, "");
        args[i] = LLVMBuildLoad2(f.b, LLVMStructGetTypeAtIndex(k->args_type, i), at, "");
    }
    args[n] = LLVMGetParam(k->task, 1);
    LLVMBuildCall2(f.b, k->type, k->fn, args, n + 1, "");
    LLVMBuildRetVoid(f.b);
    fv_ll_finish(&f);
}

void fv_ll_kernels(fv_ll_module *m) {
    const fv_program *p = m->program;
    for (int i = 0; i < p->nkernels; i++)
        declare(m, i);
    for (int i = 0; i < p->nkernels; i++) {
        fv_ll_kernel *k = fv_ptrmap_get(&m->kernels, p->kernels[i]);
        bool here = !m->part.of || m->part.of[i] == m->part.number;
        if (!fv_kernel_collective(k->kernel) && (here || m->part.number == 0))
            declare_functions(m, k);
        if (!here || fv_kernel_collective(k->kernel))
            continue; /* the host program calls a collective itself */
        emit_kernel(m, k);
        emit_task(m, k);
    }
}
