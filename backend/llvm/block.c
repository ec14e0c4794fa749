/* block.c - translates statements: lets, loops, conditions. */
#include <string.h>

#include "backend/library/library.h"
#include "backend/llvm/emit.h"
#include "ir/base/limits.h"

static void let(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef v = fv_ll_expr(f, s->x);
    *fv_ptrmap_at(&f->vars, s->var) = v;
    *fv_ptrmap_at(&f->known.lets, s->var) = s->x;
    if (!LLVMIsConstant(v) && LLVMGetValueKind(v) == LLVMInstructionValueKind)
        LLVMSetValueName2(v, s->var->name, strlen(s->var->name));
}

/* Can `var + step` not overflow within the loop? */
static bool stays_small(const fv_stmt *s) {
    return s->loop.step == 1 || (s->var->hi < INT64_MAX - s->loop.step && s->var->lo > INT64_MIN);
}

/* A loop. Its condition is evaluated once before the loop and then at the end of each iteration,
 * the form that LLVM's loop passes expect. */
static void for_(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef lo = fv_ll_expr(f, s->loop.lo), hi = fv_ll_expr(f, s->loop.hi);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->b);
    LLVMBasicBlockRef body = fv_ll_block(f, "loop"), next = fv_ll_block(f, "done");
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntSLT, lo, hi, ""), body, next);
    fv_ll_at(f, body);
    LLVMValueRef var = LLVMBuildPhi(f->b, f->m->types.i64, s->var->name);
    *fv_ptrmap_at(&f->vars, s->var) = var;
    fv_ll_stmts(f, &s->body);
    LLVMValueRef step = fv_ll_int(f->m, s->loop.step);
    LLVMValueRef up =
        stays_small(s) ? LLVMBuildNSWAdd(f->b, var, step, "") : LLVMBuildAdd(f->b, var, step, "");
    LLVMBasicBlockRef last = LLVMGetInsertBlock(f->b);
    LLVMAddIncoming(var, &lo, &from, 1);
    LLVMAddIncoming(var, &up, &last, 1);
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntSLT, up, hi, ""), body, next);
    fv_ll_at(f, next);
}

static void if_(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef c = fv_ll_expr(f, s->x);
    LLVMBasicBlockRef yes = fv_ll_block(f, "then"), no = fv_ll_block(f, "else");
    LLVMBasicBlockRef next = fv_ll_block(f, "endif");
    fv_ll_branch(f, c, yes, no);
    fv_ll_at(f, yes);
    fv_ll_stmts(f, &s->body);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, no);
    fv_ll_stmts(f, &s->other);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

/* A while loop, which checks the cancel flag in each iteration, since data decide when it ends. */
static void while_(fv_ll_fn *f, const fv_stmt *s) {
    LLVMBasicBlockRef head = fv_ll_block(f, "while"), ask = fv_ll_block(f, "ask");
    LLVMBasicBlockRef body = fv_ll_block(f, "do"), next = fv_ll_block(f, "done");
    LLVMBuildBr(f->b, head);
    fv_ll_at(f, head);
    fv_ll_branch_unlikely(f, fv_ll_poll(f), f->cancelled, ask);
    fv_ll_at(f, ask);
    fv_ll_branch(f, fv_ll_expr(f, s->x), body, next);
    fv_ll_at(f, body);
    fv_ll_stmts(f, &s->body);
    LLVMBuildBr(f->b, head);
    fv_ll_at(f, next);
}

/* Stores the n values of `list` in an array on the stack, and returns its address. */
static LLVMValueRef array_of(fv_ll_fn *f, LLVMTypeRef element, int n, LLVMValueRef *list,
                             const char *name) {
    LLVMTypeRef type = LLVMArrayType2(element, (uint64_t)n);
    LLVMValueRef slot = fv_ll_alloca(f, type, name);
    for (int i = 0; i < n; i++)
        LLVMBuildStore(f->b, list[i], fv_ll_element(f, element, slot, i));
    return slot;
}

/* Translates a call of a library function, i32 fovea_NAME(ptr buffers, ptr extents, ptr why), whose
 * address the loader of the code provides. A kernel with a call has one task. */
static void call(fv_ll_fn *f, const fv_stmt *s) {
    fv_ll_module *m = f->m;
    LLVMValueRef buffers[FV_LIBRARY_PARAMS], extents[FV_LIBRARY_PARAMS * FV_MAX_RANK];
    int n = 0;
    if (!f->error) {
        fv_ll_fault(m, "CALL in a kernel that declares to have none");
        return;
    }
    for (int i = 0; i < s->call.library->nparams; i++) {
        buffers[i] = ((const fv_ll_buf *)fv_ptrmap_get(&f->bufs, s->call.args[i]))->ptr;
        for (int k = 0; k < s->call.args[i]->rank; k++)
            extents[n++] = fv_ll_expr(f, s->call.args[i]->extent[k]);
    }
    LLVMTypeRef types[] = {m->types.ptr, m->types.ptr, m->types.ptr},
                type = LLVMFunctionType(m->types.i32, types, 3, 0);
    const char *symbol = fv_library_symbol(m->arena, s->call.library);
    LLVMValueRef fn = LLVMGetNamedFunction(m->module, symbol);
    fn = fn ? fn : LLVMAddFunction(m->module, symbol, type);
    LLVMValueRef args[] = {array_of(f, m->types.ptr, s->call.library->nparams, buffers, "buffers"),
                           array_of(f, m->types.i64, n, extents, "extents"),
                           LLVMConstNull(m->types.ptr)};
    LLVMValueRef status = LLVMBuildCall2(f->b, type, fn, args, 3, "status");
    LLVMBasicBlockRef failed = fv_ll_block(f, "failed"), next = fv_ll_block(f, "called");
    fv_ll_branch_unlikely(f, LLVMBuildIsNotNull(f->b, status, ""), failed, next);
    fv_ll_at(f, failed);
    LLVMBuildStore(f->b, status, f->error);
    fv_ll_matrix_end(f);
    LLVMBuildRetVoid(f->b);
    fv_ll_at(f, next);
}

static void stmt(fv_ll_fn *f, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_LET: let(f, s); return;
    case FV_S_STORE: fv_ll_store(f, s); return;
    case FV_S_PREFETCH: fv_ll_prefetch(f, s); return;
    case FV_S_TILE: fv_ll_tile(f, s); return;
    case FV_S_FOR: for_(f, s); return;
    case FV_S_IF: if_(f, s); return;
    case FV_S_WHILE: while_(f, s); return;
    case FV_S_OUTLINE: fv_ll_outline(f, s); return;
    case FV_S_MATRIX:
        if (!fv_ll_matrix(f, s))
            fv_ll_stmts(f, &s->body);
        return;
    case FV_S_TRANSPOSE: fv_ll_fault(f->m, "a transpose is not expanded"); return;
    case FV_S_CALL: call(f, s); return;
    case FV_S_COMMENT: return;
    case FV_S_READ:
    case FV_S_PLAN:
    case FV_S_MEMORY:
    case FV_S_CHECK:
    case FV_S_LAUNCH:
    case FV_S_ALLOC:
    case FV_S_FREE:
    case FV_S_SETDIM:
        if (f->host)
            fv_ll_host_stmt(f, s);
        else
            fv_ll_fault(f->m, "a statement of host programs in a kernel");
        return;
    }
}

void fv_ll_stmts(fv_ll_fn *f, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        stmt(f, s);
}
