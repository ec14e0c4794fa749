/* host_build.c - bytecode of a host program: the plan, then the body with its launches. */
#include "backend/interp/build.h"

typedef struct host_build {
    fv_interp *interp;
    fv_ptrmap kernels; /* kernel -> bytecode */
} host_build;

/* ---- statements ---- */

static const bytecode *kernel_code(build *b, const fv_kernel *k) {
    host_build *h = b->host;
    void **at = fv_ptrmap_at(&h->kernels, k);
    if (!*at) {
        const bytecode *c = fv_i_compile_kernel(b->arena, k);
        b->failed = b->failed || !c;
        at = fv_ptrmap_at(&h->kernels, k);
        *at = (void *)c;
    }
    return *at;
}

static void launch(build *b, const fv_stmt *s) {
    const fv_kernel *k = s->kernel;
    site *at = FV_NEW(b->arena, site, 1);
    at->kernel = kernel_code(b, k);
    at->origin = s->text;
    at->indexes = s->indexes;
    at->number = s->launch;
    at->nargs = k->nbufs;
    at->slots = FV_NEW(b->arena, int, k->nbufs);
    for (int i = 0; i < k->nbufs; i++)
        at->slots[i] = fv_i_slot(b, s->args[i]);
    uint32_t top = b->top;
    at->dims_at = fv_i_reg_bytes(b, 8 * (uint32_t)k->ndims, 8);
    at->args_at = fv_i_reg_bytes(b, (uint32_t)sizeof(slot) * (uint32_t)k->nbufs, 8);
    for (int i = 0; i < k->ndims; i++)
        fv_i_value_into(b, s->dims[i], at->dims_at + 8 * (uint32_t)i);
    fv_i_emit(b, fv_i_site)->u.data = at;
    b->top = top;
}

/* An instruction on the value of s->x, and a number. */
static void with_value(build *b, insn_fn fn, const fv_stmt *s, int64_t imm) {
    uint32_t top = b->top, a = fv_i_value(b, s->x);
    insn *i = fv_i_emit(b, fn);
    i->a = a;
    i->u.imm = imm;
    b->top = top;
}

static void check(build *b, const fv_stmt *s) {
    uint32_t top = b->top, a = fv_i_value(b, s->x);
    insn *i = fv_i_emit(b, fv_i_check);
    i->a = a;
    i->u.data = s;
    b->top = top;
}

static void host_statement(build *b, const fv_stmt *s) {
    const fv_program *p = ((host_build *)b->host)->interp->program;
    switch (s->kind) {
    case FV_S_CHECK: check(b, s); break;
    case FV_S_LAUNCH: launch(b, s); break;
    case FV_S_ALLOC: with_value(b, fv_i_alloc, s, fv_i_slot(b, s->buf)); break;
    case FV_S_FREE: fv_i_emit(b, fv_i_free)->u.imm = fv_i_slot(b, s->buf); break;
    case FV_S_SETDIM:
        with_value(b, fv_i_setdim, s, fv_out_dims_at(p, s->output) + 1 + s->axis);
        break;
    case FV_S_LET:
    case FV_S_STORE:
    case FV_S_PREFETCH:
    case FV_S_TRANSPOSE:
    case FV_S_TILE:
    case FV_S_FOR:
    case FV_S_IF:
    case FV_S_WHILE:
    case FV_S_OUTLINE:
    case FV_S_COMMENT: break; /* not sent here */
    }
}

/* ---- the plan ---- */

/* Bytes of a buffer with these extents; saturated. */
static uint32_t bytes_of(build *b, const fv_buf *buf) {
    fv_expr *n = fv_x_int(b->arena, fv_elem_storage_bytes(buf->elem));
    for (int i = 0; i < buf->rank; i++)
        n = fv_x_bin(b->arena, FV_X_MULSAT, n, buf->extent[i]);
    return fv_i_held(b, n);
}

static bool has_capacity(const fv_program *p, const fv_buf *buf) {
    return buf->role == FV_BUF_OUTPUT && p->capacity && p->capacity[buf->index];
}

static void plan_buffer(build *b, host_buf *h, const fv_program *p) {
    const fv_buf *buf = h->buf;
    if (buf->role == FV_BUF_WORK) {
        h->offset = fv_i_held(b, buf->offset);
        h->bytes = fv_i_held(b, buf->bytes);
    } else if (buf->role == FV_BUF_INPUT || (buf->role == FV_BUF_OUTPUT && !has_capacity(p, buf))) {
        h->bytes = bytes_of(b, buf);
    }
}

static void plan_output(build *b, const fv_port *port, uint32_t **extent_at) {
    *extent_at = FV_NEW(b->arena, uint32_t, port->rank);
    for (int i = 0; i < port->rank; i++)
        if (port->extent[i])
            (*extent_at)[i] = fv_i_held(b, port->extent[i]);
}

/* The least of the extents that are known before the run: none may be negative. */
static fv_expr *least(build *b, fv_expr *x, const fv_port *ports, int n) {
    for (int i = 0; i < n; i++)
        for (int k = 0; k < ports[i].rank; k++)
            if (ports[i].extent[k])
                x = fv_x_bin(b->arena, FV_X_MIN, x, ports[i].extent[k]);
    return x;
}

static void plan_part(build *b, fv_interp *h) {
    const fv_program *p = h->program;
    fv_expr *zero = fv_x_int(b->arena, 0);
    fv_i_statements(b, &p->plan);
    h->workspace_at = fv_i_held(b, p->workspace ? p->workspace : zero);
    fv_expr *x = least(b, zero, p->inputs, p->ninputs);
    h->least_at = fv_i_held(b, least(b, x, p->outputs, p->noutputs));
    for (int i = 0; i < p->nbuffers; i++)
        plan_buffer(b, &h->bufs[i], p);
    for (int i = 0; i < p->noutputs; i++)
        plan_output(b, &p->outputs[i], &h->extent_at[i]);
    fv_i_emit(b, fv_i_end);
}

/* Registers that the run fills in: symbols and capacities. */
static void given(build *b, fv_interp *h) {
    const fv_program *p = h->program;
    h->symbol_at = FV_NEW(b->arena, uint32_t, p->nsymbols);
    h->capacity_at = FV_NEW(b->arena, uint32_t, p->noutputs);
    h->extent_at = FV_NEW(b->arena, uint32_t *, p->noutputs);
    h->bufs = FV_NEW(b->arena, host_buf, p->nbuffers);
    for (int i = 0; i < p->nsymbols; i++)
        fv_i_set_var(b, p->symbol_vars[i], h->symbol_at[i] = fv_i_reg(b, fv_kt(FV_I64, 1)));
    for (int i = 0; i < p->noutputs; i++)
        if (p->capacity && p->capacity[i])
            fv_i_set_var(b, p->capacity[i], h->capacity_at[i] = fv_i_reg(b, fv_kt(FV_I64, 1)));
    for (int i = 0; i < p->nbuffers; i++) {
        h->bufs[i].buf = p->buffers[i];
        fv_i_new_slot(b, p->buffers[i]);
    }
}

bool fv_i_build_host(fv_arena *a, fv_interp *p) {
    host_build h = {p, fv_ptrmap_in(a)};
    build b;
    fv_i_build_init(&b, a, p->program->name);
    b.host_stmt = host_statement;
    b.host = &h;
    given(&b, p);
    plan_part(&b, p);
    int body = b.n;
    fv_i_block(&b, &p->program->body);
    fv_i_emit(&b, fv_i_end);
    fv_i_finish(&b, &p->code, body);
    return !b.failed;
}
