/* protocol.c - the protocol between a model and its caller, written as statements. Their order is
 * part of it: of several things that are wrong, all consumers name the same. */
#include "backend/consumer/protocol.h"

#include "backend/consumer/consumer.h"
#include "ir/dim/text.h"
#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
#include "ir/kernel/build.h"
#include "ir/kernel/print.h"

/* All members of fv_env have the size of a pointer; consumers rely on that if the caller's struct
 * ends within one. */
#define ENV(id, name, kind)                                                                        \
    _Static_assert(offsetof(fv_env, name) == FV_ENV_##id * sizeof(void *), "env.def: " #name);
#include "ir/kernel/env.def"
#undef ENV
_Static_assert(sizeof(fv_env) == FV_ENV_MEMBERS * sizeof(void *),
               "env.def lists all members of fv_env");

typedef struct writer {
    fv_program *p;
    fv_arena *a;
    fv_kbuilder b;
} writer;

/* ---- building statements ---- */

static fv_expr *read_(writer *w, fv_read_how how, fv_argument of, int at, int align,
                      const char *name) {
    return fv_kb_read(&w->b, &(fv_read){(uint8_t)how, (uint8_t)of, at, align}, name);
}

static fv_expr *value(writer *w, fv_argument of, int at, const char *name) {
    return read_(w, FV_READ_VALUE, of, at, 0, name);
}

static fv_expr *given(writer *w, fv_argument of, int at, const char *name) {
    return read_(w, FV_READ_GIVEN, of, at, 0, name);
}

static fv_expr *aligned(writer *w, fv_argument of, int at, int align, const char *name) {
    return read_(w, FV_READ_ALIGNED, of, at, align, name);
}

static fv_expr *bin(writer *w, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(w->a, op, x, y);
}

static fv_expr *number(writer *w, int64_t n) {
    return fv_x_int(w->a, n);
}

/* Adds a CHECK, unless the condition is known to be true. */
static void check(writer *w, fv_expr *condition, int status, const char *text) {
    if (condition->op == FV_X_CONST && condition->u.i)
        return;
    fv_stmt *s = fv_kb_add(&w->b, FV_S_CHECK);
    s->x = condition;
    s->note.status = status;
    s->note.text = text;
}

static void bind(writer *w, fv_var *v, fv_expr *x) {
    fv_stmt *s = fv_kb_add(&w->b, FV_S_LET);
    s->var = v;
    s->x = x;
}

static void tell(writer *w, int output, int axis, fv_expr *x) {
    fv_stmt *s = fv_kb_add(&w->b, FV_S_SETDIM);
    s->size.output = output;
    s->size.axis = axis;
    s->x = x;
}

static void begin(writer *w, fv_block *block) {
    *block = (fv_block){0};
    fv_kb_init(&w->b, w->a, NULL, block);
}

/* Appends `rest`, the statements that the block had before the protocol was added. */
static void go_on(writer *w, fv_block rest) {
    if (!rest.first)
        return;
    if (w->b.block->last)
        w->b.block->last->next = rest.first;
    else
        w->b.block->first = rest.first;
    w->b.block->last = rest.last;
}

static bool has_capacity(const writer *w, int output) {
    return w->p->capacity && w->p->capacity[output];
}

/* The product x * y, saturating if it may overflow. */
static fv_expr *times(writer *w, fv_expr *x, fv_expr *y) {
    int64_t low[2], high[2], n;
    fv_x_range(x, &low[0], &high[0]);
    fv_x_range(y, &low[1], &high[1]);
    bool fits = low[0] >= 0 && low[1] >= 0 && !__builtin_mul_overflow(high[0], high[1], &n);
    return bin(w, fits ? FV_X_MUL : FV_X_MULSAT, x, y);
}

static fv_expr *workspace_of(writer *w) {
    return w->p->memory.workspace ? w->p->memory.workspace : number(w, 0);
}

/* ---- the plan ---- */

static void take_symbols(writer *w) {
    const fv_program *p = w->p;
    if (p->symbols.n)
        check(w, given(w, FV_ARG_DIMS, -1, "dims_given"), FV_BAD_ARGUMENT, "dims");
    for (int i = 0; i < p->symbols.n; i++) {
        fv_var *v = p->symbols.vars[i];
        fv_expr *n = value(w, FV_ARG_DIMS, i, fv_printf(w->a, "%s_given", v->name));
        fv_expr *low = bin(w, FV_X_LE, number(w, v->lo), n),
                *high = bin(w, FV_X_LE, n, number(w, v->hi));
        check(w, bin(w, FV_X_AND, low, high), FV_BAD_DIM,
              fv_printf(w->a, "dim '%s'", p->symbols.all[i]->name));
        bind(w, v, n);
    }
}

/* Checks that no extent of a port is negative, where the bounds of the dims do not prove that. */
static void check_extents(writer *w, const fv_port *port) {
    for (int i = 0; i < port->rank; i++)
        if (port->extent[i])
            check(w, bin(w, FV_X_LE, number(w, 0), port->extent[i]), FV_BAD_DIM,
                  fv_printf(w->a, "axis %d of '%s' is negative", i, port->name));
}

static fv_expr *bytes_of(writer *w, const fv_port *port) {
    return times(w, fv_port_elements(w->a, w->p, port),
                 number(w, fv_elem_storage_bytes(port->buf->elem)));
}

/* Checks that bytes are fewer than the machine can address minus `less`, unless the bounds of dims
 * prove it. *most: the argument that gives what the machine can address; NULL: not read yet. */
static void check_bytes(writer *w, fv_expr **most, fv_expr *bytes, int64_t less, const char *what) {
    int64_t lo, hi, sure = w->p->target->pointer_bits == 32 ? INT32_MAX : INT64_MAX;
    fv_x_range(bytes, &lo, &hi);
    if (lo >= 0 && hi < sure - less)
        return;
    if (!*most)
        *most = value(w, FV_ARG_MOST, -1, "most");
    check(w, bin(w, FV_X_LT, bytes, bin(w, FV_X_SUB, *most, number(w, less))), FV_TOO_LARGE, what);
}

/* Checks that no extent of a port is negative, and that the machine can address the bytes of the
 * workspace, of the inputs, and of the outputs that have memory of their own and no capacity. A
 * saturated sum is too large, also after it was rounded down to FV_BUFFER_ALIGN. */
static void check_sizes(writer *w) {
    const fv_program *p = w->p;
    fv_expr *most = NULL;
    for (int i = 0; i < p->ninputs; i++)
        check_extents(w, &p->inputs[i]);
    for (int i = 0; i < p->noutputs; i++)
        check_extents(w, &p->outputs[i]);
    check_bytes(w, &most, workspace_of(w), FV_BUFFER_ALIGN - 1, "bytes of workspace");
    for (int i = 0; i < p->ninputs; i++)
        check_bytes(w, &most, bytes_of(w, &p->inputs[i]), 0,
                    fv_printf(w->a, "bytes of '%s'", p->inputs[i].name));
    for (int i = 0; i < p->noutputs; i++)
        if (!has_capacity(w, i) && !fv_port_is_shared(&p->outputs[i]))
            check_bytes(w, &most, bytes_of(w, &p->outputs[i]), 0,
                        fv_printf(w->a, "bytes of '%s'", p->outputs[i].name));
}

/* ---- the size query ---- */

/* Reports the capacity and dims of an output; for dims that data decide, their bounds. */
static void tell_bounds(writer *w, int output) {
    const fv_port *port = &w->p->outputs[output];
    fv_expr *n = number(w, 1), **d = FV_NEW(w->a, fv_expr *, port->rank + 1);
    for (int i = 0; i < port->rank; i++) {
        d[i] = port->extent[i] ? port->extent[i] : number(w, fv_port_bound(port, i));
        n = i ? times(w, n, d[i]) : d[i];
    }
    tell(w, output, -1, fv_port_is_bounded(port) ? n : number(w, INT64_MAX));
    for (int i = 0; i < port->rank; i++)
        tell(w, output, i, d[i]);
}

static void write_query(writer *w) {
    begin(w, &w->p->host.query);
    fv_kb_if(&w->b, given(w, FV_ARG_WORKSPACE, -1, "workspace_given"));
    tell(w, -1, -1, workspace_of(w));
    fv_kb_end(&w->b);
    if (!w->p->noutputs)
        return;
    fv_kb_if(&w->b, given(w, FV_ARG_ACTUAL, -1, "actual_given"));
    for (int i = 0; i < w->p->noutputs; i++)
        tell_bounds(w, i);
    fv_kb_end(&w->b);
}

/* ---- the run ---- */

/* Checks the env. It has the length of the caller's version; members beyond that count as not
 * given. */
static void check_env(writer *w) {
    fv_expr *missing = fv_x_un(w->a, FV_X_NOT, given(w, FV_ARG_ENV, -1, "env_given"));
    fv_expr *size = value(w, FV_ARG_ENV, FV_ENV_SIZE, "env_size"),
            *zero = fv_x_const_int(w->a, FV_U64, 0);
    check(w, bin(w, FV_X_OR, missing, bin(w, FV_X_NE, size, zero)), FV_BAD_ARGUMENT, "env");
}

static bool tells_known(const fv_program *p) {
    for (int i = 0; i < p->noutputs; i++)
        for (int k = 0; k < p->outputs[i].rank; k++)
            if (p->outputs[i].extent[k])
                return true;
    return false;
}

static void take_capacities(writer *w) {
    const fv_program *p = w->p;
    bool any = false;
    for (int i = 0; i < p->noutputs; i++)
        any |= has_capacity(w, i);
    if (!any && !tells_known(p))
        return;
    fv_expr *there = given(w, FV_ARG_ACTUAL, -1, "actual_given");
    if (any)
        check(w, there, FV_BAD_ARGUMENT, "actual dims of the outputs");
    for (int i = 0; i < p->noutputs; i++)
        if (has_capacity(w, i)) {
            fv_expr *n =
                value(w, FV_ARG_ACTUAL, i, fv_printf(w->a, "%s_given", p->capacity[i]->name));
            bind(w, p->capacity[i], bin(w, FV_X_MAX, n, number(w, 0)));
        }
    if (!tells_known(p))
        return;
    if (!any)
        fv_kb_if(&w->b, there);
    for (int i = 0; i < p->noutputs; i++)
        for (int k = 0; k < p->outputs[i].rank; k++)
            if (p->outputs[i].extent[k])
                tell(w, i, k, p->outputs[i].extent[k]);
    if (!any)
        fv_kb_end(&w->b);
}

/* Checks, before anything is written, that what is added to the memory of an input fits. */
static void check_room(writer *w) {
    for (int i = 0; i < w->p->noutputs; i++)
        if (fv_port_is_shared(&w->p->outputs[i]))
            check(w, fv_port_fits(w->a, &w->p->outputs[i]), FV_TOO_SMALL,
                  fv_printf(w->a, "capacity of '%s'",
                            w->p->inputs[w->p->outputs[i].state_of - 1].name));
}

static void check_shared(writer *w, int i) {
    const fv_port *port = &w->p->outputs[i];
    check(w, read_(w, FV_READ_SAME, FV_ARG_OUTPUTS, i, 0, fv_printf(w->a, "%s_same", port->cname)),
          FV_BAD_ARGUMENT,
          fv_printf(w->a, "output '%s' is the memory of input '%s'", port->name,
                    w->p->inputs[port->state_of - 1].name));
}

static void check_ports(writer *w, const fv_port *ports, int n, fv_argument of) {
    for (int i = 0; i < n; i++) {
        if (of == FV_ARG_OUTPUTS && fv_port_is_shared(&ports[i])) {
            check_shared(w, i);
            continue;
        }
        fv_expr *there = aligned(w, of, i, fv_elem_storage_bytes(ports[i].buf->elem),
                                 fv_printf(w->a, "%s_fits", ports[i].cname));
        check(w, fv_unless_empty(w->a, fv_port_elements(w->a, w->p, &ports[i]), there),
              FV_BAD_ARGUMENT,
              fv_printf(w->a, "%s '%s'", of == FV_ARG_INPUTS ? "input" : "output", ports[i].name));
    }
}

static void check_workspace(writer *w) {
    fv_expr *need = workspace_of(w);
    int64_t none;
    if (fv_x_is_int(need, &none) && none <= 0)
        return;
    fv_expr *bytes = value(w, FV_ARG_BYTES, -1, "bytes");
    check(w, bin(w, FV_X_LE, fv_x_convert(w->a, FV_U64, need), bytes), FV_TOO_SMALL,
          "bytes of workspace");
    check(w,
          fv_unless_empty(w->a, need,
                          aligned(w, FV_ARG_WORKSPACE, -1, FV_BUFFER_ALIGN, "workspace_fits")),
          FV_BAD_ARGUMENT, "workspace");
}

static void check_allocator(writer *w) {
    if (!w->p->memory.uses_allocator)
        return;
    fv_expr *alloc = given(w, FV_ARG_ENV, FV_ENV_ALLOC, "alloc_given"),
            *free_ = given(w, FV_ARG_ENV, FV_ENV_FREE, "free_given");
    check(w, bin(w, FV_X_AND, alloc, free_), FV_NO_MEMORY, "the allocator");
}

static void check_communicator(writer *w) {
    int64_t ranks = fv_program_ranks(w->p);
    if (ranks > 0)
        check(w, bin(w, FV_X_EQ, value(w, FV_ARG_RANKS, -1, "ranks"), number(w, ranks)),
              FV_BAD_COMMUNICATOR,
              fv_printf(w->a, "a communicator of %lld ranks", (long long)ranks));
}

static void write_run(writer *w, fv_block run) {
    const fv_program *p = w->p;
    begin(w, &w->p->host.body);
    check(w, value(w, FV_ARG_CPU, -1, "cpu_fits"), FV_BAD_CPU, "the CPU");
    check_env(w);
    fv_kb_add(&w->b, FV_S_PLAN);
    take_capacities(w);
    check_room(w);
    if (p->ninputs)
        check(w, given(w, FV_ARG_INPUTS, -1, "inputs_given"), FV_BAD_ARGUMENT, "inputs");
    if (p->noutputs)
        check(w, given(w, FV_ARG_OUTPUTS, -1, "outputs_given"), FV_BAD_ARGUMENT, "outputs");
    check_ports(w, p->inputs, p->ninputs, FV_ARG_INPUTS);
    check_ports(w, p->outputs, p->noutputs, FV_ARG_OUTPUTS);
    check_workspace(w);
    check_allocator(w);
    check_communicator(w);
    fv_kb_add(&w->b, FV_S_MEMORY);
    go_on(w, run);
}

void fv_program_protocol(fv_program *p) {
    writer w = {.p = p, .a = p->arena};
    if (fv_program_has_protocol(p))
        return;
    fv_block plan = p->host.plan, run = p->host.body;
    begin(&w, &p->host.plan);
    take_symbols(&w);
    go_on(&w, plan);
    check_sizes(&w);
    write_query(&w);
    write_run(&w, run);
}

/* ---- comparing with a program that was read as text ---- */

typedef struct reader {
    fv_session *session;
    fv_arena *a;
    fv_var **from; /* the variables into which this protocol reads arguments */
    fv_expr **to;  /* the variables of the text that correspond to them */
    int n, cap, cap_from;
    const fv_stmt *missing;
} reader;

static bool same_x(const reader *r, const fv_expr *x, const fv_expr *y) {
    return !x || !y ? x == y : fv_x_equal(fv_x_replace_vars(r->a, x, r->n, r->from, r->to), y);
}

static bool same_block(reader *r, const fv_stmt *s, const fv_stmt *t, bool whole,
                       const fv_stmt **rest);

static bool same(reader *r, const fv_stmt *s, const fv_stmt *t) {
    const fv_stmt *rest;
    if (!t || s->kind != t->kind)
        return false;
    switch (s->kind) {
    case FV_S_READ:
        if (s->read.how != t->read.how || s->read.of != t->read.of || s->read.at != t->read.at ||
            s->read.align != t->read.align)
            return false;
        FV_PUSH(r->a, r->to, r->n, r->cap, fv_x_var(r->a, t->var));
        r->n--;
        FV_PUSH(r->a, r->from, r->n, r->cap_from, s->var);
        return true;
    case FV_S_LET: return s->var == t->var && same_x(r, s->x, t->x);
    case FV_S_CHECK: return s->note.status == t->note.status && same_x(r, s->x, t->x);
    case FV_S_SETDIM:
        return s->size.output == t->size.output && s->size.axis == t->size.axis &&
               same_x(r, s->x, t->x);
    case FV_S_IF:
        return same_x(r, s->x, t->x) && same_block(r, s->body.first, t->body.first, true, &rest) &&
               !t->other.first;
    default: return s->kind == FV_S_PLAN || s->kind == FV_S_MEMORY;
    }
}

/* Does t begin with the statements of s, comments ignored? `whole`: t must not continue; `rest`:
 * the statements of t after those. */
static bool same_block(reader *r, const fv_stmt *s, const fv_stmt *t, bool whole,
                       const fv_stmt **rest) {
    for (;; s = s->next, t = t->next) {
        while (t && t->kind == FV_S_COMMENT)
            t = t->next;
        *rest = t;
        if (!s)
            return !whole || !t;
        if (!same(r, s, t)) {
            r->missing = r->missing ? r->missing : s;
            return false;
        }
    }
}

static int length(const fv_stmt *s) {
    int n = 0;
    for (; s; s = s->next)
        n += s->kind != FV_S_COMMENT;
    return n;
}

static const fv_stmt *skip(const fv_stmt *s, int n) {
    for (; s && n > 0; s = s->next)
        n -= s->kind != FV_S_COMMENT;
    return s;
}

static bool differs(const reader *r, const char *where) {
    const fv_stmt *s = r->missing;
    fv_text t = {.arena = r->a};
    if (s && s->x)
        fv_expr_print(&t, s->x);
    if (!s)
        return fv_error(r->session,
                        "illegal %s: it has more statements than the protocol with the caller",
                        where);
    if (s->kind == FV_S_CHECK)
        return fv_error(
            r->session,
            "illegal %s: it deviates from the protocol with the caller: expected `check %s` of %s",
            where, t.s, s->note.text);
    return fv_error(r->session,
                    "illegal %s: it deviates from the protocol with the caller: expected %s%s%s%s",
                    where,
                    s->kind == FV_S_READ     ? "a read of an argument"
                    : s->kind == FV_S_PLAN   ? "plan"
                    : s->kind == FV_S_MEMORY ? "memory"
                    : s->kind == FV_S_LET    ? "a value of "
                    : s->kind == FV_S_IF     ? "if"
                                             : "a report of a size to the caller",
                    s->kind == FV_S_LET ? s->var->name : "", s->x ? ": " : "", s->x ? t.s : "");
}

bool fv_program_keeps_protocol(fv_session *session, const fv_program *p) {
    if (!fv_program_has_protocol(p))
        return true;
    fv_arena *a = fv_arena_new(session);
    fv_program own = *p;
    writer w = {.p = &own, .a = a};
    reader r = {.session = session, .a = a};
    fv_block dims, sizes;
    const fv_stmt *rest;
    begin(&w, &dims);
    take_symbols(&w);
    begin(&w, &sizes);
    check_sizes(&w);
    write_query(&w);
    write_run(&w, (fv_block){0});
    const fv_stmt *tail =
        skip(p->host.plan.first, length(p->host.plan.first) - length(sizes.first));
    bool plan = same_block(&r, dims.first, p->host.plan.first, false, &rest) &&
                same_block(&r, sizes.first, tail, true, &rest);
    bool query = plan && same_block(&r, own.host.query.first, p->host.query.first, true, &rest);
    bool run = query && same_block(&r, own.host.body.first, p->host.body.first, false, &rest);
    bool ok = run || differs(&r, !plan ? "plan" : !query ? "query" : "run");
    fv_arena_free(a);
    return ok;
}

/* Checks the file of weights by its head. */
static void check_weights(writer *w, const fv_weights_head *head) {
    const uint64_t words[] = {head->magic, head->bytes, head->id[0], head->id[1]};
    const char *text = "the file of weights";
    check(w, given(w, FV_ARG_ENV, FV_ENV_WEIGHTS, "weights_given"), FV_BAD_FILE, text);
    check(w, aligned(w, FV_ARG_ENV, FV_ENV_WEIGHTS, FV_WEIGHTS_ALIGN, "weights_fit"),
          FV_BAD_ARGUMENT, "env.weights");
    fv_expr *bytes = value(w, FV_ARG_ENV, FV_ENV_WEIGHTS_BYTES, "weights_bytes"), *good = NULL;
    check(w, bin(w, FV_X_EQ, bytes, fv_x_const_int(w->a, FV_U64, (int64_t)head->bytes)),
          FV_BAD_FILE, text);
    for (int i = 0; i < 4; i++) {
        fv_expr *found = value(w, FV_ARG_WEIGHTS, i, fv_printf(w->a, "word_%d", i));
        fv_expr *same = bin(w, FV_X_EQ, found, fv_x_const_int(w->a, FV_U64, (int64_t)words[i]));
        good = good ? bin(w, FV_X_AND, good, same) : same;
    }
    check(w, good, FV_BAD_FILE, "the head of the file of weights");
}

const fv_program *fv_program_with_weights(fv_arena *a, const fv_program *p,
                                          const fv_weights_head *head) {
    fv_program *with = FV_NEW(a, fv_program, 1);
    writer w = {.p = with, .a = a};
    *with = *p;
    begin(&w, &with->host.body);
    const fv_stmt *s = p->host.body.first;
    for (; s && s->kind != FV_S_PLAN; s = s->next) {
        fv_stmt *copy = fv_kb_add(&w.b, s->kind);
        *copy = *s;
        copy->next = NULL;
    }
    check_weights(&w, head);
    go_on(&w, (fv_block){(fv_stmt *)(uintptr_t)s, p->host.body.last});
    return with;
}
