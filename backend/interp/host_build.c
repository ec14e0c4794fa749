/* host_build.c - builds the bytecode of a host program: the size query, then the run. Both contain
 * the plan. */
#include "backend/interp/build.h"
#include "ir/kernel/build.h"

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
    const fv_kernel *k = s->call.kernel;
    site *at = FV_NEW(b->arena, site, 1);
    const fv_stmt *exchange = fv_kernel_exchange(k);
    at->exchange = exchange ? &exchange->call : NULL;
    if (exchange && exchange->call.library == fv_library_fn_of(FV_LIBRARY_group_all_gather))
        at->group = (size_t)fv_exchange_group(exchange);
    if (!exchange)
        at->kernel = kernel_code(b, k);
    at->origin = s->note.text;
    at->indexes = s->note.indexes;
    at->number = s->call.number;
    at->nargs = k->nbufs;
    at->slots = FV_NEW(b->arena, int, k->nbufs);
    for (int i = 0; i < k->nbufs; i++)
        at->slots[i] = fv_i_slot(b, s->call.args[i]);
    uint32_t top = b->top;
    int ndims = exchange ? 1 : k->ndims;
    at->dims_at = fv_i_reg_bytes(b, 8 * (uint32_t)ndims, 8);
    at->args_at = fv_i_reg_bytes(b, (uint32_t)sizeof(slot) * (uint32_t)k->nbufs, 8);
    for (int i = 0; i < ndims; i++)
        fv_i_value_into(b, exchange ? fv_collective_bytes(b->arena, s) : s->call.dims[i],
                        at->dims_at + 8 * (uint32_t)i);
    fv_i_emit(b, fv_i_site)->u.data = at;
    b->top = top;
}

/* Adds an instruction with the value of s->x as operand. */
static insn *with_value(build *b, insn_fn fn, const fv_stmt *s) {
    uint32_t top = b->top, a = fv_i_value(b, s->x);
    insn *i = fv_i_emit(b, fn);
    i->a = a;
    b->top = top;
    return i;
}

static void read_(build *b, const fv_stmt *s) {
    uint32_t d = fv_i_reg(b, s->var->type);
    fv_i_set_var(b, s->var, d);
    insn *i = fv_i_emit(b, fv_i_read);
    i->d = d;
    i->u.data = &s->read;
}

/* The bytes of an input or output; saturates on overflow. */
static fv_expr *bytes_of(build *b, const fv_program *p, const fv_buf *buf) {
    const fv_port *port =
        buf->role == FV_BUF_INPUT ? &p->inputs[buf->index] : &p->outputs[buf->index];
    return fv_x_bin(b->arena, FV_X_MULSAT, fv_port_elements(b->arena, p, port),
                    fv_x_int(b->arena, fv_elem_storage_bytes(buf->elem)));
}

static void memory(build *b, const fv_interp *h) {
    const fv_program *p = h->program;
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *buf = p->memory.buffers[i];
        bool port = buf->role == FV_BUF_INPUT || buf->role == FV_BUF_OUTPUT;
        if (buf->role == FV_BUF_WORK)
            h->bufs[i].offset = fv_i_held(b, buf->offset);
        if (port || buf->role == FV_BUF_WORK)
            h->bufs[i].bytes = fv_i_held(b, port ? bytes_of(b, p, buf) : buf->bytes);
    }
    uint32_t need = fv_i_held(b, p->memory.workspace ? p->memory.workspace : fv_x_int(b->arena, 0));
    fv_i_emit(b, fv_i_memory)->a = need;
}

static void host_statement(build *b, const fv_stmt *s) {
    const fv_interp *h = ((host_build *)b->host)->interp;
    int at =
        s->size.output < 0 ? -1 : fv_out_dims_at(h->program, s->size.output) + 1 + s->size.axis;
    switch (s->kind) {
    case FV_S_READ: read_(b, s); break;
    case FV_S_PLAN: fv_i_statements(b, &h->program->host.plan); break;
    case FV_S_MEMORY: memory(b, h); break;
    case FV_S_CHECK: with_value(b, fv_i_check, s)->u.data = s; break;
    case FV_S_LAUNCH: launch(b, s); break;
    case FV_S_ALLOC: with_value(b, fv_i_alloc, s)->u.imm = fv_i_slot(b, s->buf); break;
    case FV_S_FREE: fv_i_emit(b, fv_i_free)->u.imm = fv_i_slot(b, s->buf); break;
    case FV_S_SETDIM: with_value(b, fv_i_setdim, s)->u.imm = at; break;
    default: break; /* other statements are built elsewhere */
    }
}

fv_interp *fv_interp_new(fv_arena *a, const fv_program *program) {
    fv_interp *p = FV_NEW(a, fv_interp, 1);
    p->program = program;
    host_build h = {p, fv_ptrmap_in(a)};
    build b;
    fv_i_build_init(&b, a, program->name);
    b.host_stmt = host_statement;
    b.host = &h;
    p->bufs = FV_NEW(a, host_buf, program->memory.nbuffers + 1);
    for (int i = 0; i < program->memory.nbuffers; i++) {
        p->bufs[i].buf = program->memory.buffers[i];
        fv_i_new_slot(&b, program->memory.buffers[i]);
    }
    fv_i_statements(&b, &program->host.plan);
    fv_i_block(&b, &program->host.query);
    fv_i_emit(&b, fv_i_end);
    int run = b.n;
    fv_i_block(&b, &program->host.body);
    fv_i_emit(&b, fv_i_end);
    fv_i_finish(&b, &p->code, run);
    /* made now, since several threads may run the program */
    for (int i = 0; i < program->memory.nconstants; i++)
        (void)fv_constant_data(&program->memory.constants[i]);
    return b.failed ? NULL : p;
}
