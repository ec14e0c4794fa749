/* entry.c - the entry points of a model: plan and run, step by step as backend/consumer/consumer.h orders
 * them, and the table. */
#include <llvm-c/Target.h>

#include "backend/llvm/host.h"
#include "ir/expr/fold.h"

typedef struct sizes {
    LLVMValueRef *input, *output; /* elements; NULL: an output with a capacity */
    LLVMValueRef workspace;       /* bytes, i64 */
} sizes;

static bool has_capacity(const fv_program *p, int output) {
    return p->capacity && p->capacity[output];
}

static LLVMValueRef is_zero(fv_ll_fn *f, LLVMValueRef x) {
    return LLVMBuildICmp(f->b, LLVMIntEQ, x, LLVMConstNull(LLVMTypeOf(x)), "");
}

static LLVMValueRef or_(fv_ll_fn *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildOr(f->b, a, b, "");
}

static LLVMValueRef and_(fv_ll_fn *f, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildAnd(f->b, a, b, "");
}

static LLVMValueRef element(fv_ll_fn *f, LLVMTypeRef type, LLVMValueRef array, int at) {
    LLVMValueRef i = fv_ll_int(f->m, at);
    return LLVMBuildGEP2(f->b, type, array, &i, 1, "");
}

/* ---- step 1: symbols ---- */

static void bind_symbols(fv_ll_fn *f, LLVMValueRef dims) {
    const fv_program *p = f->m->program;
    if (p->nsymbols > 0)
        fv_ll_fail_if(f, LLVMBuildIsNull(f->b, dims, ""), FV_BAD_ARGUMENT);
    for (int i = 0; i < p->nsymbols; i++) {
        LLVMValueRef v = LLVMBuildLoad2(f->b, f->m->i64, element(f, f->m->i64, dims, i),
                                        p->symbol_vars[i]->name);
        LLVMValueRef lo = fv_ll_int(f->m, p->symbol_vars[i]->lo),
                     hi = fv_ll_int(f->m, p->symbol_vars[i]->hi);
        LLVMValueRef low = LLVMBuildICmp(f->b, LLVMIntSLT, v, lo, "");
        LLVMValueRef high = LLVMBuildICmp(f->b, LLVMIntSGT, v, hi, "");
        fv_ll_fail_if(f, or_(f, low, high), FV_BAD_DIM);
        *fv_ptrmap_at(&f->vars, p->symbol_vars[i]) = v;
    }
}

/* ---- step 2: sizes ---- */

static LLVMValueRef times(fv_ll_fn *f, LLVMValueRef a, LLVMValueRef b) {
    const fv_expr x = {.op = FV_X_MULSAT};
    return fv_ll_saturating(f, &x, a, b);
}

static void check_extents(fv_ll_fn *f, const fv_port *port) {
    for (int i = 0; i < port->rank; i++) {
        int64_t lo, hi;
        if (!port->extent[i])
            continue;
        fv_x_range(port->extent[i], &lo, &hi);
        if (lo >= 0)
            continue;
        LLVMValueRef n = fv_ll_expr(f, port->extent[i]), zero = fv_ll_int(f->m, 0);
        fv_ll_fail_if(f, LLVMBuildICmp(f->b, LLVMIntSLT, n, zero, ""), FV_BAD_DIM);
    }
}

/* The buffer's, which holds packed types as bytes. */
static LLVMValueRef checked_elements(fv_ll_fn *f, const fv_buf *b) {
    LLVMValueRef n = fv_ll_int(f->m, 1);
    for (int i = 0; i < b->rank; i++)
        n = times(f, n, fv_ll_expr(f, b->extent[i]));
    fv_ll_check_bytes(f, times(f, n, fv_ll_int(f->m, fv_elem_storage_bytes((fv_elem)b->elem))), INT64_MAX - 1);
    return n;
}

static sizes compute_sizes(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    sizes z = {FV_NEW(f->m->arena, LLVMValueRef, p->ninputs),
               FV_NEW(f->m->arena, LLVMValueRef, p->noutputs), NULL};
    fv_ll_stmts(f, &p->plan);
    for (int i = 0; i < p->ninputs; i++)
        check_extents(f, &p->inputs[i]);
    for (int i = 0; i < p->noutputs; i++)
        check_extents(f, &p->outputs[i]);
    z.workspace = p->workspace ? fv_ll_expr(f, p->workspace) : fv_ll_int(f->m, 0);
    fv_ll_check_bytes(f, z.workspace, FV_MOST_BYTES);
    for (int i = 0; i < p->ninputs; i++)
        z.input[i] = checked_elements(f, p->inputs[i].buf);
    for (int i = 0; i < p->noutputs; i++)
        if (!has_capacity(p, i))
            z.output[i] = checked_elements(f, p->outputs[i].buf);
    return z;
}

/* ---- the plan ---- */

static LLVMValueRef planned_dim(fv_ll_fn *f, const fv_port *port, int axis) {
    if (port->extent[axis])
        return fv_ll_expr(f, port->extent[axis]);
    return fv_ll_int(f->m, fv_port_bound(port, axis));
}

static void plan_output(fv_ll_fn *f, int output, LLVMValueRef out_dims) {
    const fv_port *port = &f->m->program->outputs[output];
    int at = fv_out_dims_at(f->m->program, output);
    LLVMValueRef n = fv_ll_int(f->m, 1);
    for (int i = 0; i < port->rank; i++) {
        LLVMValueRef d = planned_dim(f, port, i);
        LLVMBuildStore(f->b, d, element(f, f->m->i64, out_dims, at + 1 + i));
        n = times(f, n, d);
    }
    if (!fv_port_is_bounded(port))
        n = fv_ll_int(f->m, INT64_MAX);
    LLVMBuildStore(f->b, n, element(f, f->m->i64, out_dims, at));
}

/* What follows is for where p is not NULL, until continue_at the result. */
static LLVMBasicBlockRef where_given(fv_ll_fn *f, LLVMValueRef p) {
    LLVMBasicBlockRef given = fv_ll_block(f, "given"), next = fv_ll_block(f, "next");
    fv_ll_branch(f, LLVMBuildIsNull(f->b, p, ""), next, given);
    fv_ll_at(f, given);
    return next;
}

static void continue_at(fv_ll_fn *f, LLVMBasicBlockRef next) {
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

static void begin_entry(fv_ll_fn *f, fv_ll_module *m, fv_ll_host *h, LLVMValueRef fn) {
    fv_ll_begin(f, m, fn);
    *h = (fv_ll_host){.heap = fv_ptrmap_in(m->arena), .args = fv_ptrmap_in(m->arena)};
    f->host = h;
    h->status = fv_ll_alloca(f, m->i32, "status");
    h->out = fv_ll_block(f, "out");
    LLVMBuildStore(f->b, LLVMConstInt(m->i32, FV_OK, 0), h->status);
}

static void return_status(fv_ll_fn *f) {
    LLVMBuildRet(f->b, LLVMBuildLoad2(f->b, f->m->i32, f->host->status, ""));
    fv_ll_finish(f);
}

/* int NAME_plan(const int64_t *dims, size_t *workspace, int64_t *out_dims) */
static LLVMValueRef emit_plan(fv_ll_module *m) {
    LLVMTypeRef types[] = {m->ptr, m->ptr, m->ptr};
    const char *name = fv_printf(m->arena, "%s_plan", m->program->name);
    LLVMValueRef fn =
        fv_ll_function(m, name, LLVMFunctionType(m->i32, types, 3, 0), FV_LL_EXPORTED, true);
    LLVMValueRef workspace = LLVMGetParam(fn, 1), out_dims = LLVMGetParam(fn, 2);
    fv_ll_fn f;
    fv_ll_host h;
    begin_entry(&f, m, &h, fn);
    bind_symbols(&f, LLVMGetParam(fn, 0));
    sizes z = compute_sizes(&f);
    LLVMBasicBlockRef next = where_given(&f, workspace);
    LLVMBuildStore(f.b, LLVMBuildIntCast2(f.b, z.workspace, m->size, 0, ""), workspace);
    continue_at(&f, next);
    next = where_given(&f, out_dims);
    for (int i = 0; i < m->program->noutputs; i++)
        plan_output(&f, i, out_dims);
    continue_at(&f, next);
    LLVMBuildBr(f.b, h.out);
    fv_ll_at(&f, h.out);
    return_status(&f);
    return fn;
}

/* ---- the run ---- */

enum { DIMS, INPUTS, OUTPUTS, OUT_DIMS, WORKSPACE, BYTES, ENV };

static LLVMTypeRef run_type(fv_ll_module *m) {
    LLVMTypeRef types[] = {m->ptr, m->ptr, m->ptr, m->ptr, m->ptr, m->size, m->ptr};
    return LLVMFunctionType(m->i32, types, 7, 0);
}

/* A constant that stands for what the caller did not give. */
static LLVMValueRef zeros(fv_ll_module *m, LLVMTypeRef type, const char *name) {
    LLVMValueRef g = LLVMAddGlobal(m->module, type, name);
    LLVMSetInitializer(g, LLVMConstNull(type));
    LLVMSetLinkage(g, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(g, 1);
    return g;
}

static LLVMValueRef is_misaligned(fv_ll_fn *f, LLVMValueRef p, int align) {
    LLVMValueRef at = LLVMBuildPtrToInt(f->b, p, f->m->size, "");
    LLVMValueRef mask = LLVMConstInt(f->m->size, (unsigned)align - 1, 0);
    return LLVMBuildNot(f->b, is_zero(f, LLVMBuildAnd(f->b, at, mask, "")), "");
}

/* The file of weights is known by its head. */
static void bind_weights(fv_ll_fn *f, LLVMValueRef no_env) {
    fv_ll_module *m = f->m;
    fv_weights_head head = fv_weights_head_of(m->program);
    const uint64_t words[] = {head.magic, head.bytes, head.id[0], head.id[1]};
    LLVMValueRef file = fv_ll_env_field(f, FV_LL_ENV_WEIGHTS), bytes = fv_ll_env_field(f, FV_LL_ENV_WEIGHTS_BYTES);
    fv_ll_fail_if(f, or_(f, no_env, LLVMBuildIsNull(f->b, file, "")), FV_BAD_FILE);
    fv_ll_fail_if(f, is_misaligned(f, file, FV_WEIGHTS_ALIGN), FV_BAD_ARGUMENT);
    LLVMValueRef expected = LLVMConstInt(m->size, head.bytes, 0);
    fv_ll_fail_if(f, LLVMBuildICmp(f->b, LLVMIntNE, bytes, expected, ""), FV_BAD_FILE);
    LLVMValueRef good = NULL;
    for (int i = 0; i < 4; i++) {
        LLVMValueRef found = LLVMBuildLoad2(f->b, m->i64, element(f, m->i64, file, i), "");
        LLVMValueRef same = LLVMBuildICmp(f->b, LLVMIntEQ, found, LLVMConstInt(m->i64, words[i], 0), "");
        good = good ? and_(f, good, same) : same;
    }
    fv_ll_fail_if(f, LLVMBuildNot(f->b, good, ""), FV_BAD_FILE);
    f->host->weights = fv_ll_offset(f, file, fv_ll_int(m, FV_WEIGHTS_HEAD));
}

static void bind_env(fv_ll_fn *f) {
    fv_ll_module *m = f->m;
    f->host->env_type = fv_ll_env_type(m);
    LLVMValueRef given = LLVMGetParam(f->fn, ENV);
    LLVMValueRef absent = LLVMBuildIsNull(f->b, given, "");
    f->host->env =
        LLVMBuildSelect(f->b, absent, zeros(m, f->host->env_type, "no_env"), given, "env");
    LLVMValueRef size = fv_ll_env_field(f, FV_LL_ENV_SIZE);
    unsigned long long bytes =
        LLVMABISizeOfType(LLVMGetModuleDataLayout(m->module), f->host->env_type);
    LLVMValueRef expected = LLVMConstInt(m->size, bytes, 0);
    LLVMValueRef other = LLVMBuildICmp(f->b, LLVMIntNE, size, expected, "");
    fv_ll_fail_if(f, and_(f, LLVMBuildNot(f->b, absent, ""), other), FV_BAD_ARGUMENT);
    if (m->weights_file)
        bind_weights(f, absent);
    f->host->trace = fv_ll_env_field(f, FV_LL_ENV_TRACE);
    LLVMValueRef flag = fv_ll_env_field(f, FV_LL_ENV_CANCEL);
    LLVMValueRef none = LLVMBuildIsNull(f->b, flag, "");
    f->cancel = LLVMBuildSelect(f->b, none, zeros(m, m->i32, "no_cancel"), flag, "cancel");
}

static void bind_state(fv_ll_fn *f) {
    fv_ll_module *m = f->m;
    f->host->state = fv_ll_alloca(f, m->state_type, "state");
    LLVMBuildStore(f->b, f->cancel, f->host->state);
    f->error = LLVMBuildStructGEP2(f->b, m->state_type, f->host->state, 1, "error");
    LLVMBuildStore(f->b, LLVMConstInt(m->i32, 0, 0), f->error);
    f->cancelled = fv_ll_block(f, "cancelled");
}

/* Step 3. Without out_dims the known dims are written to a scratch area. */
static void bind_out_dims(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    LLVMValueRef given = LLVMGetParam(f->fn, OUT_DIMS);
    LLVMTypeRef area = LLVMArrayType(f->m->i64, (unsigned)fv_out_dims_size(p) + 1);
    LLVMValueRef absent = LLVMBuildIsNull(f->b, given, "");
    bool needed = false;
    for (int i = 0; i < p->noutputs; i++)
        needed |= has_capacity(p, i);
    if (needed)
        fv_ll_fail_if(f, absent, FV_BAD_ARGUMENT);
    LLVMValueRef scratch = fv_ll_alloca(f, area, "scratch");
    f->host->out_dims = LLVMBuildSelect(f->b, absent, scratch, given, "");
}

static LLVMValueRef read_capacity(fv_ll_fn *f, int output) {
    const fv_program *p = f->m->program;
    LLVMValueRef at = element(f, f->m->i64, f->host->out_dims, fv_out_dims_at(p, output));
    LLVMValueRef c = LLVMBuildLoad2(f->b, f->m->i64, at, "capacity"), zero = fv_ll_int(f->m, 0);
    c = LLVMBuildSelect(f->b, LLVMBuildICmp(f->b, LLVMIntSLT, c, zero, ""), zero, c, "");
    *fv_ptrmap_at(&f->vars, p->capacity[output]) = c;
    return c;
}

static void write_known_dims(fv_ll_fn *f, sizes *z) {
    const fv_program *p = f->m->program;
    for (int i = 0; i < p->noutputs; i++) {
        int at = fv_out_dims_at(p, i) + 1;
        if (has_capacity(p, i))
            z->output[i] = read_capacity(f, i);
        for (int d = 0; d < p->outputs[i].rank; d++) {
            if (!p->outputs[i].extent[d])
                continue;
            LLVMValueRef v = fv_ll_expr(f, p->outputs[i].extent[d]);
            LLVMBuildStore(f->b, v, element(f, f->m->i64, f->host->out_dims, at + d));
        }
    }
}

/* Step 4. */
static void check_arrays(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    const int count[] = {p->ninputs, p->noutputs}, at[] = {INPUTS, OUTPUTS};
    for (int i = 0; i < 2; i++)
        if (count[i] > 0)
            fv_ll_fail_if(f, LLVMBuildIsNull(f->b, LLVMGetParam(f->fn, (unsigned)at[i]), ""),
                          FV_BAD_ARGUMENT);
}

static LLVMValueRef *bind_ports(fv_ll_fn *f, LLVMValueRef array, const fv_port *ports, int n,
                                LLVMValueRef *elements) {
    LLVMValueRef *address = FV_NEW(f->m->arena, LLVMValueRef, n);
    for (int i = 0; i < n; i++) {
        address[i] =
            LLVMBuildLoad2(f->b, f->m->ptr, element(f, f->m->ptr, array, i), ports[i].cname);
        LLVMValueRef filled = LLVMBuildNot(f->b, is_zero(f, elements[i]), "");
        LLVMValueRef unfit = LLVMBuildIsNull(f->b, address[i], "");
        int align = fv_elem_storage_bytes((fv_elem)ports[i].buf->elem);
        if (align > 1)
            unfit = or_(f, unfit, is_misaligned(f, address[i], align));
        fv_ll_fail_if(f, and_(f, filled, unfit), FV_BAD_ARGUMENT);
    }
    return address;
}

/* Step 5. */
static void bind_workspace(fv_ll_fn *f, LLVMValueRef need) {
    LLVMValueRef p = LLVMGetParam(f->fn, WORKSPACE);
    LLVMValueRef bytes = LLVMBuildIntCast2(f->b, LLVMGetParam(f->fn, BYTES), f->m->i64, 0, "");
    fv_ll_fail_if(f, LLVMBuildICmp(f->b, LLVMIntULT, bytes, need, ""), FV_TOO_SMALL);
    LLVMValueRef missing = LLVMBuildIsNull(f->b, p, "");
    LLVMValueRef unfit = or_(f, missing, is_misaligned(f, p, FV_BUFFER_ALIGN));
    LLVMValueRef needed = LLVMBuildNot(f->b, is_zero(f, need), "");
    fv_ll_fail_if(f, and_(f, needed, unfit), FV_BAD_ARGUMENT);
    f->host->workspace = p;
}

/* Step 6. */
static void bind_allocator(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    if (p->uses_allocator) {
        LLVMValueRef no_alloc = LLVMBuildIsNull(f->b, fv_ll_env_field(f, FV_LL_ENV_ALLOC), "");
        LLVMValueRef no_free = LLVMBuildIsNull(f->b, fv_ll_env_field(f, FV_LL_ENV_FREE), "");
        fv_ll_fail_if(f, or_(f, no_alloc, no_free), FV_NO_MEMORY);
    }
}

/* Before anything may leave: nothing is allocated yet. */
static void clear_heap(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    for (int i = 0; i < p->nbuffers; i++) {
        if (p->buffers[i]->role != FV_BUF_HEAP)
            continue;
        LLVMValueRef slot = fv_ll_alloca(f, f->m->ptr, p->buffers[i]->name);
        LLVMBuildStore(f->b, LLVMConstNull(f->m->ptr), slot);
        *fv_ptrmap_at(&f->host->heap, p->buffers[i]) = slot;
    }
}

static void leave_run(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    LLVMBuildBr(f->b, f->host->out);
    fv_ll_at(f, f->cancelled);
    LLVMBuildStore(f->b, LLVMConstInt(f->m->i32, FV_CANCELLED, 0), f->host->status);
    LLVMBuildBr(f->b, f->host->out);
    fv_ll_at(f, f->host->out);
    for (int i = 0; i < p->nbuffers; i++)
        if (p->buffers[i]->role == FV_BUF_HEAP)
            fv_ll_release(f, p->buffers[i]);
    return_status(f);
}

static void emit_body(fv_ll_module *m, LLVMValueRef fn) {
    const fv_program *p = m->program;
    fv_ll_fn f;
    fv_ll_host h;
    begin_entry(&f, m, &h, fn);
    h.launch = fv_ll_launcher(m);
    clear_heap(&f);
    bind_env(&f);
    bind_state(&f);
    bind_symbols(&f, LLVMGetParam(fn, DIMS));
    sizes z = compute_sizes(&f);
    bind_out_dims(&f);
    write_known_dims(&f, &z);
    check_arrays(&f);
    h.input = bind_ports(&f, LLVMGetParam(fn, INPUTS), p->inputs, p->ninputs, z.input);
    h.output = bind_ports(&f, LLVMGetParam(fn, OUTPUTS), p->outputs, p->noutputs, z.output);
    bind_workspace(&f, z.workspace);
    bind_allocator(&f);
    fv_ll_stmts(&f, &p->body);
    leave_run(&f);
}

/* The run that callers see asks the CPU first, with instructions that each CPU has. */
static void emit_guard(fv_ll_module *m, LLVMValueRef fn, LLVMValueRef body, LLVMValueRef cpu) {
    fv_ll_fn f;
    fv_ll_begin(&f, m, fn);
    LLVMBasicBlockRef yes = fv_ll_block(&f, "run"), no = fv_ll_block(&f, "bad_cpu");
    LLVMTypeRef type = LLVMGlobalGetValueType(cpu);
    fv_ll_branch(&f, LLVMBuildCall2(f.b, type, cpu, NULL, 0, ""), yes, no);
    fv_ll_at(&f, no);
    LLVMBuildRet(f.b, LLVMConstInt(m->i32, FV_BAD_CPU, 0));
    fv_ll_at(&f, yes);
    LLVMValueRef args[7];
    for (unsigned i = 0; i < 7; i++)
        args[i] = LLVMGetParam(fn, i);
    LLVMValueRef call = LLVMBuildCall2(f.b, run_type(m), body, args, 7, "");
    LLVMSetTailCall(call, 1);
    LLVMBuildRet(f.b, call);
    fv_ll_finish(&f);
}

void fv_ll_entries(fv_ll_module *m) {
    const char *name = m->program->name;
    LLVMValueRef plan = emit_plan(m);
    LLVMValueRef cpu = m->resident ? NULL : fv_ll_cpu_check(m);
    LLVMValueRef run = fv_ll_function(m, fv_printf(m->arena, "%s_run", name), run_type(m),
                                      FV_LL_EXPORTED, cpu != NULL);
    LLVMValueRef body = run;
    if (cpu) {
        body = fv_ll_function(m, fv_printf(m->arena, "%s.body", name), run_type(m), FV_LL_INTERNAL,
                              false);
        fv_ll_attr(m, body, (unsigned)LLVMAttributeFunctionIndex, "noinline");
        emit_guard(m, run, body, cpu);
    }
    emit_body(m, body);
    fv_ll_table(m, plan, run);
}
