/* entry.c - the entry points of a model: size query and run. The checks of what the caller passes
 * are statements of the program (backend/consumer/protocol.h). */
#include "backend/consumer/protocol.h"
#include "backend/llvm/host.h"
#include "ir/kernel/matrix.h"

static void begin_entry(fv_ll_fn *f, fv_ll_module *m, fv_ll_host *h, LLVMValueRef fn) {
    fv_ll_begin(f, m, fn);
    *h = (fv_ll_host){.places = fv_ptrmap_in(m->arena), .args = fv_ptrmap_in(m->arena)};
    f->host = h;
    h->out = fv_ll_block(f, "out");
    h->state = fv_ll_alloca(f, m->types.state, "state");
    f->error = LLVMBuildStructGEP2(f->b, m->types.state, h->state, 1, "error");
    LLVMBuildStore(f->b, LLVMConstInt(m->types.i32, FV_OK, 0), f->error);
}

static void return_status(fv_ll_fn *f) {
    LLVMBuildRet(f->b, LLVMBuildLoad2(f->b, f->m->types.i32, f->error, ""));
    fv_ll_finish(f);
}

/* Adds the function NAME_plan or NAME_run; if there are several levels, that of one of them. */
static LLVMValueRef entry_function(fv_ll_module *m, const char *what, LLVMTypeRef type,
                                   bool baseline) {
    const char *name = fv_printf(m->arena, "%s_%s", m->program->name, what);
    return fv_ll_function(m, fv_ll_name_of_level(m, name), type,
                          m->levels.n ? FV_LL_INTERNAL : FV_LL_EXPORTED, baseline);
}

/* Emits int NAME_plan(const int64_t *dims, size_t *workspace, int64_t *out_dims). */
static LLVMValueRef emit_plan(fv_ll_module *m) {
    LLVMTypeRef types[] = {m->types.ptr, m->types.ptr, m->types.ptr};
    LLVMValueRef fn = entry_function(m, "plan", LLVMFunctionType(m->types.i32, types, 3, 0), true);
    const fv_argument parameters[] = {FV_ARG_DIMS, FV_ARG_WORKSPACE, FV_ARG_ACTUAL};
    fv_ll_fn f;
    fv_ll_host h;
    begin_entry(&f, m, &h, fn);
    for (unsigned i = 0; i < 3; i++)
        h.argument[parameters[i]] = LLVMGetParam(fn, i);
    fv_ll_stmts(&f, &m->program->host.plan);
    fv_ll_stmts(&f, &m->program->host.query);
    LLVMBuildBr(f.b, h.out);
    fv_ll_at(&f, h.out);
    return_status(&f);
    return fn;
}

/* ---- the run ---- */

static LLVMTypeRef run_type(fv_ll_module *m) {
    LLVMTypeRef types[] = {m->types.ptr, m->types.ptr,  m->types.ptr, m->types.ptr,
                           m->types.ptr, m->types.size, m->types.ptr};
    return LLVMFunctionType(m->types.i32, types, 7, 0);
}

/* Copies the caller's env, which may be shorter or longer in another version of fv_env. All members
 * have one size. */
static void bind_env(fv_ll_fn *f) {
    fv_ll_module *m = f->m;
    fv_ll_host *h = f->host;
    LLVMTypeRef type = LLVMArrayType2(m->types.size, FV_ENV_MEMBERS);
    LLVMValueRef given = h->argument[FV_ARG_ENV], none = fv_ll_zeros(m, type, "no_env");
    given = LLVMBuildSelect(f->b, LLVMBuildIsNull(f->b, given, ""), none, given, "");
    LLVMValueRef size = LLVMBuildLoad2(f->b, m->types.size, given, "env_size");
    h->env = fv_ll_alloca(f, type, "env");
    for (int i = 0; i < FV_ENV_MEMBERS; i++) {
        LLVMValueRef end =
            LLVMConstInt(m->types.size, (unsigned)((i + 1) * m->target->pointer_bits / 8), 0);
        LLVMValueRef from =
            LLVMBuildSelect(f->b, LLVMBuildICmp(f->b, LLVMIntULT, size, end, ""), none, given, "");
        LLVMValueRef word =
            LLVMBuildLoad2(f->b, m->types.size, fv_ll_element(f, m->types.size, from, i), "");
        LLVMBuildStore(f->b, word, fv_ll_element(f, m->types.size, h->env, i));
    }
}

/* Sets the address of the cancel flag: the caller's, or that of a flag that is never set. */
static void bind_cancel(fv_ll_fn *f) {
    LLVMValueRef flag = fv_ll_env_field(f, FV_ENV_CANCEL),
                 none = fv_ll_zeros(f->m, f->m->types.i32, "no_cancel");
    f->cancel = LLVMBuildSelect(f->b, LLVMBuildIsNull(f->b, flag, ""), none, flag, "cancel");
    LLVMBuildStore(f->b, f->cancel, f->host->state);
    LLVMBuildStore(f->b, f->cancel,
                   fv_ll_element(f, f->m->types.size, f->host->env, FV_ENV_CANCEL));
    f->cancelled = fv_ll_leave(f, FV_CANCELLED);
}

/* Sets the pointers of HEAP buffers to NULL, before any code that may leave and then frees them. */
static void clear_heap(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    for (int i = 0; i < p->memory.nbuffers; i++) {
        if (p->memory.buffers[i]->role != FV_BUF_HEAP)
            continue;
        LLVMValueRef slot = fv_ll_alloca(f, f->m->types.ptr, p->memory.buffers[i]->name);
        LLVMBuildStore(f->b, LLVMConstNull(f->m->types.ptr), slot);
        *fv_ptrmap_at(&f->host->places, p->memory.buffers[i]) = slot;
    }
}

static void leave_run(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    LLVMBuildBr(f->b, f->host->out);
    fv_ll_at(f, f->host->out);
    for (int i = 0; i < p->memory.nbuffers; i++)
        if (p->memory.buffers[i]->role == FV_BUF_HEAP)
            fv_ll_release(f, p->memory.buffers[i]);
    return_status(f);
}

static void emit_body(fv_ll_module *m, LLVMValueRef fn) {
    fv_ll_fn f;
    fv_ll_host h;
    begin_entry(&f, m, &h, fn);
    LLVMGetParams(fn, h.argument);
    h.launch = fv_ll_launcher(m);
    clear_heap(&f);
    bind_env(&f);
    bind_cancel(&f);
    fv_ll_stmts(&f, &m->program->host.body);
    leave_run(&f);
}

/* Emits the run that callers see: it checks the CPU first, using only instructions that every CPU
 * has. */
static void emit_guard(fv_ll_module *m, LLVMValueRef fn, LLVMValueRef body, LLVMValueRef cpu) {
    fv_ll_fn f;
    fv_ll_begin(&f, m, fn);
    LLVMBasicBlockRef yes = fv_ll_block(&f, "run"), no = fv_ll_block(&f, "bad_cpu");
    LLVMTypeRef type = LLVMGlobalGetValueType(cpu);
    fv_ll_branch(&f, LLVMBuildCall2(f.b, type, cpu, NULL, 0, ""), yes, no);
    fv_ll_at(&f, no);
    LLVMBuildRet(f.b, LLVMConstInt(m->types.i32, FV_BAD_CPU, 0));
    fv_ll_at(&f, yes);
    LLVMValueRef args[7];
    LLVMGetParams(fn, args);
    LLVMValueRef call = LLVMBuildCall2(f.b, run_type(m), body, args, 7, "");
    LLVMSetTailCall(call, 1);
    LLVMBuildRet(f.b, call);
    fv_ll_finish(&f);
}

/* Is the code entered only after it is known that this machine can run it? A level above the lowest
 * one is entered after its features were found, and code in memory is made for this machine. But
 * the cache may pass that to another process, which must ask for tile registers itself. */
static bool is_for_known_cpu(const fv_ll_module *m) {
    return m->levels.now > 0 || (m->mode.resident && !fv_matrix_is_used(m->program));
}

/* How deep loops nest in the block. */
static int loops_within(const fv_block *b) {
    int most = 0;
    for (const fv_stmt *s = b->first; s; s = s->next) {
        const int body = loops_within(&s->body), other = loops_within(&s->other),
                  n = (body > other ? body : other) +
                      (s->kind == FV_S_FOR || s->kind == FV_S_WHILE);
        most = n > most ? n : most;
    }
    return most;
}

/* Is the host program a nest of so many loops that LLVM does not optimize it? The passes over loops
 * and over what lives across them visit each loop for each one around it: 60 nested loops over
 * sequences take a minute. A run spends its time in kernels, and not in the host program. */
static bool is_deep_nest(const fv_program *p) {
    enum { MOST_LOOPS = 8 };
    return loops_within(&p->host.body) > MOST_LOOPS;
}

static void leave_unoptimized(fv_ll_module *m, LLVMValueRef fn) {
    fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "optnone");
}

fv_ll_entry fv_ll_entry_points(fv_ll_module *m) {
    const char *name = m->program->name;
    if (m->weights.file) {
        fv_weights_head head = fv_weights_head_of(m->levels.n ? m->levels.whole : m->program);
        m->program = fv_program_with_weights(m->arena, m->program, &head);
    }
    LLVMValueRef plan = emit_plan(m);
    LLVMValueRef cpu = is_for_known_cpu(m) ? NULL : fv_ll_cpu_check(m);
    const bool small = m->mode.small, deep = is_deep_nest(m->program);
    m->mode.small = small && !deep; /* no function has both optsize and optnone */
    LLVMValueRef run = entry_function(m, "run", run_type(m), cpu != NULL);
    LLVMValueRef body = run;
    if (cpu) {
        body = fv_ll_function(m, fv_ll_name_of_level(m, fv_printf(m->arena, "%s.body", name)),
                              run_type(m), FV_LL_INTERNAL, false);
        fv_ll_attr(m, body, (unsigned)LLVMAttributeFunctionIndex, "noinline");
        emit_guard(m, run, body, cpu);
    }
    m->mode.small = small;
    if (deep)
        leave_unoptimized(m, body);
    emit_body(m, body);
    return (fv_ll_entry){plan, run, fv_ll_table(m, plan, run)};
}

void fv_ll_entries(fv_ll_module *m) {
    fv_ll_model(m, fv_ll_entry_points(m).table);
}
