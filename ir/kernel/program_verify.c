/* program_verify.c - verifies host programs; verify.c verifies their kernels. */
#include <string.h>

#include "ir/base/diag.h"
#include "ir/base/text.h"
#include "ir/graph/state.h"
#include "ir/kernel/program_exchanges.h"
#include "ir/kernel/program_fit.h"
#include "ir/kernel/program_heap.h"
#include "ir/kernel/program_memory.h"
#include "ir/kernel/program_protocol.h"
#include "ir/kernel/verifier.h"
#include "ir/kernel/verify.h"
#include "ir/kernel/verify_parts.h"
#include "ir/kernel/words.h"

/* ---- statements of the run ---- */

static bool owns_kernel(const fv_program *p, const fv_kernel *k) {
    for (int i = 0; i < p->nkernels; i++)
        if (p->kernels[i] == k)
            return true;
    return false;
}

static bool in_scope(fv_kverifier *v, const fv_buf *b) {
    return b && fv_ptrmap_get(&v->scope, b) != NULL;
}

static bool check_argument(fv_kverifier *v, const fv_stmt *s, int i) {
    const fv_buf *arg = s->call.args[i], *param = s->call.kernel->bufs[i];
    if (!in_scope(v, arg))
        return fv_kv_illegal(v, "argument %d is no buffer in scope", i);
    if (arg->elem != param->elem)
        return fv_kv_illegal(v, "argument '%s' is of %s, parameter '%s' of %s", arg->name,
                             fv_elem_name(arg->elem), param->name, fv_elem_name(param->elem));
    bool read_only = (arg->role == FV_BUF_INPUT && !arg->output) || arg->role == FV_BUF_CONST;
    if (read_only && param->role != FV_BUF_IN)
        return fv_kv_illegal(v, "'%s' is only read, but parameter '%s' is written", arg->name,
                             param->name);
    for (int j = 0; j < i; j++)
        if (s->call.args[j] == arg &&
            (param->role != FV_BUF_IN || s->call.kernel->bufs[j]->role != FV_BUF_IN))
            return fv_kv_illegal(v, "'%s' is given twice and written; make it one inout parameter",
                                 arg->name);
    return true;
}

/* Checks that a buffer that a kernel writes overlaps none of its other buffers, which consumers
 * rely on. */
static bool check_overlaps(fv_kverifier *v, const fv_stmt *s) {
    const fv_kernel *k = s->call.kernel;
    for (int i = 0; i < k->nbufs; i++)
        for (int j = 0; j < i; j++)
            if ((k->bufs[i]->role != FV_BUF_IN || k->bufs[j]->role != FV_BUF_IN) &&
                fv_bufs_overlap(s->call.args[i], s->call.args[j]))
                return fv_kv_illegal(v, "'%s' and '%s' overlap in the workspace, and are written",
                                     s->call.args[j]->name, s->call.args[i]->name);
    return true;
}

static bool check_launch(fv_kverifier *v, const fv_stmt *s) {
    if (!s->call.kernel || !owns_kernel(v->program, s->call.kernel))
        return fv_kv_illegal(v, "the kernel is none of the program");
    for (int i = 0; i < s->call.kernel->nbufs; i++)
        if (!check_argument(v, s, i))
            return false;
    if (!check_overlaps(v, s))
        return false;
    for (int i = 0; i < s->call.kernel->ndims; i++) {
        const fv_expr *d = s->call.dims[i];
        if (!d || d->type.elem != FV_I64 || d->type.lanes != 1)
            return fv_kv_illegal(v, "dim '%s' is given no i64", s->call.kernel->dims[i]->name);
        if (!fv_kv_expr(v, d))
            return false;
    }
    return true;
}

static bool check_i64(fv_kverifier *v, const fv_expr *x, const char *what) {
    if (!x || x->type.elem != FV_I64 || x->type.lanes != 1)
        return fv_kv_illegal(v, "%s is no i64", what);
    return fv_kv_expr(v, x);
}

static bool check_check(fv_kverifier *v, const fv_stmt *s) {
    if (!s->x || s->x->type.elem != FV_BOOL || s->x->type.lanes != 1)
        return fv_kv_illegal(v, "the condition is no bool");
    if (fv_status_word(s->note.status)[0] == '?' || s->note.status == 0)
        return fv_kv_illegal(v, "%d is no status of a failure", s->note.status);
    if (!fv_kv_expr(v, s->x))
        return false;
    if (v->protocol.used)
        fv_kv_learn(v, s->x);
    return true;
}

bool fv_kv_host_stmt(fv_kverifier *v, const fv_stmt *s) {
    bool in_plan = strcmp(v->where, "plan") == 0;
    if (in_plan && s->kind != FV_S_CHECK && s->kind != FV_S_READ)
        return fv_kv_illegal(v, "the plan has lets and checks only");
    switch (s->kind) {
    case FV_S_READ: return fv_kv_read(v, s);
    case FV_S_PLAN: return fv_kv_plan(v, s);
    case FV_S_MEMORY: return fv_kv_memory(v, s);
    case FV_S_CHECK: return check_check(v, s);
    case FV_S_LAUNCH: return check_launch(v, s);
    case FV_S_ALLOC:
        if (s->buf->role != FV_BUF_HEAP || !v->program->memory.uses_allocator ||
            !in_scope(v, s->buf))
            return fv_kv_illegal(v, "'%s' is no buffer of the caller's allocator", s->buf->name);
        return check_i64(v, s->x, "the size");
    case FV_S_FREE:
        return s->buf->role == FV_BUF_HEAP ||
               fv_kv_illegal(v, "'%s' was not allocated", s->buf->name);
    case FV_S_SETDIM: return fv_kv_report(v, s) && check_i64(v, s->x, "the dim");
    default: return true;
    }
}

/* ---- buffers and ports ---- */

static int count_of(const fv_program *p, const fv_buf *b) {
    return b->role == FV_BUF_INPUT    ? p->ninputs
           : b->role == FV_BUF_OUTPUT ? p->noutputs
                                      : p->memory.nconstants;
}

static bool check_buffer(fv_kverifier *v, const fv_buf *b) {
    bool known = b->role == FV_BUF_INPUT || b->role == FV_BUF_CONST || b->role == FV_BUF_WORK;
    for (int i = 0; i < b->rank; i++) {
        const fv_expr *x = b->extent[i];
        if (!x && !known)
            /* an extent that becomes known only after the result is computed is not checked */
            continue;
        if (!x || x->type.elem != FV_I64 || x->type.lanes != 1)
            return fv_kv_illegal(v, "an extent is no i64");
        if (!fv_kv_later(v, x) || (known && !fv_kv_expr(v, x)))
            return false;
    }
    switch ((fv_buf_role)b->role) {
    case FV_BUF_INPUT:
    case FV_BUF_OUTPUT:
    case FV_BUF_CONST:
        if (b->index < 0 || b->index >= count_of(v->program, b))
            return fv_kv_illegal(v, "buffer '%s' is %s %d, which is not there", b->name,
                                 fv_role_text((fv_buf_role)b->role), b->index);
        return true;
    case FV_BUF_WORK:
        return check_i64(v, b->offset, "the offset of a buffer") && fv_kv_later(v, b->offset) &&
               check_i64(v, b->bytes, "the size of a buffer") && fv_kv_later(v, b->bytes);
    case FV_BUF_HEAP: return true;
    case FV_BUF_IN:
    case FV_BUF_OUT:
    case FV_BUF_INOUT:
    case FV_BUF_TILE: break;
    }
    return fv_kv_illegal(v, "buffer '%s' has the role of a kernel's", b->name);
}

static bool check_port(fv_kverifier *v, const fv_port *port, fv_buf_role role, int index) {
    if (!port->name || !port->cname || !fv_is_name(port->cname))
        return fv_kv_illegal(v, "%s %d has no name that is safe in C", fv_role_text(role), index);
    bool shared = role == FV_BUF_OUTPUT && port->buf && fv_port_is_shared(port) &&
                  port->buf->output == 1 + index;
    if (!in_scope(v, port->buf) ||
        (!shared && (port->buf->role != role || port->buf->index != index)))
        return fv_kv_illegal(v, "%s '%s' has no buffer", fv_role_text(role), port->name);
    /* within a program a packed element has a byte; callers pass several in one byte */
    fv_elem held = fv_elem_is_packed(port->elem) ? FV_U8 : port->elem;
    if (port->buf->elem != held)
        return fv_kv_illegal(v, "buffer '%s' of %s '%s' is %s, expected %s", port->buf->name,
                             fv_role_text(role), port->name, fv_elem_name(port->buf->elem),
                             fv_elem_name(held));
    for (int i = 0; i < port->rank; i++) {
        if (!port->extent[i] && (role == FV_BUF_INPUT || !port->dims[i]->from_data))
            return fv_kv_illegal(v, "axis %d of %s '%s' has no extent", i, fv_role_text(role),
                                 port->name);
        if (port->extent[i] &&
            !(check_i64(v, port->extent[i], "an extent") && fv_kv_later(v, port->extent[i])))
            return false;
    }
    return true;
}

/* Checks the buffer of an input and the output that is stored in its memory: both have all of its
 * extents but one, along which the output may be longer. */
static bool check_shared(fv_kverifier *v, const fv_buf *b) {
    const fv_program *p = v->program;
    if (b->role != FV_BUF_INPUT || !b->output)
        return true;
    if (b->output > p->noutputs || p->outputs[b->output - 1].buf != b)
        return fv_kv_illegal(v, "buffer '%s' is output %d, which is stored elsewhere", b->name,
                             b->output - 1);
    const fv_port *in = &p->inputs[b->index], *out = &p->outputs[b->output - 1];
    if (out->state_of != 1 + b->index)
        return fv_kv_illegal(
            v, "output '%s' is stored in the memory of input '%s', but is not its state", out->name,
            in->name);
    if (in->rank != b->rank || out->rank != b->rank || fv_elem_is_packed(in->elem) ||
        in->elem != out->elem)
        return fv_kv_illegal(v, "'%s' and '%s' differ from their buffer in rank or type", in->name,
                             out->name);
    int64_t number;
    int symbol;
    if (b->along < 0 || b->along >= b->rank)
        return fv_kv_illegal(v, "buffer '%s' has no axis %d", b->name, b->along);
    const fv_expr *room = b->extent[b->along];
    if (!fv_x_is_int(room, &number) &&
        !(room->op == FV_X_VAR && fv_program_symbol(p, room->u.var, &symbol)))
        return fv_kv_illegal(v, "extent %d of '%s', its capacity, is neither a number nor a symbol",
                             b->along, b->name);
    for (int i = 0; i < b->rank; i++) {
        if (!in->extent[i] || !out->extent[i])
            return fv_kv_illegal(v, "axis %d of '%s' is not known before the run", i, out->name);
        if (i != b->along &&
            (!fv_x_equal(in->extent[i], b->extent[i]) || !fv_x_equal(out->extent[i], b->extent[i])))
            return fv_kv_illegal(v, "axis %d of '%s' or '%s' is not that of their buffer", i,
                                 in->name, out->name);
    }
    return true;
}

/* The reason why output i cannot be the state of the input that state_of names; NULL: it can. */
static const char *state_problem(fv_arena *a, const fv_program *p, int i) {
    const fv_port *out = &p->outputs[i], *in = &p->inputs[out->state_of - 1];
    if (out->state_of < 0 || out->state_of > p->ninputs)
        return fv_printf(a, "output '%s' is the state of no input", out->name);
    for (int k = 0; k < i; k++)
        if (p->outputs[k].state_of == out->state_of)
            return fv_printf(a, "input '%s' takes both '%s' and '%s'", in->name, p->outputs[k].name,
                             out->name);
    return fv_state_mismatch(a, &(fv_state_side){in->name, in->elem, in->rank, in->dims},
                             &(fv_state_side){out->name, out->elem, out->rank, out->dims});
}

/* Checks the extents of an output whose memory the caller provides: they are known before the
 * run. */
static bool has_known_extents(fv_kverifier *v, const fv_buf *b) {
    for (int i = 0; i < b->rank; i++)
        if (!b->extent[i])
            return fv_kv_illegal(v, "extent %d of '%s' is not known before the run", i, b->name);
        else if (!fv_kv_expr(v, b->extent[i]))
            return false;
    return true;
}

static bool check_outputs(fv_kverifier *v) {
    const fv_program *p = v->program;
    for (int i = 0; i < p->noutputs; i++) {
        bool has_capacity = p->capacity && p->capacity[i];
        if (!check_port(v, &p->outputs[i], FV_BUF_OUTPUT, i))
            return false;
        if (fv_any_from_data(p->outputs[i].rank, p->outputs[i].dims) != has_capacity)
            return fv_kv_illegal(v, "output '%s' %s", p->outputs[i].name,
                                 has_capacity ? "has a capacity, but a known size"
                                              : "depends on data, but has no capacity");
        const char *problem = p->outputs[i].state_of ? state_problem(v->a, p, i) : NULL;
        if (problem)
            return fv_kv_illegal(v, "%s", problem);
        if (has_capacity)
            fv_kv_declare(v, p->capacity[i]);
        else if (!has_known_extents(v, p->outputs[i].buf))
            return false;
    }
    return true;
}

/* Checks that each buffer whose memory the caller provides belongs to a port, whose size is
 * checked. */
static bool have_ports(fv_kverifier *v) {
    const fv_program *p = v->program;
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        bool given = b->role == FV_BUF_INPUT || b->role == FV_BUF_OUTPUT;
        const fv_port *ports = b->role == FV_BUF_INPUT ? p->inputs : p->outputs;
        if (given && ports[b->index].buf != b)
            return fv_kv_illegal(v, "%s '%s' has two buffers, '%s' and '%s'",
                                 fv_role_text((fv_buf_role)b->role), ports[b->index].name,
                                 ports[b->index].buf->name, b->name);
    }
    return true;
}

/* ---- the program ---- */

static bool check_kernels(fv_kverifier *v) {
    const fv_program *p = v->program;
    fv_ptrmap names = fv_ptrmap_in(v->a);
    for (int i = 0; i < p->nkernels; i++) {
        void **seen = fv_ptrmap_at(&names, fv_intern(v->session, p->kernels[i]->name));
        if (*seen)
            return fv_kv_illegal(v, "two kernels are called '%s'", p->kernels[i]->name);
        *seen = p->kernels[i];
        if (!fv_kernel_verify(v->session, p->kernels[i]))
            return false;
    }
    return true;
}

/* Checks the plan. Its variables stay in scope for buffers, ports and the statements after it. */
static bool check_plan(fv_kverifier *v) {
    v->where = "plan";
    for (int i = 0; !v->protocol.used && i < v->program->symbols.n; i++)
        fv_kv_declare(v, v->program->symbols.vars[i]);
    for (const fv_stmt *s = v->program->host.plan.first; s; s = s->next) {
        fv_block one = {(fv_stmt *)s, (fv_stmt *)s};
        fv_stmt alone = *s;
        alone.next = NULL;
        one.first = one.last = &alone;
        if (s->kind != FV_S_LET && s->kind != FV_S_CHECK && s->kind != FV_S_COMMENT &&
            s->kind != FV_S_READ)
            return fv_kv_illegal(v, "it has lets and checks only");
        if (!fv_kv_block(v, &one))
            return false;
        if (s->kind == FV_S_LET || s->kind == FV_S_READ)
            fv_kv_declare(v, s->var);
        if (s->kind == FV_S_READ) /* the program's statement, and not the copy `alone` */
            *fv_ptrmap_at(&v->reads, s->var) = (void *)(uintptr_t)s;
    }
    v->stmt = NULL;
    return !v->program->memory.workspace ||
           check_i64(v, v->program->memory.workspace, "the workspace");
}

static bool check_ports(fv_kverifier *v) {
    const fv_program *p = v->program;
    v->where = "program";
    for (int i = 0; i < p->memory.nbuffers; i++) {
        if (!check_buffer(v, p->memory.buffers[i]))
            return false;
        fv_kv_declare(v, p->memory.buffers[i]);
    }
    for (int i = 0; i < p->ninputs; i++)
        if (!check_port(v, &p->inputs[i], FV_BUF_INPUT, i))
            return false;
    if (!check_outputs(v) || !have_ports(v))
        return false;
    for (int i = 0; i < p->memory.nbuffers; i++)
        if (!check_shared(v, p->memory.buffers[i]))
            return false;
    return true;
}

/* Begins an entry point. If the program has statements of the protocol with the caller, no
 * conditions are known there and no names are in scope. */
static void begin_entry(fv_kverifier *v, const char *where) {
    v->where = where;
    v->stmt = NULL;
    if (!v->protocol.used)
        return;
    v->scope = v->reads = fv_ptrmap_in(v->a);
    v->ndeclared = v->facts.n = 0;
    v->protocol.planned = v->protocol.has_memory = false;
}

static bool only_tells(fv_kverifier *v, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        v->stmt = s;
        if (s->kind != FV_S_READ && s->kind != FV_S_SETDIM && s->kind != FV_S_IF &&
            s->kind != FV_S_LET && s->kind != FV_S_COMMENT)
            return fv_kv_illegal(v, "the size query may only read arguments and report sizes");
        if (!only_tells(v, &s->body) || !only_tells(v, &s->other))
            return false;
    }
    return true;
}

/* Checks the size query, which may use the plan but no buffers. */
static bool check_query(fv_kverifier *v) {
    begin_entry(v, "query");
    if (v->protocol.used)
        fv_kv_know_plan(v);
    return only_tells(v, &v->program->host.query) && fv_kv_block(v, &v->program->host.query);
}

static bool check_run(fv_kverifier *v) {
    begin_entry(v, "run");
    if (!fv_kv_block(v, &v->program->host.body) || !fv_kv_exchanges(v, &v->program->host.body))
        return false;
    v->stmt = NULL;
    return !v->protocol.used || v->protocol.has_memory ||
           fv_kv_illegal(v, "it looks at arguments, but memory is never there");
}

static bool check_program(fv_kverifier *v) {
    v->protocol.used = fv_program_has_protocol(v->program);
    v->where = "program";
    return check_kernels(v) && check_plan(v) && check_ports(v) && check_query(v) && check_run(v) &&
           fv_kv_heap(v) && fv_kv_memory_lasts(v) && fv_kv_fits(v);
}

bool fv_program_verify(fv_session *s, const fv_program *p) {
    fv_arena *a = fv_arena_new(s);
    fv_kverifier v = {.session = s,
                      .a = a,
                      .program = p,
                      .scope = fv_ptrmap_in(a),
                      .reads = fv_ptrmap_in(a),
                      .outside = -1};
    bool ok = check_program(&v);
    fv_arena_free(a);
    return ok;
}
