/* host.c - translates statements of host programs: reads of the caller's arguments, reports to the
 * caller, checks, launches, allocations. */
#include "backend/llvm/host.h"

#include <stddef.h>

#include "ir/kernel/build.h"

/* ---- members of the caller's fv_env ---- */

LLVMValueRef fv_ll_env_field(fv_ll_fn *f, int field) {
    LLVMTypeRef type = fv_env_is_pointer(field) ? f->m->types.ptr : f->m->types.size;
    return LLVMBuildLoad2(f->b, type, fv_ll_element(f, f->m->types.size, f->host->env, field), "");
}

/* Emits a call of a function of the env, env->member(env->user, ...). args[0] is set here. */
static LLVMValueRef call_env(fv_ll_fn *f, int member, LLVMTypeRef result, LLVMValueRef *args,
                             unsigned n) {
    LLVMTypeRef types[4];
    args[0] = fv_ll_env_field(f, FV_ENV_USER);
    for (unsigned i = 0; i < n; i++)
        types[i] = LLVMTypeOf(args[i]);
    return LLVMBuildCall2(f->b, LLVMFunctionType(result, types, n, 0), fv_ll_env_field(f, member),
                          args, n, "");
}

/* ---- leaving ---- */

LLVMBasicBlockRef fv_ll_leave(fv_ll_fn *f, int status) {
    LLVMBasicBlockRef *block = &f->host->fail[status], here = LLVMGetInsertBlock(f->b);
    if (*block)
        return *block;
    *block = fv_ll_block(f, "fail");
    fv_ll_at(f, *block);
    LLVMBuildStore(f->b, LLVMConstInt(f->m->types.i32, (unsigned)status, 0), f->error);
    LLVMBuildBr(f->b, f->host->out);
    fv_ll_at(f, here);
    return *block;
}

/* The words of fv_communicator: all members have the size of a pointer. */
enum {
    COMM_SIZE,
    COMM_USER,
    COMM_RANK,
    COMM_RANKS,
    COMM_FUNCTIONS,
    /* what a program needs that calls no addressed functions */
    COMM_UNADDRESSED = COMM_FUNCTIONS + FV_LIBRARY_send - FV_LIBRARY_all_gather,
    /* what a program needs that calls them */
    COMM_ADDRESSED = COMM_FUNCTIONS + FV_LIBRARY_FNS - FV_LIBRARY_all_gather,
    COMM_START = COMM_ADDRESSED,
    COMM_WAIT,
    COMM_WORDS
};
_Static_assert(sizeof(fv_communicator) == COMM_WORDS * sizeof(void *), "members are words");
_Static_assert(offsetof(fv_communicator, ranks) == COMM_RANKS * sizeof(void *), "ranks");
_Static_assert(offsetof(fv_communicator, all_gather) == COMM_FUNCTIONS * sizeof(void *), "first");
_Static_assert(offsetof(fv_communicator, send) == COMM_UNADDRESSED * sizeof(void *), "addressed");
_Static_assert(offsetof(fv_communicator, start) == COMM_START * sizeof(void *), "start");
_Static_assert(FV_SEND == FV_LIBRARY_send - FV_LIBRARY_all_gather &&
                   FV_GROUP_ALL_GATHER == FV_LIBRARY_group_all_gather - FV_LIBRARY_all_gather,
               "kinds of exchanges are numbered as the functions");

static LLVMValueRef comm_word(fv_ll_fn *f, LLVMValueRef comm, int word) {
    return LLVMBuildLoad2(f->b, f->m->types.size, fv_ll_element(f, f->m->types.size, comm, word),
                          "");
}

enum { MOST_ARGUMENTS = 7 }; /* of functions of a communicator, without `user` */

/* Emits the call of the function at that word of the communicator, with `user` and n arguments. */
static LLVMValueRef call_comm(fv_ll_fn *f, LLVMValueRef comm, int word, int n,
                              const LLVMValueRef *given) {
    LLVMTypeRef ptr = f->m->types.ptr, size = f->m->types.size, types[MOST_ARGUMENTS + 1];
    LLVMValueRef args[MOST_ARGUMENTS + 1];
    LLVMValueRef callee = LLVMBuildLoad2(f->b, ptr, fv_ll_element(f, size, comm, word), "");
    args[0] = LLVMBuildLoad2(f->b, ptr, fv_ll_element(f, size, comm, COMM_USER), "");
    for (int i = 0; i < n; i++)
        args[i + 1] = given[i];
    for (int i = 0; i <= n; i++)
        types[i] = LLVMTypeOf(args[i]);
    LLVMTypeRef type = LLVMFunctionType(f->m->types.i32, types, (unsigned)n + 1, 0);
    return LLVMBuildCall2(f->b, type, callee, args, (unsigned)n + 1, "");
}

static LLVMValueRef constant(fv_ll_fn *f, int64_t n) {
    return LLVMConstInt(f->m->types.size, (unsigned long long)n, 0);
}

/* Can exchanges be started before they are waited for? */
static LLVMValueRef can_start(fv_ll_fn *f, LLVMValueRef comm) {
    LLVMTypeRef size = f->m->types.size;
    LLVMValueRef none = fv_ll_zeros(f->m, LLVMArrayType2(size, COMM_WORDS), "no_communicator");
    LLVMValueRef whole = constant(f, COMM_WORDS * f->m->target->pointer_bits / 8);
    LLVMValueRef small = LLVMBuildICmp(f->b, LLVMIntULT, comm_word(f, comm, COMM_SIZE), whole, "");
    comm = LLVMBuildSelect(f->b, small, none, comm, "");
    return LLVMBuildAnd(f->b, LLVMBuildIsNotNull(f->b, comm_word(f, comm, COMM_START), ""),
                        LLVMBuildIsNotNull(f->b, comm_word(f, comm, COMM_WAIT), ""), "");
}

/* A block that waits for the exchanges that were started, since other ranks read what is sent until
 * then, and branches to `leave`; `leave` if there are none. */
static LLVMBasicBlockRef completing(fv_ll_fn *f, LLVMBasicBlockRef leave) {
    LLVMBasicBlockRef here = LLVMGetInsertBlock(f->b);
    if (!f->host->started)
        return leave;
    LLVMBasicBlockRef first = fv_ll_block(f, "failed"), apart = fv_ll_block(f, "complete");
    fv_ll_at(f, first);
    LLVMValueRef comm = fv_ll_env_field(f, FV_ENV_COMMUNICATOR);
    LLVMBuildCondBr(f->b, can_start(f, comm), apart, leave);
    fv_ll_at(f, apart);
    for (int i = 0; i < f->host->started; i++)
        call_comm(f, comm, COMM_WAIT, 0, NULL);
    LLVMBuildBr(f->b, leave);
    fv_ll_at(f, here);
    return first;
}

/* Branches to `leave` if c is true. */
static void leave_if(fv_ll_fn *f, LLVMValueRef c, LLVMBasicBlockRef leave) {
    LLVMBasicBlockRef next = fv_ll_block(f, "ok");
    fv_ll_branch_unlikely(f, c, completing(f, leave), next);
    fv_ll_at(f, next);
}

static void fail_if(fv_ll_fn *f, LLVMValueRef c, int status) {
    leave_if(f, c, fv_ll_leave(f, status));
}

static void check(fv_ll_fn *f, const fv_stmt *s) {
    fail_if(f, LLVMBuildNot(f->b, fv_ll_expr(f, s->x), ""), s->note.status);
}

/* ---- arguments of the caller ---- */

static LLVMValueRef pointer(fv_ll_fn *f, const fv_read *r) {
    if (r->of == FV_ARG_ENV && r->at >= 0)
        return fv_ll_env_field(f, r->at);
    LLVMValueRef argument = f->host->argument[r->of];
    return r->at < 0 ? argument
                     : LLVMBuildLoad2(f->b, f->m->types.ptr,
                                      fv_ll_element(f, f->m->types.ptr, argument, r->at), "");
}

static LLVMValueRef is_aligned(fv_ll_fn *f, LLVMValueRef p, int align) {
    LLVMValueRef at = LLVMBuildPtrToInt(f->b, p, f->m->types.size, ""),
                 mask = LLVMConstInt(f->m->types.size, (unsigned)align - 1, 0);
    LLVMValueRef rest = LLVMBuildAnd(f->b, at, mask, "");
    return LLVMBuildAnd(f->b, LLVMBuildIsNotNull(f->b, p, ""), LLVMBuildIsNull(f->b, rest, ""), "");
}

/* Emits the test whether an output is NULL, or the same pointer as the input whose state it is. */
static LLVMValueRef is_same(fv_ll_fn *f, int output) {
    LLVMValueRef given = pointer(f, &(fv_read){.of = FV_ARG_OUTPUTS, .at = output});
    LLVMValueRef input = pointer(
        f, &(fv_read){.of = FV_ARG_INPUTS, .at = f->m->program->outputs[output].state_of - 1});
    return LLVMBuildOr(f->b, LLVMBuildIsNull(f->b, given, ""),
                       LLVMBuildICmp(f->b, LLVMIntEQ, given, input, ""), "");
}

/* The number of ranks of the caller's communicator; 0 if it is NULL or lacks members. */
static LLVMValueRef ranks(fv_ll_fn *f) {
    LLVMTypeRef size = f->m->types.size;
    int words = fv_program_addresses(f->m->program) ? COMM_ADDRESSED : COMM_UNADDRESSED;
    LLVMValueRef none = fv_ll_zeros(f->m, LLVMArrayType2(size, COMM_WORDS), "no_communicator");
    LLVMValueRef comm = fv_ll_env_field(f, FV_ENV_COMMUNICATOR);
    comm = LLVMBuildSelect(f->b, LLVMBuildIsNull(f->b, comm, ""), none, comm, "");
    LLVMValueRef whole = LLVMConstInt(size, (unsigned)(words * f->m->target->pointer_bits / 8), 0);
    LLVMValueRef small = LLVMBuildICmp(f->b, LLVMIntULT, comm_word(f, comm, COMM_SIZE), whole, "");
    comm = LLVMBuildSelect(f->b, small, none, comm, "");
    LLVMValueRef n = comm_word(f, comm, COMM_RANKS);
    for (int i = COMM_FUNCTIONS; i < words; i++)
        n = LLVMBuildSelect(f->b, LLVMBuildIsNull(f->b, comm_word(f, comm, i), ""),
                            LLVMConstNull(size), n, "");
    return LLVMBuildIntCast2(f->b, n, f->m->types.i64, 0, "");
}

static LLVMValueRef value(fv_ll_fn *f, const fv_read *r) {
    fv_ll_module *m = f->m;
    LLVMValueRef array = r->of <= FV_ARG_ENV ? f->host->argument[r->of] : NULL, at = NULL;
    switch ((fv_argument)r->of) {
    case FV_ARG_DIMS: at = fv_ll_element(f, m->types.i64, array, r->at); break;
    case FV_ARG_ACTUAL:
        at = fv_ll_element(f, m->types.i64, array, fv_out_dims_at(m->program, r->at));
        break;
    case FV_ARG_WEIGHTS:
        at = fv_ll_element(f, m->types.i64, fv_ll_env_field(f, FV_ENV_WEIGHTS), r->at);
        break;
    case FV_ARG_BYTES: return LLVMBuildIntCast2(f->b, array, m->types.i64, 0, "");
    case FV_ARG_ENV: return LLVMBuildIntCast2(f->b, fv_ll_env_field(f, r->at), m->types.i64, 0, "");
    case FV_ARG_RANKS: return ranks(f);
    case FV_ARG_MOST: return fv_ll_int(m, m->target->pointer_bits == 32 ? INT32_MAX : INT64_MAX);
    default: return LLVMConstInt(m->types.i1, 1, 0); /* entry.c has emitted the check of the CPU */
    }
    return LLVMBuildLoad2(f->b, m->types.i64, at, "");
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

static void memory(fv_ll_fn *f) {
    const fv_program *p = f->m->program;
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        const fv_read where = {.of = b->role == FV_BUF_INPUT ? FV_ARG_INPUTS : FV_ARG_OUTPUTS,
                               .at = b->index};
        if (b->role == FV_BUF_INPUT || b->role == FV_BUF_OUTPUT)
            *fv_ptrmap_at(&f->host->places, b) = pointer(f, &where);
    }
    if (f->m->weights.file)
        f->host->weights =
            fv_ll_offset(f, fv_ll_env_field(f, FV_ENV_WEIGHTS), fv_ll_int(f->m, FV_WEIGHTS_HEAD));
}

/* ---- launches ---- */

enum { LAUNCHER_ARGUMENTS = 6 };

/* The number of the launch, by which a trace names it. */
static LLVMValueRef number_of(fv_ll_fn *f, const fv_stmt *s) {
    return LLVMConstInt(f->m->types.i32, (unsigned)s->call.number, 0);
}

static LLVMValueRef arg_slot(fv_ll_fn *f, fv_ll_kernel *k) {
    LLVMValueRef slot = fv_ptrmap_get(&f->host->args, k);
    if (!slot) {
        slot = fv_ll_alloca(f, k->args_type, k->kernel->name);
        *fv_ptrmap_at(&f->host->args, k) = slot;
    }
    return slot;
}

/* The arguments of a launch: buffers, dims, state, and space for the number of the task. The dims
 * become variables of the kernel. */
static LLVMValueRef *launch_args(fv_ll_fn *f, const fv_stmt *s) {
    const fv_kernel *k = s->call.kernel;
    int n = 0;
    LLVMValueRef *args = FV_NEW(f->m->arena, LLVMValueRef, k->nbufs + k->ndims + 2);
    for (int i = 0; i < k->nbufs; i++)
        args[n++] = fv_ll_host_buf(f, s->call.args[i]);
    for (int i = 0; i < k->ndims; i++)
        args[n++] = fv_ll_expr(f, s->call.dims[i]);
    for (int i = 0; i < k->ndims; i++)
        *fv_ptrmap_at(&f->vars, k->dims[i]) = args[k->nbufs + i];
    args[n++] = f->host->state;
    args[n] = fv_ll_int(f->m, 0);
    return args;
}

/* Returns whether the run was cancelled before. */
static LLVMValueRef call_tasks(fv_ll_fn *f, fv_ll_kernel *k, LLVMValueRef *args, LLVMValueRef tasks,
                               const fv_stmt *s) {
    LLVMValueRef slot = arg_slot(f, k);
    unsigned n = LLVMCountStructElementTypes(k->args_type);
    for (unsigned i = 0; i < n; i++)
        LLVMBuildStore(f->b, args[i], LLVMBuildStructGEP2(f->b, k->args_type, slot, i, ""));
    LLVMValueRef call[] = {
        f->host->env,   k->task, slot, tasks, LLVMConstInt(f->m->types.i1, s->call.descending, 0),
        number_of(f, s)};
    LLVMTypeRef type = LLVMGlobalGetValueType(f->host->launch);
    return LLVMBuildCall2(f->b, type, f->host->launch, call, LAUNCHER_ARGUMENTS, "");
}

/* Calls env->trace(user, launch, end), if it is not NULL. */
static void trace(fv_ll_fn *f, LLVMValueRef launch, int end) {
    LLVMBasicBlockRef call = fv_ll_block(f, "trace"), next = fv_ll_block(f, "traced");
    fv_ll_branch_unlikely(f, LLVMBuildIsNotNull(f->b, fv_ll_env_field(f, FV_ENV_TRACE), ""), call,
                          next);
    fv_ll_at(f, call);
    LLVMValueRef args[] = {NULL, launch, LLVMConstInt(f->m->types.i32, (unsigned)end, 0)};
    call_env(f, FV_ENV_TRACE, f->m->types.none, args, 3);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

static LLVMValueRef exchanged_bytes(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef bytes = fv_ll_expr(f, fv_collective_bytes(f->m->arena, s));
    return LLVMBuildIntCast2(f->b, bytes, f->m->types.size, 0, "");
}

/* Emits function(user, send, receive, bytes); for an addressed function, the second argument is
 * the rank, and for one of a group the third one is the number of its ranks. */
static LLVMValueRef make_exchange(fv_ll_fn *f, LLVMValueRef comm, const fv_stmt *s,
                                  const fv_stmt *exchange) {
    const fv_library_fn *fn = exchange->call.library;
    LLVMValueRef args[MOST_ARGUMENTS];
    int n = 0;
    if (fn->addressed)
        args[n++] = constant(f, exchange->call.rank);
    if (fn->addressed && fn->nparams > 1)
        args[n++] = constant(f, fv_exchange_group(exchange));
    for (int i = 0; i < fn->nparams; i++)
        args[n++] = fv_ll_host_buf(f, s->call.args[i]);
    args[n++] = exchanged_bytes(f, s);
    return call_comm(f, comm, COMM_FUNCTIONS + (int)fv_library_id_of(fn) - FV_LIBRARY_all_gather, n,
                     args);
}

/* Emits start(user, kind, rank, n, send, receive, bytes). */
static LLVMValueRef start_exchange(fv_ll_fn *f, LLVMValueRef comm, const fv_stmt *s,
                                   const fv_stmt *exchange) {
    const fv_library_fn *fn = exchange->call.library;
    int kind = (int)fv_library_id_of(fn) - FV_LIBRARY_all_gather;
    bool group = fn->addressed && fn->nparams > 1, receives = fn->params[0].written;
    LLVMValueRef none = LLVMConstNull(f->m->types.ptr), first = fv_ll_host_buf(f, s->call.args[0]);
    LLVMValueRef args[MOST_ARGUMENTS] = {LLVMConstInt(f->m->types.i32, (unsigned)kind, 0),
                                         constant(f, exchange->call.rank),
                                         constant(f, group ? fv_exchange_group(exchange) : 0),
                                         receives ? none : first,
                                         receives          ? first
                                         : fn->nparams > 1 ? fv_ll_host_buf(f, s->call.args[1])
                                                           : none,
                                         exchanged_bytes(f, s)};
    return call_comm(f, comm, COMM_START, 6, args);
}

/* Emits what starts an exchange, or waits for it. A communicator that cannot start exchanges makes
 * them where they would be started, and waits for none. */
static LLVMValueRef begin_or_wait(fv_ll_fn *f, LLVMValueRef comm, const fv_stmt *s,
                                  const fv_stmt *exchange) {
    bool waits = exchange->call.mode == FV_CALL_WAIT;
    LLVMValueRef able = can_start(f, comm);
    LLVMBasicBlockRef apart = fv_ll_block(f, "apart"), whole = fv_ll_block(f, "whole"),
                      done = fv_ll_block(f, "exchanged");
    LLVMBuildCondBr(f->b, able, apart, whole);
    fv_ll_at(f, apart);
    LLVMValueRef values[2];
    LLVMBasicBlockRef from[2];
    values[0] =
        waits ? call_comm(f, comm, COMM_WAIT, 0, NULL) : start_exchange(f, comm, s, exchange);
    from[0] = LLVMGetInsertBlock(f->b);
    LLVMBuildBr(f->b, done);
    fv_ll_at(f, whole);
    values[1] = waits ? LLVMConstNull(f->m->types.i32) : make_exchange(f, comm, s, exchange);
    from[1] = LLVMGetInsertBlock(f->b);
    LLVMBuildBr(f->b, done);
    fv_ll_at(f, done);
    LLVMValueRef status = LLVMBuildPhi(f->b, f->m->types.i32, "");
    LLVMAddIncoming(status, values, from, 2);
    return status;
}

/* Emits the call of a function of the communicator. */
static void call_collective(fv_ll_fn *f, const fv_stmt *s, const fv_stmt *exchange) {
    LLVMValueRef comm = fv_ll_env_field(f, FV_ENV_COMMUNICATOR);
    trace(f, number_of(f, s), 0);
    LLVMValueRef status = exchange->call.mode == FV_CALL ? make_exchange(f, comm, s, exchange)
                                                         : begin_or_wait(f, comm, s, exchange);
    trace(f, number_of(f, s), 1);
    f->host->started -= exchange->call.mode == FV_CALL_WAIT;
    fail_if(f, LLVMBuildIsNotNull(f->b, status, ""), FV_BAD_COMMUNICATOR);
    f->host->started += exchange->call.mode == FV_CALL_START;
}

static void launch(fv_ll_fn *f, const fv_stmt *s) {
    const fv_stmt *exchange = fv_kernel_exchange(s->call.kernel);
    fv_ll_kernel *k = fv_ptrmap_get(&f->m->kernels, s->call.kernel);
    if (!k) {
        fv_ll_fault(f->m, "kernel %s is not in the program's list", s->call.kernel->name);
        return;
    }
    if (exchange) {
        fail_if(f, fv_ll_poll(f), FV_CANCELLED);
        call_collective(f, s, exchange);
        return;
    }
    LLVMValueRef *args = launch_args(f, s);
    LLVMValueRef tasks = k->kernel->tasks ? fv_ll_expr(f, k->kernel->tasks) : fv_ll_int(f->m, 1);
    if (LLVMIsAConstantInt(tasks) && LLVMConstIntGetSExtValue(tasks) == 1) {
        fail_if(f, fv_ll_poll(f), FV_CANCELLED);
        trace(f, number_of(f, s), 0);
        LLVMBuildCall2(f->b, k->type, k->fn, args, LLVMCountParams(k->fn), "");
        trace(f, number_of(f, s), 1);
    } else {
        fail_if(f, call_tasks(f, k, args, tasks, s), FV_CANCELLED);
    }
    if (k->may_fail)
        leave_if(f,
                 LLVMBuildIsNotNull(f->b, LLVMBuildLoad2(f->b, f->m->types.i32, f->error, ""), ""),
                 f->host->out);
}

/* Calls the task for each number from 0 to n - 1, in descending order if `down` is true. */
static void call_serially(fv_ll_fn *f, LLVMValueRef task, LLVMValueRef arg, LLVMValueRef n,
                          LLVMValueRef down) {
    LLVMBasicBlockRef from = LLVMGetInsertBlock(f->b), body = fv_ll_block(f, "task"),
                      done = fv_ll_block(f, "done");
    LLVMValueRef zero = fv_ll_int(f->m, 0), one = fv_ll_int(f->m, 1),
                 last = LLVMBuildNSWSub(f->b, n, one, "");
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntSGT, n, zero, ""), body, done);
    fv_ll_at(f, body);
    LLVMValueRef i = LLVMBuildPhi(f->b, f->m->types.i64, "i"),
                 up = LLVMBuildNSWAdd(f->b, i, one, "");
    LLVMValueRef args[] = {arg,
                           LLVMBuildSelect(f->b, down, LLVMBuildNSWSub(f->b, last, i, ""), i, "")};
    LLVMBuildCall2(f->b, f->m->types.task, task, args, 2, "");
    LLVMAddIncoming(i, &zero, &from, 1);
    LLVMAddIncoming(i, &up, &body, 1);
    fv_ll_branch(f, LLVMBuildICmp(f->b, LLVMIntSLT, up, n, ""), body, done);
    fv_ll_at(f, done);
}

LLVMValueRef fv_ll_launcher(fv_ll_module *m) {
    const fv_ll_types *t = &m->types;
    LLVMTypeRef types[LAUNCHER_ARGUMENTS] = {t->ptr, t->ptr, t->ptr, t->i64, t->i1, t->i32};
    const char *name = fv_printf(m->arena, "%s.launch", m->program->name);
    LLVMValueRef fn = fv_ll_function(m, name, LLVMFunctionType(t->i1, types, LAUNCHER_ARGUMENTS, 0),
                                     FV_LL_INTERNAL, false),
                 args[LAUNCHER_ARGUMENTS];
    fv_ll_attr(m, fn, (unsigned)LLVMAttributeFunctionIndex, "noinline");
    LLVMGetParams(fn, args);
    fv_ll_fn f;
    fv_ll_begin(&f, m, fn);
    f.host = &(fv_ll_host){.env = args[0]};
    f.cancel = fv_ll_env_field(&f, FV_ENV_CANCEL);
    LLVMBasicBlockRef cancelled = fv_ll_block(&f, "cancelled"), run = fv_ll_block(&f, "run"),
                      serial = fv_ll_block(&f, "serial"), parallel = fv_ll_block(&f, "parallel"),
                      end = fv_ll_block(&f, "end");
    fv_ll_branch_unlikely(&f, fv_ll_poll(&f), cancelled, run);
    fv_ll_at(&f, cancelled);
    LLVMBuildRet(f.b, LLVMConstInt(t->i1, 1, 0));
    fv_ll_at(&f, run);
    trace(&f, args[5], 0);
    LLVMValueRef absent = LLVMBuildIsNull(f.b, fv_ll_env_field(&f, FV_ENV_PARALLEL_FOR), "");
    LLVMValueRef few = LLVMBuildICmp(f.b, LLVMIntSLE, args[3], fv_ll_int(m, 1), "");
    fv_ll_branch(&f, LLVMBuildOr(f.b, absent, few, ""), serial, parallel);
    fv_ll_at(&f, serial);
    call_serially(&f, args[1], args[2], args[3], args[4]);
    LLVMBuildBr(f.b, end);
    fv_ll_at(&f, parallel);
    call_env(&f, FV_ENV_PARALLEL_FOR, t->none, args, 4);
    LLVMBuildBr(f.b, end);
    fv_ll_at(&f, end);
    trace(&f, args[5], 1);
    LLVMBuildRet(f.b, LLVMConstNull(t->i1));
    fv_ll_finish(&f);
    return fn;
}

/* ---- the caller's allocator ---- */

void fv_ll_release(fv_ll_fn *f, const fv_buf *b) {
    LLVMValueRef slot = fv_ptrmap_get(&f->host->places, b);
    LLVMValueRef p = LLVMBuildLoad2(f->b, f->m->types.ptr, slot, "");
    LLVMBasicBlockRef there = fv_ll_block(f, "free"), next = fv_ll_block(f, "freed");
    fv_ll_branch(f, LLVMBuildIsNull(f->b, p, ""), next, there);
    fv_ll_at(f, there);
    call_env(f, FV_ENV_FREE, f->m->types.none, (LLVMValueRef[]){NULL, p}, 2);
    LLVMBuildStore(f->b, LLVMConstNull(f->m->types.ptr), slot);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

static void allocate(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef bytes = fv_ll_expr(f, s->x);
    int64_t most = f->m->target->pointer_bits == 32 ? INT32_MAX : INT64_MAX;
    /* bytes are compared as unsigned numbers, so that negative ones are too large as well */
    fail_if(f, LLVMBuildICmp(f->b, LLVMIntUGE, bytes, fv_ll_int(f->m, most), ""), FV_TOO_LARGE);
    LLVMBasicBlockRef some = fv_ll_block(f, "alloc"), next = fv_ll_block(f, "allocated");
    LLVMValueRef none = LLVMBuildICmp(f->b, LLVMIntEQ, bytes, fv_ll_int(f->m, 0), "");
    fv_ll_branch(f, none, next, some);
    fv_ll_at(f, some);
    LLVMValueRef args[] = {NULL, LLVMBuildIntCast2(f->b, bytes, f->m->types.size, 0, "")};
    LLVMValueRef p = call_env(f, FV_ENV_ALLOC, f->m->types.ptr, args, 2);
    LLVMBuildStore(f->b, p, fv_ptrmap_get(&f->host->places, s->buf));
    fail_if(f, LLVMBuildIsNull(f->b, p, ""), FV_NO_MEMORY);
    LLVMBuildBr(f->b, next);
    fv_ll_at(f, next);
}

static void tell(fv_ll_fn *f, const fv_stmt *s) {
    LLVMValueRef x = fv_ll_expr(f, s->x), *argument = f->host->argument;
    if (s->size.output < 0)
        LLVMBuildStore(f->b, LLVMBuildIntCast2(f->b, x, f->m->types.size, 0, ""),
                       argument[FV_ARG_WORKSPACE]);
    else
        LLVMBuildStore(
            f->b, x,
            fv_ll_element(f, f->m->types.i64, argument[FV_ARG_ACTUAL],
                          fv_out_dims_at(f->m->program, s->size.output) + 1 + s->size.axis));
}

void fv_ll_host_stmt(fv_ll_fn *f, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_READ: read_(f, s); return;
    case FV_S_PLAN: fv_ll_stmts(f, &f->m->program->host.plan); return;
    case FV_S_MEMORY: memory(f); return;
    case FV_S_CHECK: check(f, s); return;
    case FV_S_LAUNCH: launch(f, s); return;
    case FV_S_ALLOC: allocate(f, s); return;
    case FV_S_FREE: fv_ll_release(f, s->buf); return;
    case FV_S_SETDIM: tell(f, s); return;
    default: return; /* other statements are emitted in block.c */
    }
}
