/* host.c - the statements of host programs: what the caller gives and is told, checks, launches, allocations. */
#include "backend/llvm/host.h"

/* ---- the caller's environment ---- */

LLVMTypeRef fv_ll_env_type(fv_ll_module *m) {
    LLVMTypeRef fields[FV_ENV_MEMBERS];
    for (int i = 0; i < FV_ENV_MEMBERS; i++)
        fields[i] = fv_env_is_pointer(i) ? m->ptr : m->size;
    return LLVMStructTypeInContext(m->context, fields, FV_ENV_MEMBERS, 0);
}

LLVMValueRef fv_ll_env_field(fv_ll_fn *f, unsigned field) {
    LLVMTypeRef type = f->host->env_type;
    LLVMValueRef at = LLVMBuildStructGEP2(f->b, type, f->host->env, field, "");
    return LLVMBuildLoad2(f->b, LLVMStructGetTypeAtIndex(type, field), at, "");
}

/* ---- leaving ---- */

static LLVMBasicBlockRef fail_block(fv_ll_fn *f, int status) {
    LLVMBasicBlockRef *block = &f->host->fail[status];
    if (*block)
        return *block;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(f->b);
    *block = fv_ll_block(f, "fail");
    fv_ll_at(f, *block);
    LLVMBuildStore(f->b, LLVMConstInt(f->m->i32, (unsigned)status, 0), f->host->status);
    LLVMBuildBr(f->b, f->host->out);
    fv_ll_at(f, here);
    return *block;
}

/* Leaves with the status where c is true. */
static void fail_if(fv_ll_fn *f, LLVMValueRef c, int status) {
    LLVMBasicBlockRef fail = fail_block(f, status), next = fv_ll_block(f, "ok");
    fv_ll_branch_unlikely(f, c, fail, next);
    fv_ll_at(f, next);
}

static void check(fv_ll_fn *f, const fv_stmt *s) {
    fail_if(f, LLVMBuildNot(f->b, fv_ll_expr(f, s->x), ""), s->status);
}

/* ---- what the caller gives ---- */

static LLVMValueRef element(fv_ll_fn *f, LLVMTypeRef type, LLVMValueRef array, int at) {
    LLVMValueRef i = fv_ll_int(f->m, at);
    return LLVMBuildGEP2(f->b, type, array, &i, 1, "");
}

static LLVMValueRef pointer(fv_ll_fn *f, const fv_read *r) {
    if (r->of == FV_ARG_ENV && r->at >= 0)
        return fv_ll_env_field(f, (unsigned)r->at);
    LLVMValueRef argument = f->host->argument[r->of];
    return r->at < 0 ? argument : LLVMBuildLoad2(f->b, f->m->ptr, element(f, f->m->ptr, argument, r->at), "");
}

static LLVMValueRef is_aligned(fv_ll_fn *f, LLVMValueRef p, int align) {
    LLVMValueRef at = LLVMBuildPtrToInt(f->b, p, f->m->size, ""), mask = LLVMConstInt(f->m->size, (unsigned)align - 1, 0);
    LLVMValueRef rest = LLVMBuildAnd(f->b, at, mask, "");
    return LLVMBuildAnd(f->b, LLVMBuildIsNotNull(f->b, p, ""), LLVMBuildIsNull(f->b, rest, ""), "");
}

/* Is an output NULL, or the input that it is the state of? */
static LLVMValueRef is_same(fv_ll_fn *f, int output) {
    LLVMValueRef given = pointer(f, &(fv_read){.of = FV_ARG_OUTPUTS, .at = output});
    LLVMValueRef input = pointer(f, &(fv_read){.of = FV_ARG_INPUTS, .at = f->m->program->outputs[output].state_of - 1});
    return LLVMBuildOr(f->b, LLVMBuildIsNull(f->b, given, ""), LLVMBuildICmp(f->b, LLVMIntEQ, given, input, ""), "");
}

static LLVMValueRef value(fv_ll_fn *f, const fv_read *r) {
    fv_ll_module *m = f->m;
    LLVMValueRef array = r->of <= FV_ARG_ENV ? f->host->argument[r->of] : NULL, at = NULL;
    switch ((fv_argument)r->of) {
    case FV_ARG_DIMS: at = element(f, m->i64, array, r->at); break;
    case FV_ARG_ACTUAL: at = element(f, m->i64, array, fv_out_dims_at(m->program, r->at)); break;
    case FV_ARG_WEIGHTS: at = element(f, m->i64, fv_ll_env_field(f, FV_ENV_WEIGHTS), r->at); break;
    case FV_ARG_BYTES: return LLVMBuildIntCast2(f->b, array, m->i64, 0, "");
    case FV_ARG_ENV: return LLVMBuildIntCast2(f->b, fv_ll_env_field(f, (unsigned)r->at), m->i64, 0, "");
    case FV_ARG_MOST: return fv_ll_int(m, m->target->pointer_bits == 32 ? INT32_MAX : INT64_MAX);
    default: return LLVMConstInt(m->i1, 1, 0); /* the CPU: entry.c asks it */
    }
    return LLVMBuildLoad2(f->b, m->i64, at, "");
}

static void read_(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef v;
    switch ((fv_read_how)s->read.how) {
    case FV_READ_GIVEN: v = LLVMBuildIsNotNull(f->b, pointer(f, &s->read), ""); break;
    case FV_READ_SAME: v = is_same(f, s->read.at); break;
    case FV_READ_ALIGNED: v = is_aligned(f, pointer(f, &s->read), s->read.align); break;
    default: v = value(f, &s->read); break;
    }
    *fv_ptrmap_at(&f->vars, s->var) = v;
}

static LLVMValueRef *addresses(fv_ll_fn *f, fv_argument of, int n) {
    LLVMValueRef *list = FV_NEW(f->m->arena, LLVMValueRef, n + 1);
    for (int i = 0; i < n; i++)
        list[i] = pointer(f, &(fv_read){.of = (uint8_t)of, .at = i});
    return list;
}

static void memory(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    f->host->input = addresses(f, FV_ARG_INPUTS, p->ninputs);
    f->host->output = addresses(f, FV_ARG_OUTPUTS, p->noutputs);
    if (f->m->weights_file)
        f->host->weights = fv_ll_offset(f, fv_ll_env_field(f, FV_ENV_WEIGHTS), fv_ll_int(f->m, FV_WEIGHTS_HEAD));
}

/* ---- buffers ---- */

static LLVMValueRef constant_address(fv_ll_fn *f, int index) {
    fv_ll_module *m = f->m;
    if (f->host->weights)
        return fv_ll_offset(f, f->host->weights, fv_ll_int(m, (int64_t)m->offset[index]));
    LLVMValueRef offset = LLVMConstInt(m->i64, m->resident ? (unsigned)index : m->offset[index], 0);
    LLVMValueRef at = LLVMConstGEP2(m->resident ? m->ptr : m->i8, m->weights, &offset, 1);
    return m->resident ? LLVMBuildLoad2(f->b, m->ptr, at, "") : at;
}

LLVMValueRef fv_ll_host_buf(fv_ll_fn *f, const fv_buf *b) {
    fv_ll_host *h = f->host;
    switch ((fv_buf_role)b->role) {
    case FV_BUF_INPUT: return h->input[b->index];
    case FV_BUF_OUTPUT: return h->output[b->index];
    case FV_BUF_CONST: return constant_address(f, b->index);
    case FV_BUF_WORK: return fv_ll_offset(f, h->argument[FV_ARG_WORKSPACE], fv_ll_expr(f, b->offset));
    case FV_BUF_HEAP: return LLVMBuildLoad2(f->b, f->m->ptr, fv_ptrmap_get(&h->heap, b), "");
    case FV_BUF_IN:
    case FV_BUF_OUT:
    case FV_BUF_INOUT:
    case FV_BUF_TILE: break;
    }
    fv_ll_fault(f->m, "buffer %s has no place in the host program", b->name);
    return LLVMGetPoison(f->m->ptr);
}

/* ---- launches ---- */

static LLVMValueRef arg_slot(fv_ll_fn *f, fv_ll_kernel *k) {
    LLVMValueRef slot = fv_ptrmap_get(&f->host->args, k);
    if (!slot) {
        slot = fv_ll_alloca(f, k->args_type, k->kernel->name);
        *fv_ptrmap_at(&f->host->args, k) = slot;
    }
    return slot;
}

/* Buffers, dims, state; room for the task. The dims become known as variables of the kernel. */
static LLVMValueRef *launch_args(fv_ll_fn *f, const fv_stmt *s) {
    const fv_kernel *k = s->kernel;
    int n = 0;
    LLVMValueRef *args = FV_NEW(f->m->arena, LLVMValueRef, k->nbufs + k->ndims + 2);
    for (int i = 0; i < k->nbufs; i++)
        args[n++] = fv_ll_host_buf(f, s->args[i]);
    for (int i = 0; i < k->ndims; i++)
        args[n++] = fv_ll_expr(f, s->dims[i]);
    for (int i = 0; i < k->ndims; i++)
        *fv_ptrmap_at(&f->vars, k->dims[i]) = args[k->nbufs + i];
    args[n++] = f->host->state;
    args[n] = fv_ll_int(f->m, 0);
    return args;
}

static void call_tasks(fv_ll_fn *f, fv_ll_kernel *k, LLVMValueRef *args, LLVMValueRef tasks, bool descending) {
    LLVMValueRef slot = arg_slot(f, k);
    unsigned n = LLVMCountStructElementTypes(k->args_type);
    for (unsigned i = 0; i < n; i++)
        LLVMBuildStore(f->b, args[i], LLVMBuildStructGEP2(f->b, k->args_type, slot, i, ""));
    LLVMValueRef call[] = {f->host->env, k->task, slot, tasks, LLVMConstInt(f->m->i1, descending, 0)};
    LLVMTypeRef type = LLVMGlobalGetValueType(f->host->launch);
    LLVMBuildCall2(f->b, type, f->host->launch, call, 5, "");
}

static void check_error(fv_ll_fn *f) {
    LLVMValueRef e = LLVMBuildLoad2(f->b, f->m->i32, f->error, "");
    LLVMBasicBlockRef bad = fv_ll_block(f, "error"), next = fv_ll_block(f, "launched");
    LLVMValueRef is_bad = LLVMBuildICmp(f->b, LLVMIntNE, e, LLVMConstInt(f->m->i32, 0, 0), "");
    fv_ll_branch_unlikely(f, is_bad, bad, next);
    fv_ll_at(f, bad);
    LLVMBuildStore(f->b, e, f->host->status);
    LLVMBuildBr(f->b, f->host->out);
    fv_ll_at(f, next);
}

/* env->trace(user, launch, end), if there is one. */
static void trace(fv_ll_fn *f, const fv_stmt *s, int end) {
    LLVMBasicBlockRef call = fv_ll_block(f, "trace"), next = fv_ll_block(f, "traced");
    LLVMTypeRef types[] = {f->m->ptr, f->m->i32, f->m->i32};
    fv_ll_branch_unlikely(f, LLVMBuildIsNotNull(f->b, f->host->trace, ""), call, next);
    fv_ll_at(f, call);
    LLVMValueRef args[] = {fv_ll_env_field(f, FV_ENV_USER),
                           LLVMConstInt(f->m->i32, (unsigned)s->launch, 0),
                           LLVMConstInt(f->m->i32, (unsigned)end, 0)};
    LLVMBuildCall2(f->b, LLVMFunctionType(f->m->none, types, 3, 0), f->host->trace, args, 3, "");
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

static void launch(fv_ll_fn *f, const fv_stmt *s) {
    fv_ll_kernel *k = fv_ptrmap_get(&f->m->kernels, s->kernel);
    if (!k) {
        fv_ll_fault(f->m, "kernel %s is not in the program's list", s->kernel->name);
        return;
    }
    fail_if(f, fv_ll_poll(f), FV_CANCELLED);
    trace(f, s, 0);
    LLVMValueRef *args = launch_args(f, s);
    LLVMValueRef tasks = k->kernel->tasks ? fv_ll_expr(f, k->kernel->tasks) : fv_ll_int(f->m, 1);
    if (LLVMIsAConstantInt(tasks) && LLVMConstIntGetSExtValue(tasks) == 1)
        LLVMBuildCall2(f->b, k->type, k->fn, args, LLVMCountParams(k->fn), "");
    else
        call_tasks(f, k, args, tasks, s->descending);
    trace(f, s, 1);
    if (k->may_fail)
        check_error(f);
}

/* env, task, args, n, from the last one on: one after the other, or all through parallel_for. */
static void launch_serially(fv_ll_fn *f, LLVMBasicBlockRef out) {
    LLVMValueRef task = LLVMGetParam(f->fn, 1), arg = LLVMGetParam(f->fn, 2);
    LLVMValueRef n = LLVMGetParam(f->fn, 3), down = LLVMGetParam(f->fn, 4), zero = fv_ll_int(f->m, 0);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->b), body = fv_ll_block(f, "task");
    LLVMValueRef last = LLVMBuildNSWSub(f->b, n, fv_ll_int(f->m, 1), "");
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntSGT, n, zero, ""), body, out);
    fv_ll_at(f, body);
    LLVMValueRef i = LLVMBuildPhi(f->b, f->m->i64, "i");
    LLVMValueRef at = LLVMBuildSelect(f->b, down, LLVMBuildNSWSub(f->b, last, i, ""), i, "");
    LLVMValueRef args[] = {arg, at};
    LLVMBuildCall2(f->b, f->m->task_type, task, args, 2, "");
    LLVMValueRef up = LLVMBuildNSWAdd(f->b, i, fv_ll_int(f->m, 1), "");
    LLVMAddIncoming(i, &zero, &from, 1);
    LLVMAddIncoming(i, &up, &body, 1);
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntSLT, up, n, ""), body, out);
}

static void launch_in_parallel(fv_ll_fn *f, LLVMValueRef parallel_for) {
    LLVMTypeRef types[] = {f->m->ptr, f->m->ptr, f->m->ptr, f->m->i64};
    LLVMTypeRef type = LLVMFunctionType(f->m->none, types, 4, 0);
    LLVMValueRef args[4] = {fv_ll_env_field(f, FV_ENV_USER)};
    for (unsigned i = 1; i < 4; i++)
        args[i] = LLVMGetParam(f->fn, i);
    LLVMBuildCall2(f->b, type, parallel_for, args, 4, "");
}

LLVMValueRef fv_ll_launcher(fv_ll_module *m) {
    LLVMTypeRef types[] = {m->ptr, m->ptr, m->ptr, m->i64, m->i1};
    LLVMTypeRef type = LLVMFunctionType(m->none, types, 5, 0);
    const char *name = fv_printf(m->arena, "%s.launch", m->program->name);
    LLVMValueRef fn = fv_ll_function(m, name, type, FV_LL_INTERNAL, false);
    fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    fv_ll_fn f;
    fv_ll_begin(&f, m, fn);
    fv_ll_host host = {.env = LLVMGetParam(fn, 0), .env_type = fv_ll_env_type(m)};
    f.host = &host;
    LLVMBasicBlockRef serial = fv_ll_block(&f, "serial"), parallel = fv_ll_block(&f, "parallel");
    LLVMBasicBlockRef out = fv_ll_block(&f, "out");
    LLVMValueRef parallel_for = fv_ll_env_field(&f, FV_ENV_PARALLEL_FOR);
    LLVMValueRef absent = LLVMBuildIsNull(f.b, parallel_for, "");
    LLVMValueRef few = LLVMBuildICmp(f.b, LLVMIntSLE, LLVMGetParam(fn, 3), fv_ll_int(m, 1), "");
    fv_ll_branch(&f, LLVMBuildOr(f.b, absent, few, ""), serial, parallel);
    fv_ll_at(&f, parallel);
    launch_in_parallel(&f, parallel_for);
    LLVMBuildBr(f.b, out);
    fv_ll_at(&f, serial);
    launch_serially(&f, out);
    fv_ll_at(&f, out);
    LLVMBuildRetVoid(f.b);
    fv_ll_finish(&f);
    return fn;
}

/* ---- the caller's allocator ---- */

void fv_ll_release(fv_ll_fn *f, const fv_buf *b) {
    LLVMValueRef slot = fv_ptrmap_get(&f->host->heap, b);
    LLVMValueRef p = LLVMBuildLoad2(f->b, f->m->ptr, slot, "");
    LLVMBasicBlockRef there = fv_ll_block(f, "free"), next = fv_ll_block(f, "freed");
    fv_ll_branch(f, LLVMBuildIsNull(f->b, p, ""), next, there);
    fv_ll_at(f, there);
    LLVMTypeRef types[] = {f->m->ptr, f->m->ptr};
    LLVMValueRef fn = fv_ll_env_field(f, FV_ENV_FREE);
    LLVMValueRef args[] = {fv_ll_env_field(f, FV_ENV_USER), p};
    LLVMBuildCall2(f->b, LLVMFunctionType(f->m->none, types, 2, 0), fn, args, 2, "");
    LLVMBuildStore(f->b, LLVMConstNull(f->m->ptr), slot);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

static void allocate(fv_ll_fn *f, const fv_stmt *s) {
    fv_ll_release(f, s->buf);
    LLVMValueRef bytes = fv_ll_expr(f, s->x);
    int64_t most = f->m->target->pointer_bits == 32 ? INT32_MAX : INT64_MAX;
    fail_if(f, LLVMBuildICmp(f->b, LLVMIntUGE, bytes, fv_ll_int(f->m, most), ""), FV_TOO_LARGE); /* those below 0, too */
    LLVMBasicBlockRef some = fv_ll_block(f, "alloc"), next = fv_ll_block(f, "allocated");
    LLVMValueRef none = LLVMBuildICmp(f->b, LLVMIntEQ, bytes, fv_ll_int(f->m, 0), "");
    fv_ll_branch(f, none, next, some);
    fv_ll_at(f, some);
    LLVMTypeRef types[] = {f->m->ptr, f->m->size};
    LLVMValueRef fn = fv_ll_env_field(f, FV_ENV_ALLOC);
    LLVMValueRef user = fv_ll_env_field(f, FV_ENV_USER);
    LLVMValueRef args[] = {user, LLVMBuildIntCast2(f->b, bytes, f->m->size, 0, "")};
    LLVMTypeRef type = LLVMFunctionType(f->m->ptr, types, 2, 0);
    LLVMValueRef p = LLVMBuildCall2(f->b, type, fn, args, 2, "");
    LLVMBuildStore(f->b, p, fv_ptrmap_get(&f->host->heap, s->buf));
    fail_if(f, LLVMBuildIsNull(f->b, p, ""), FV_NO_MEMORY);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

static void tell(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef x = fv_ll_expr(f, s->x), *argument = f->host->argument;
    if (s->output < 0)
        LLVMBuildStore(f->b, LLVMBuildIntCast2(f->b, x, f->m->size, 0, ""), argument[FV_ARG_WORKSPACE]);
    else
        LLVMBuildStore(f->b, x, element(f, f->m->i64, argument[FV_ARG_ACTUAL],
                                        fv_out_dims_at(f->m->program, s->output) + 1 + s->axis));
}

void fv_ll_host_stmt(fv_ll_fn *f, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_READ: read_(f, s); return;
    case FV_S_PLAN: fv_ll_stmts(f, &f->m->program->plan); return;
    case FV_S_MEMORY: memory(f); return;
    case FV_S_CHECK: check(f, s); return;
    case FV_S_LAUNCH: launch(f, s); return;
    case FV_S_ALLOC: allocate(f, s); return;
    case FV_S_FREE: fv_ll_release(f, s->buf); return;
    case FV_S_SETDIM: tell(f, s); return;
    default: return; /* block.c does these */
    }
}
