/* host.c - running a host program: the steps that backend/consumer/consumer.h lists. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/code.h"

/* ---- instructions ---- */

const insn *fv_i_check(frame *f, const insn *i) {
    if (*AS(reg_u8, f, i->a))
        return i + 1;
    const fv_stmt *s = i->u.data;
    f->status = s->status;
    atomic_store(&f->host->interp->stopped, s->text);
    return NULL;
}

static void trace(const fv_env *env, const site *at, int end) {
    if (env && env->trace)
        env->trace(env->user, at->number, end);
}

static void note_index(fv_interp *p, const site *at, const refused_index *r) {
    int none = 0;
    if (!atomic_compare_exchange_strong(&p->index.taken, &none, 1))
        return;
    fv_i_index_text(p, at, r, p->index.text, sizeof p->index.text);
    atomic_store(&p->index.taken, 2);
}

const insn *fv_i_site(frame *f, const insn *i) {
    const site *at = i->u.data;
    const host_run *run = f->host;
    if (!fv_i_poll(f, i))
        return NULL;
    slot *args = AS(slot, f, at->args_at);
    for (int k = 0; k < at->nargs; k++)
        args[k] = f->slots[at->slots[k]];
    trace(run->env, at, 0);
    refused_index refused = {0};
    f->status = fv_i_launch(at->kernel, AS(int64_t, f, at->dims_at), args, run->env, f->fault, &refused, &f->left);
    trace(run->env, at, 1);
    if (f->status == FV_OK)
        return i + 1;
    if (f->status == FV_BAD_INDEX && atomic_load(&refused.taken))
        note_index(run->interp, at, &refused);
    atomic_store(&run->interp->stopped, f->status == FV_BAD_INDEX && at->indexes && *at->indexes ? at->indexes : at->origin);
    return NULL;
}

const insn *fv_i_alloc(frame *f, const insn *i) {
    slot *s = &f->slots[i->u.imm];
    const host_run *run = f->host;
    int64_t bytes = reg_int(f, i->a);
    if (s->base)
        return fv_i_fault(f, "buffer %s is allocated a second time",
                          run->interp->bufs[i->u.imm].buf->name);
    *s = (slot){NULL, 0};
    if (bytes == 0)
        return i + 1;
    f->status = bytes < 0 || bytes == INT64_MAX ? FV_TOO_LARGE : FV_NO_MEMORY;
    if (f->status == FV_NO_MEMORY && run->env && run->env->alloc)
        s->base = run->env->alloc(run->env->user, (size_t)bytes);
    if (!s->base)
        return NULL;
    s->bytes = (size_t)bytes;
    f->status = FV_OK;
    return i + 1;
}

static void release(const host_run *run, slot *s) {
    if (s->base)
        run->env->free(run->env->user, s->base);
    *s = (slot){NULL, 0};
}

const insn *fv_i_free(frame *f, const insn *i) {
    release(f->host, &f->slots[i->u.imm]);
    return i + 1;
}

const insn *fv_i_setdim(frame *f, const insn *i) {
    if (f->host->out_dims)
        f->host->out_dims[i->u.imm] = reg_int(f, i->a);
    return i + 1;
}

/* ---- steps ---- */

fv_interp *fv_interp_new(fv_arena *a, const fv_program *program) {
    fv_interp *p = FV_NEW(a, fv_interp, 1);
    p->program = program;
    return fv_i_build_host(a, p) ? p : NULL;
}

void fv_interp_limit(fv_interp *p, int64_t iterations) {
    p->limit = iterations;
}

const char *fv_interp_fault(const fv_interp *p) {
    return atomic_load(&p->fault.taken) == 2 ? p->fault.text : NULL;
}

const char *fv_interp_index(const fv_interp *p) {
    return atomic_load(&p->index.taken) == 2 ? p->index.text : NULL;
}

const char *fv_interp_stopped(const fv_interp *p) {
    return atomic_load(&p->stopped);
}

/* Step 1. */
static int check_dims(const fv_program *p, const int64_t *dims) {
    if (!dims && p->nsymbols)
        return FV_BAD_ARGUMENT;
    for (int i = 0; i < p->nsymbols; i++)
        if (dims[i] < p->symbol_vars[i]->lo || dims[i] > p->symbol_vars[i]->hi)
            return FV_BAD_DIM;
    return FV_OK;
}

static bool has_capacity(const fv_program *p, int output) {
    return p->capacity && p->capacity[output];
}

/* Are the bytes of the buffer what the plan says? */
static bool is_planned_port(const fv_interp *p, int i) {
    const fv_buf *buf = p->bufs[i].buf;
    return buf->role == FV_BUF_INPUT ||
           (buf->role == FV_BUF_OUTPUT && !has_capacity(p->program, buf->index));
}

/* Step 2. */
static int plan(const host_run *run, frame *f, const int64_t *dims) {
    const fv_interp *p = run->interp;
    f->host = run;
    for (int i = 0; i < p->program->nsymbols; i++)
        *AS(reg_i64, f, p->symbol_at[i]) = dims[i];
    int status = fv_i_exec(f, p->code.insns);
    if (status != FV_OK)
        return status;
    int64_t need = reg_int(f, p->workspace_at);
    if (reg_int(f, p->least_at) < 0)
        return FV_BAD_DIM;
    if (need > FV_MOST_BYTES || (uint64_t)need > SIZE_MAX)
        return FV_TOO_LARGE;
    for (int i = 0; i < p->program->nbuffers; i++)
        if (is_planned_port(p, i) && reg_int(f, p->bufs[i].bytes) == INT64_MAX)
            return FV_TOO_LARGE;
    return FV_OK;
}

static void write_known_dims(const fv_interp *p, frame *f, int64_t *out_dims) {
    for (int i = 0; out_dims && i < p->program->noutputs; i++) {
        const fv_port *port = &p->program->outputs[i];
        int64_t *at = out_dims + fv_out_dims_at(p->program, i);
        for (int k = 0; k < port->rank; k++)
            if (port->extent[k])
                at[1 + k] = reg_int(f, p->extent_at[i][k]);
    }
}

/* Step 3. */
static int read_capacities(const fv_interp *p, frame *f, int64_t *out_dims) {
    for (int i = 0; i < p->program->noutputs; i++) {
        if (!has_capacity(p->program, i))
            continue;
        if (!out_dims)
            return FV_BAD_ARGUMENT;
        int64_t capacity = out_dims[fv_out_dims_at(p->program, i)];
        *AS(reg_i64, f, p->capacity_at[i]) = capacity < 0 ? 0 : capacity;
    }
    write_known_dims(p, f, out_dims);
    return FV_OK;
}

static size_t capacity_bytes(int64_t capacity, size_t size) {
    size_t bytes;
    return __builtin_mul_overflow((size_t)capacity, size, &bytes) ? PTRDIFF_MAX : bytes;
}

/* Step 4 for one buffer. */
static int bind_port(const fv_interp *p, frame *f, int i, const void *const *inputs,
                     void *const *outputs) {
    const fv_buf *buf = p->bufs[i].buf;
    size_t size = (size_t)fv_elem_storage_bytes(buf->elem), bytes;
    unsigned char *base;
    if (buf->role == FV_BUF_INPUT)
        base = (unsigned char *)inputs[buf->index];
    else
        base = outputs[buf->index];
    if (is_planned_port(p, i))
        bytes = (size_t)reg_int(f, p->bufs[i].bytes);
    else
        bytes = capacity_bytes(reg_int(f, p->capacity_at[buf->index]), size);
    if (bytes && (!base || (uintptr_t)base % size))
        return FV_BAD_ARGUMENT;
    f->slots[i] = (slot){base, bytes};
    return FV_OK;
}

static int bind_ports(const fv_interp *p, frame *f, const void *const *inputs,
                      void *const *outputs) {
    int status = FV_OK;
    if ((!inputs && p->program->ninputs) || (!outputs && p->program->noutputs))
        return FV_BAD_ARGUMENT;
    for (int i = 0; i < p->program->nbuffers && status == FV_OK; i++) {
        fv_buf_role role = (fv_buf_role)p->bufs[i].buf->role;
        if (role == FV_BUF_INPUT || role == FV_BUF_OUTPUT)
            status = bind_port(p, f, i, inputs, outputs);
    }
    return status;
}

/* Step 5. */
static int check_workspace(const fv_interp *p, frame *f, const void *workspace, size_t bytes) {
    size_t need = (size_t)reg_int(f, p->workspace_at);
    if (need > bytes)
        return FV_TOO_SMALL;
    bool aligned = workspace && (uintptr_t)workspace % FV_BUFFER_ALIGN == 0;
    return need && !aligned ? FV_BAD_ARGUMENT : FV_OK;
}

static int bind_memory(const fv_interp *p, frame *f, unsigned char *workspace) {
    int64_t need = reg_int(f, p->workspace_at);
    for (int i = 0; i < p->program->nbuffers; i++) {
        const host_buf *h = &p->bufs[i];
        if (h->buf->role == FV_BUF_CONST) {
            const fv_constant *c = &p->program->constants[h->buf->index];
            f->slots[i] = (slot){(unsigned char *)c->data, c->bytes};
        }
        if (h->buf->role != FV_BUF_WORK)
            continue;
        int64_t offset = reg_int(f, h->offset), size = reg_int(f, h->bytes);
        if (offset < 0 || size < 0 || offset > need || size > need - offset) {
            fv_i_fault(f,
                       "buffer %s, %" PRId64 " bytes at %" PRId64
                       ", is outside a workspace of %" PRId64,
                       h->buf->name, size, offset, need);
            return FV_INTERNAL;
        }
        f->slots[i] = (slot){size ? workspace + offset : NULL, (size_t)size};
    }
    return FV_OK;
}

/* Steps 7 and 8. */
static int run_body(const fv_interp *p, frame *f, const host_run *run) {
    f->cancel = run->env ? run->env->cancel : NULL;
    f->left = p->limit ? p->limit : INT64_MAX;
    int status = fv_i_exec(f, p->code.task);
    for (int i = 0; i < p->program->nbuffers; i++)
        if (p->bufs[i].buf->role == FV_BUF_HEAP)
            release(run, &f->slots[i]);
    return status;
}

static bool knows_env(const fv_env *env) {
    return !env || env->size == sizeof *env;
}

int fv_interp_run(fv_interp *p, const int64_t *dims, const void *const *inputs,
                  void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                  const fv_env *env) {
    frame f;
    host_run run = {p, env, out_dims};
    int status = knows_env(env) ? check_dims(p->program, dims) : FV_BAD_ARGUMENT;
    if (status != FV_OK)
        return status;
    if (!fv_i_frame_new(&f, &p->code, &p->fault))
        return FV_NO_MEMORY;
    status = plan(&run, &f, dims);
    if (status == FV_OK)
        status = read_capacities(p, &f, out_dims);
    if (status == FV_OK)
        status = bind_ports(p, &f, inputs, outputs);
    if (status == FV_OK)
        status = check_workspace(p, &f, workspace, bytes);
    if (status == FV_OK && p->program->uses_allocator && !(env && env->alloc && env->free))
        status = FV_NO_MEMORY;
    if (status == FV_OK)
        status = bind_memory(p, &f, workspace);
    if (status == FV_OK)
        status = run_body(p, &f, &run);
    free(f.r);
    return status;
}

/* Capacity and dims of an output, as the plan tells them. */
static void plan_output(const fv_interp *p, frame *f, int output, int64_t *at) {
    const fv_port *port = &p->program->outputs[output];
    at[0] = 1;
    for (int k = 0; k < port->rank; k++) {
        at[1 + k] = port->extent[k] ? reg_int(f, p->extent_at[output][k]) : fv_port_bound(port, k);
        if (__builtin_mul_overflow(at[0], at[1 + k], &at[0]))
            at[0] = INT64_MAX;
    }
    if (!fv_port_is_bounded(port))
        at[0] = INT64_MAX;
}

int fv_interp_plan(fv_interp *p, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    frame f;
    const host_run run = {p, NULL, NULL};
    int status = check_dims(p->program, dims);
    if (status != FV_OK)
        return status;
    if (!fv_i_frame_new(&f, &p->code, &p->fault))
        return FV_NO_MEMORY;
    status = plan(&run, &f, dims);
    if (status == FV_OK && workspace)
        *workspace = (size_t)reg_int(&f, p->workspace_at);
    for (int i = 0; status == FV_OK && out_dims && i < p->program->noutputs; i++)
        plan_output(p, &f, i, out_dims + fv_out_dims_at(p->program, i));
    free(f.r);
    return status;
}
