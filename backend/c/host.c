/* host.c - the host program as C: the plan, the size query, the run. The checks of what the caller
 * passes are statements of the program (backend/consumer/protocol.h). */
#include <string.h>

#include "backend/c/internal.h"
#include "ir/expr/fold.h"
#include "ir/kernel/build.h"

bool fv_c_is_direct(const fv_program *p) {
    bool capacities = false;
    for (int i = 0; i < p->noutputs; i++)
        capacities |= (p->capacity && p->capacity[i]) || fv_port_is_shared(&p->outputs[i]);
    return p->symbols.n == 0 && !capacities && !p->memory.uses_allocator;
}

bool fv_c_inlines_run(const fv_cg *g) {
    return g->p->target->kind == FV_TARGET_MICRO && !g->o->library && fv_c_is_direct(g->p) &&
           !g->machine.checks_cpu;
}

/* ---- conditions ---- */

/* The C text of an operand of a comparison. A u64 constant that fits into an int has no suffix. */
static const char *side(fv_cg *g, const fv_expr *x) {
    bool small = x->op == FV_X_CONST && x->type.elem == FV_U64 && (uint64_t)x->u.i <= INT32_MAX;
    return small ? fv_printf(g->arena, "%d", (int)x->u.i) : fv_c_at(g, x, FV_C_SHIFT);
}

/* The condition, or its negation, without unnecessary parentheses. */
static fv_c_piece test(fv_cg *g, const fv_expr *x, bool negate) {
    const char *pointer = x->op == FV_X_VAR ? fv_ptrmap_get(&g->fn.pointers, x->u.var) : NULL;
    bool either = x->op == FV_X_OR, compares = x->op >= FV_X_LT && x->op <= FV_X_NE;
    if (pointer)
        return (fv_c_piece){fv_printf(g->arena, "%s%s", negate ? "!" : "", pointer),
                            negate ? FV_C_UNARY : FV_C_PRIMARY, false};
    if (x->op == FV_X_NOT)
        return test(g, x->arg[0], !negate);
    if (either || x->op == FV_X_AND) {
        int prec = either != negate ? FV_C_OROR : FV_C_ANDAND;
        fv_c_piece first = test(g, x->arg[0], negate);
        const char *l = fv_c_paren(g, first, first.prec == prec ? prec : FV_C_EQUAL);
        const char *r = fv_c_paren(g, test(g, x->arg[1], negate), FV_C_EQUAL);
        return (fv_c_piece){fv_printf(g->arena, "%s %s %s", l, prec == FV_C_OROR ? "||" : "&&", r),
                            prec, false};
    }
    if (negate && compares &&
        (x->arg[0]->type.elem == FV_I64 || x->op >= FV_X_EQ || x->arg[1]->op != FV_X_CONST) &&
        fv_elem_is_int(x->arg[0]->type.elem)) {
        static const char *const opposite[2][4] = {{">=", ">", "!=", "=="},
                                                   {"<=", "<", "!=", "=="}};
        bool swap = x->arg[0]->op == FV_X_CONST;
        const char *op = opposite[swap][x->op - FV_X_LT];
        return (fv_c_piece){
            fv_printf(g->arena, "%s %s %s", side(g, x->arg[swap]), op, side(g, x->arg[!swap])),
            FV_C_LESS, false};
    }
    if (negate)
        return (fv_c_piece){fv_printf(g->arena, "!%s", fv_c_at(g, x, FV_C_UNARY)), FV_C_UNARY,
                            false};
    return fv_c_expr(g, x);
}

const char *fv_c_test(fv_cg *g, const fv_expr *x) {
    return test(g, x, false).s;
}

static void put_fail(fv_cg *g, const char *condition, const char *status) {
    if (!g->fn.has_heap && !g->fn.started) {
        fv_c_line(g, "if (%s)", condition);
        fv_c_line(g, "    return %s;", status);
        return;
    }
    fv_c_open(g, "if (%s)", condition);
    for (int i = 0; i < g->fn.started; i++) /* others read what was started from this memory */
        fv_c_line(g,
                  "(void)(%s(env->communicator) && "
                  "env->communicator->wait(env->communicator->user));",
                  fv_c_helper_fixed(g, "can_start"));
    if (g->fn.has_heap) {
        fv_c_line(g, "status = %s;", status);
        fv_c_line(g, "goto done;");
    } else {
        fv_c_line(g, "return %s;", status);
    }
    fv_c_close(g);
}

static const char *const status_names[] = {
    "FV_OK",        "FV_BAD_DIM",   "FV_BAD_INDEX",       "FV_BAD_CPU",      "FV_TOO_SMALL",
    "FV_TOO_LARGE", "FV_NO_MEMORY", "FV_CANCELLED",       "FV_BAD_ARGUMENT", "FV_BAD_MODEL",
    "FV_BAD_FILE",  "FV_INTERNAL",  "FV_BAD_COMMUNICATOR"};

static void put_check(fv_cg *g, const fv_stmt *s) {
    if (s->x->op == FV_X_VAR && s->x->u.var == g->fn.cpu)
        return;
    const char *status =
        s->note.status >= 0 && s->note.status < (int)(sizeof status_names / sizeof *status_names)
            ? status_names[s->note.status]
            : "FV_INTERNAL";
    /* a test such as `if (!inputs)` needs no comment */
    bool speaks = s->x->op == FV_X_VAR && fv_ptrmap_get(&g->fn.pointers, s->x->u.var);
    if (s->note.text && *s->note.text && !speaks)
        fv_c_line(g, "/* %s */", fv_c_comment(g->arena, s->note.text));
    put_fail(g, test(g, s->x, true).s, status);
}

/* ---- the caller's arguments, written as expressions where they are used ---- */

static const char *const parameters[] = {"dims",      "inputs", "outputs", "out_dims",
                                         "workspace", "bytes",  "given"};

static const char *pointer(fv_cg *g, const fv_read *r) {
    if (r->at < 0)
        return parameters[r->of];
    return r->of == FV_ARG_ENV ? fv_printf(g->arena, "env->%s", fv_env_text(r->at))
                               : fv_printf(g->arena, "%s[%d]", parameters[r->of], r->at);
}

static const char *head_of_weights(fv_cg *g) {
    if (!g->weights.head) {
        g->weights.head = fv_c_name(&g->naming.scope, "head", "head");
        fv_c_line(g, "const uint64_t *%s = (const uint64_t *)env->weights;", g->weights.head);
    }
    return g->weights.head;
}

static const char *value(fv_cg *g, const fv_read *r) {
    switch ((fv_argument)r->of) {
    case FV_ARG_ACTUAL: return fv_printf(g->arena, "out_dims[%d]", fv_out_dims_at(g->p, r->at));
    case FV_ARG_WEIGHTS: return fv_printf(g->arena, "%s[%d]", head_of_weights(g), r->at);
    case FV_ARG_CPU: return "true"; /* api.c checks the CPU before the call of this function */
    case FV_ARG_MOST: return "PTRDIFF_MAX";
    case FV_ARG_RANKS:
        return fv_printf(
            g->arena, "%s(env->communicator)",
            fv_c_helper_fixed(g, fv_program_addresses(g->p) ? "ranks_of_all" : "ranks_of"));
    default: return pointer(g, r);
    }
}

static void read_(fv_cg *g, const fv_stmt *s) {
    const fv_read *r = &s->read;
    const char *text;
    if (!fv_c_is_used(g, s->var)) /* the address of a tensor without elements is not checked */
        return;
    if (r->how == FV_READ_GIVEN) {
        text = pointer(g, r);
        *fv_ptrmap_at(&g->fn.pointers, s->var) = (void *)(uintptr_t)text;
        text = fv_printf(g->arena, "(%s != NULL)", text);
    } else if (r->how == FV_READ_SAME) {
        text = fv_printf(g->arena, "(outputs[%d] == NULL || outputs[%d] == inputs[%d])", r->at,
                         r->at, g->p->outputs[r->at].state_of - 1);
    } else if (r->how == FV_READ_ALIGNED) {
        text = fv_printf(g->arena, "%s(%s, %d)", fv_c_helper_fixed(g, "is_aligned"), pointer(g, r),
                         r->align);
    } else {
        text = value(g, r);
    }
    if (r->of == FV_ARG_CPU)
        g->fn.cpu = s->var;
    fv_c_set_name(g, s->var, text);
}

/* Does the block read or write the argument `of`? */
static bool looks_at(const fv_block *b, fv_argument of) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if ((s->kind == FV_S_READ && s->read.of == of) ||
            (s->kind == FV_S_SETDIM &&
             of == (s->size.output < 0 ? FV_ARG_WORKSPACE : FV_ARG_ACTUAL)) ||
            looks_at(&s->body, of) || looks_at(&s->other, of))
            return true;
    return false;
}

/* ---- the size query ---- */

static void put_query(fv_cg *g) {
    const fv_program *p = g->p;
    int mark_at = g->naming.scope.n;
    g->fn.used = fv_ptrmap_in(g->arena);
    fv_c_mark_used(g, &p->host.query);
    fv_c_mark_used(g, &p->host.plan);
    fv_c_open(g,
              "static %s_NOINLINE int %s_plan_flat(const int64_t *dims, size_t *workspace, int64_t "
              "*out_dims)",
              g->NAME, g->name);
    if (!looks_at(&p->host.plan, FV_ARG_DIMS))
        fv_c_line(g, "(void)dims;");
    if (!looks_at(&p->host.query, FV_ARG_ACTUAL))
        fv_c_line(g, "(void)out_dims;");
    fv_c_block(g, &p->host.plan);
    fv_c_block(g, &p->host.query);
    fv_c_line(g, "return FV_OK;");
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    fv_c_scope_leave(&g->naming.scope, mark_at);
}

/* ---- run: the buffers ---- */

static void put_buffer(fv_cg *g, const fv_buf *b) {
    const char *type = fv_c_elem(b->elem);
    if (b->role == FV_BUF_CONST)
        return; /* constants were named by fv_c_constants */
    const char *name = fv_c_name(&g->naming.scope, b->name, "buffer");
    fv_c_set_name(g, b, name);
    switch ((fv_buf_role)b->role) {
    case FV_BUF_INPUT:
        /* memory of an input and an output; the cast through an integer removes `const` without a
         * warning */
        if (b->output)
            fv_c_line(g, "%s *%s = (%s *)(uintptr_t)inputs[%d];", type, name, type, b->index);
        else
            fv_c_line(g, "const %s *%s = (const %s *)inputs[%d];", type, name, type, b->index);
        break;
    case FV_BUF_OUTPUT:
        fv_c_line(g, "%s *%s = (%s *)outputs[%d];", type, name, type, b->index);
        break;
    case FV_BUF_HEAP: fv_c_line(g, "%s *%s = NULL;", type, name); break;
    case FV_BUF_WORK: {
        int64_t offset;
        bool zero = fv_x_is_int(b->offset, &offset) && offset == 0;
        /* the cast through void * states that offsets are aligned */
        if (zero)
            fv_c_line(g, "%s *%s = (%s *)(void *)work;", type, name, type);
        else
            fv_c_line(g, "%s *%s = (%s *)(void *)(work + %s);", type, name, type,
                      fv_c_at(g, b->offset, FV_C_ADD));
        break;
    }
    case FV_BUF_IN:
    case FV_BUF_OUT:
    case FV_BUF_INOUT:
    case FV_BUF_TILE:
    case FV_BUF_CONST: break;
    }
}

static bool any_requires(const fv_program *p) {
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i]->requires_ && !fv_kernel_collective(p->kernels[i]))
            return true;
    return false;
}

static bool uses(const fv_cg *g, fv_buf_role role) {
    for (int i = 0; i < g->p->memory.nbuffers; i++)
        if (g->p->memory.buffers[i]->role == role && fv_c_is_used(g, g->p->memory.buffers[i]))
            return true;
    return false;
}

/* Writes the declarations of buffers; after this statement the run may jump to `done`. */
static void put_memory(fv_cg *g) {
    const fv_program *p = g->p;
    for (int i = 0; i < FV_ARG_ENV; i++)
        if (!looks_at(i == FV_ARG_DIMS ? &p->host.plan : &p->host.body, (fv_argument)i))
            fv_c_line(g, "(void)%s;", parameters[i]);
    fv_c_line(g, "%s", "");
    if (p->memory.uses_allocator)
        fv_c_line(g, "int status = FV_OK;");
    if (fv_c_weights_file(g) && uses(g, FV_BUF_CONST))
        fv_c_line(g, "const unsigned char *%s_weights = (const unsigned char *)env->weights + %d;",
                  g->name, FV_WEIGHTS_HEAD);
    if (uses(g, FV_BUF_WORK))
        fv_c_line(g, "unsigned char *work = (unsigned char *)workspace;");
    for (int i = 0; i < p->memory.nbuffers; i++)
        if (fv_c_is_used(g, p->memory.buffers[i]))
            put_buffer(g, p->memory.buffers[i]);
    if (any_requires(p))
        fv_c_line(g, "int32_t error = FV_OK;");
    fv_c_line(g, "%s", "");
    g->fn.has_heap = p->memory.uses_allocator;
}

static void put_end(fv_cg *g) {
    const fv_program *p = g->p;
    if (!g->fn.has_heap) {
        fv_c_line(g, "return FV_OK;");
        return;
    }
    fv_text_put(g->out, "done:\n");
    for (int i = 0; i < p->memory.nbuffers; i++)
        if (p->memory.buffers[i]->role == FV_BUF_HEAP && fv_c_is_used(g, p->memory.buffers[i]))
            fv_c_line(g, "%s(env, %s);", fv_c_helper_fixed(g, "release"),
                      fv_c_name_of(g, p->memory.buffers[i]));
    fv_c_line(g, "return status;");
}

static void mark_run(fv_cg *g) {
    const fv_program *p = g->p;
    g->fn.used = fv_ptrmap_in(g->arena);
    fv_c_mark_used(g, &p->host.body);
    for (int i = 0; i < p->memory.nbuffers; i++)
        if (fv_c_is_used(g, p->memory.buffers[i]))
            fv_c_mark_expr(g, p->memory.buffers[i]->offset);
    fv_c_mark_used(g, &p->host.plan);
}

/* Copies the caller's env, which may be shorter or longer in another version of fv_env. */
static void put_env(fv_cg *g) {
    fv_c_line(g, "/* The caller's env; that of another version is shorter or longer. */");
    fv_c_line(g, "#define %s_HAS(member) (size >= offsetof(fv_env, member) + sizeof own->member)",
              g->NAME);
    fv_c_open(g, "static %sconst fv_env *%s_env_of(const fv_env *given, fv_env *own)",
              fv_c_inlines_run(g) ? fv_printf(g->arena, "%s_INLINE ", g->NAME) : "", g->name);
    fv_c_line(g, "const size_t size = given ? given->size : 0;");
    for (int i = 0; i < FV_ENV_MEMBERS; i++)
        fv_c_line(g, "own->%s = %s_HAS(%s) ? given->%s : %s;", fv_env_text(i), g->NAME,
                  fv_env_text(i), fv_env_text(i), fv_env_is_pointer(i) ? "NULL" : "0");
    fv_c_line(g, "return own;");
    fv_c_close(g);
    fv_c_line(g, "#undef %s_HAS", g->NAME);
    fv_c_line(g, "%s", "");
}

void fv_c_run(fv_cg *g) {
    put_query(g);
    put_env(g);
    int mark_at = g->naming.scope.n;
    mark_run(g);
    fv_c_open(g,
              "static %s_%s int %s_run_flat(const int64_t *dims, const void *const *inputs, void "
              "*const *outputs, "
              "int64_t *out_dims, void *workspace, size_t bytes, const fv_env *given)",
              g->NAME, fv_c_inlines_run(g) ? "INLINE" : "NOINLINE", g->name);
    fv_c_line(g, "fv_env own;");
    fv_c_line(g, "const fv_env *env = %s_env_of(given, &own);", g->name);
    fv_c_block(g, &g->p->host.body);
    put_end(g);
    fv_c_close(g);
    fv_c_line(g, "%s", "");
    fv_c_scope_leave(&g->naming.scope, mark_at);
}

/* ---- statements ---- */

static const char *argument(fv_cg *g, const fv_stmt *s, int i) {
    const fv_buf *b = s->call.args[i], *parameter = s->call.kernel->bufs[i];
    const char *name = fv_c_name_of(g, b), *type = fv_c_elem(parameter->elem);
    if (!strcmp(fv_c_elem(b->elem), type))
        return name;
    const char *qualifier = parameter->role == FV_BUF_IN ? "const " : "";
    return fv_printf(g->arena, "(%s%s *)(%svoid *)%s", qualifier, type, qualifier, name);
}

/* The arguments of an addressed function that are before the buffers. */
static const char *address(fv_cg *g, const fv_stmt *exchange) {
    const fv_library_fn *fn = exchange->call.library;
    const char *rank = fv_printf(g->arena, "%lld, ", (long long)exchange->call.rank);
    return !fn->addressed ? ""
           : fn->nparams < 2
               ? rank
               : fv_printf(g->arena, "%s%lld, ", rank, (long long)fv_exchange_group(exchange));
}

/* The call that makes the exchange. */
static const char *exchange_text(fv_cg *g, const fv_stmt *s, const fv_stmt *exchange) {
    const fv_library_fn *fn = exchange->call.library;
    return fv_printf(g->arena,
                     "env->communicator->%s(env->communicator->user, %s%s%s%s, (size_t)%s)",
                     fn->name, address(g, exchange), argument(g, s, 0), fn->nparams > 1 ? ", " : "",
                     fn->nparams > 1 ? argument(g, s, 1) : "",
                     fv_c_at(g, fv_collective_bytes(g->arena, s), FV_C_UNARY));
}

/* The call that starts it. */
static const char *start_text(fv_cg *g, const fv_stmt *s, const fv_stmt *exchange) {
    const fv_library_fn *fn = exchange->call.library;
    bool receives = fn->params[0].written;
    long long group = fn->addressed && fn->nparams > 1 ? (long long)fv_exchange_group(exchange) : 0;
    return fv_printf(
        g->arena,
        "env->communicator->start(env->communicator->user, %d, %lld, %lld, %s, %s, (size_t)%s)",
        (int)fv_library_id_of(fn) - FV_LIBRARY_all_gather, (long long)exchange->call.rank, group,
        receives ? "NULL" : argument(g, s, 0),
        receives          ? argument(g, s, 0)
        : fn->nparams > 1 ? argument(g, s, 1)
                          : "NULL",
        fv_c_at(g, fv_collective_bytes(g->arena, s), FV_C_UNARY));
}

/* Writes the call of a function of the communicator, between traces. */
static void put_collective(fv_cg *g, const fv_stmt *s, const fv_stmt *exchange) {
    const fv_library_fn *collective = exchange->call.library;
    const char *origin = s->note.text ? s->note.text : collective->name;
    const char *may = exchange->call.mode == FV_CALL ? "" : fv_c_helper_fixed(g, "can_start");
    put_fail(g, fv_printf(g->arena, "%s(env)", fv_c_helper_fixed(g, "cancelled")), "FV_CANCELLED");
    fv_c_line(g, "%s_TRACE(%d, %s, %s);", g->NAME, s->call.number,
              fv_c_string(g->arena, collective->name), fv_c_strings(g->arena, origin));
    fv_c_open(g, "%s", "");
    if (exchange->call.mode == FV_CALL_WAIT)
        fv_c_line(g,
                  "int failed = %s(env->communicator) && "
                  "env->communicator->wait(env->communicator->user);",
                  may);
    else if (exchange->call.mode == FV_CALL_START)
        fv_c_line(g, "int failed = %s(env->communicator) ? %s : %s;", may,
                  start_text(g, s, exchange), exchange_text(g, s, exchange));
    else
        fv_c_line(g, "int failed = %s;", exchange_text(g, s, exchange));
    fv_c_line(g, "%s_TRACE_END(%d);", g->NAME, s->call.number);
    g->fn.started -= exchange->call.mode == FV_CALL_WAIT;
    put_fail(g, "failed", "FV_BAD_COMMUNICATOR");
    g->fn.started += exchange->call.mode == FV_CALL_START;
    fv_c_close(g);
}

static void put_launch(fv_cg *g, const fv_stmt *s) {
    const fv_kernel *k = s->call.kernel;
    const fv_stmt *exchange = fv_kernel_exchange(k);
    if (exchange) {
        put_collective(g, s, exchange);
        return;
    }
    const char *name = fv_c_name_of(g, k), *tasks = fv_c_kernel_tasks(g, k);
    const char *origin = s->note.text              ? s->note.text
                         : k->origin && *k->origin ? k->origin
                                                   : k->name;
    put_fail(g, fv_printf(g->arena, "%s(env)", fv_c_helper_fixed(g, "cancelled")), "FV_CANCELLED");
    fv_c_line(g, "%s_TRACE(%d, %s, %s);", g->NAME, s->call.number, fv_c_string(g->arena, name),
              fv_c_strings(g->arena, origin));
    fv_text args = {.arena = g->arena}, dims = {.arena = g->arena};
    const char *sep = "";
    fv_text_put(&args, "");
    fv_text_put(&dims, "");
    for (int i = 0; i < k->nbufs; i++, sep = ", ")
        fv_text_printf(&args, "%s%s", sep, argument(g, s, i));
    for (int i = 0; i < k->ndims; i++, sep = ", ") {
        const char *d = fv_c_value_of(g, k->dims[i], s->call.dims[i]);
        fv_text_printf(&args, "%s%s", sep, d);
        fv_text_printf(&dims, "%s%s", i ? ", " : "", d);
    }
    if (k->requires_) {
        fv_text_printf(&args, "%s&error", sep);
        sep = ", ";
    }
    if (fv_c_kernel_polls(k))
        fv_text_printf(&args, "%senv->cancel", sep);
    if (tasks && !strcmp(tasks, "1")) {
        fv_c_line(g, "%s(%s);", name, args.s);
    } else {
        const char *launch =
            fv_c_helper_fixed(g, s->call.descending ? "launch_descending" : "launch");
        fv_c_open(g, "%s", "");
        fv_c_line(g, "struct %s_args args = {%s};", name, args.s);
        if (!tasks)
            tasks = fv_printf(g->arena, "%s_tasks(%s)", name, dims.s);
        fv_c_line(g, "%s(env, %s_task, &args, %s);", launch, name, tasks);
        fv_c_close(g);
    }
    fv_c_line(g, "%s_TRACE_END(%d);", g->NAME, s->call.number);
    if (fv_c_kernel_polls(k))
        put_fail(g, "cancelled(env)", "FV_CANCELLED");
    if (k->requires_)
        put_fail(g, "error != FV_OK", "FV_BAD_INDEX");
}

static void put_told(fv_cg *g, const fv_stmt *s) {
    bool number = s->x->op == FV_X_CONST;
    if (s->size.output < 0)
        fv_c_line(g, "*workspace = %s%s;", number ? "" : "(size_t)", fv_c_at(g, s->x, FV_C_UNARY));
    else
        fv_c_line(g, "out_dims[%d] = %s;", fv_out_dims_at(g->p, s->size.output) + 1 + s->size.axis,
                  fv_c_str(g, s->x));
}

void fv_c_host_stmt(fv_cg *g, const fv_stmt *s) {
    switch (s->kind) {
    case FV_S_READ: read_(g, s); break;
    case FV_S_PLAN: fv_c_block(g, &g->p->host.plan); break;
    case FV_S_MEMORY: put_memory(g); break;
    case FV_S_WHILE:
        put_fail(g, fv_printf(g->arena, "%s(env)", fv_c_helper_fixed(g, "cancelled")),
                 "FV_CANCELLED");
        break;
    case FV_S_CHECK: put_check(g, s); break;
    case FV_S_LAUNCH: put_launch(g, s); break;
    case FV_S_ALLOC:
        fv_c_line(g, "%s = (%s *)%s(env, %s, &status);", fv_c_name_of(g, s->buf),
                  fv_c_elem(s->buf->elem), fv_c_helper_fixed(g, "allocate"), fv_c_str(g, s->x));
        fv_c_line(g, "if (status != FV_OK)");
        fv_c_line(g, "    goto done;");
        break;
    case FV_S_FREE:
        fv_c_line(g, "%s(env, %s);", fv_c_helper_fixed(g, "release"), fv_c_name_of(g, s->buf));
        fv_c_line(g, "%s = NULL;", fv_c_name_of(g, s->buf));
        break;
    case FV_S_SETDIM: put_told(g, s); break;
    default: break; /* other statements are written in stmt.c */
    }
}
