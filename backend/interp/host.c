/* host.c - runs host programs. The checks of what the caller passes are statements of the program
 * (backend/consumer/protocol.h). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/interp/code.h"

/* ---- instructions ---- */

const insn *fv_i_check(frame *f, const insn *i) {
    if (*AS(reg_u8, f, i->a))
        return i + 1;
    const fv_stmt *s = i->u.data;
    f->status = s->note.status;
    atomic_store(&f->host->interp->stopped, s->note.text);
    return NULL;
}

static void trace(const fv_env *env, const site *at, int end) {
    if (env->trace)
        env->trace(env->user, at->number, end);
}

/* Can exchanges be started before they are waited for? If not, they are made where they would be
 * started. */
static bool can_start(const fv_communicator *c) {
    return c->size >= sizeof *c && c->start && c->wait;
}

/* Starts the exchange. */
static int start(const fv_communicator *c, const site *at, const slot *args, size_t bytes) {
    const fv_library_fn *fn = at->exchange->library;
    int kind = (int)fv_library_id_of(fn) - FV_LIBRARY_all_gather;
    bool receives = fn->params[0].written;
    return c->start(c->user, kind, (size_t)at->exchange->rank, at->group,
                    receives ? NULL : args[0].base,
                    receives          ? args[0].base
                    : fn->nparams > 1 ? args[1].base
                                      : NULL,
                    bytes);
}

static int exchange(const fv_communicator *c, const site *at, const slot *args, size_t bytes) {
    size_t rank = (size_t)at->exchange->rank;
    if (at->exchange->mode == FV_CALL_WAIT)
        return can_start(c) ? c->wait(c->user) : 0;
    if (at->exchange->mode == FV_CALL_START && can_start(c))
        return start(c, at, args, bytes);
    switch (fv_library_id_of(at->exchange->library)) {
    case FV_LIBRARY_all_gather: return c->all_gather(c->user, args[0].base, args[1].base, bytes);
    case FV_LIBRARY_all_to_all: return c->all_to_all(c->user, args[0].base, args[1].base, bytes);
    case FV_LIBRARY_send: return c->send(c->user, rank, args[0].base, bytes);
    case FV_LIBRARY_receive: return c->receive(c->user, rank, args[0].base, bytes);
    case FV_LIBRARY_group_all_gather:
        return c->group_all_gather(c->user, rank, at->group, args[0].base, args[1].base, bytes);
    case FV_LIBRARY_image_size:
    case FV_LIBRARY_image_pixels:
    case FV_LIBRARY_FNS: break; /* these are no collectives */
    }
    return 1;
}

/* Calls the function of the communicator on the memory of the arguments, whose sizes are checked as
 * for a kernel. */
static int call_collective(frame *f, const site *at, const slot *args) {
    const fv_communicator *c = ((const host_run *)f->host)->env.communicator;
    int64_t bytes = *AS(int64_t, f, at->dims_at);
    bool all = at->exchange->library == fv_library_fn_of(FV_LIBRARY_all_to_all);
    size_t ranks = at->group ? at->group : c->ranks, n = (size_t)bytes;
    bool both = at->exchange->library->nparams > 1;
    if (bytes < 0 || n > args[0].bytes / (all ? ranks : 1) || (both && n > args[1].bytes / ranks)) {
        fv_i_fault(f, "%s: %" PRId64 " bytes for each of %zu ranks are not in %zu and %zu bytes",
                   at->exchange->library->name, bytes, ranks, args[0].bytes,
                   both ? args[1].bytes : 0);
        return FV_INTERNAL;
    }
    bool apart = at->exchange->mode != FV_CALL && can_start(c);
    f->started -= apart && at->exchange->mode == FV_CALL_WAIT;
    int failed = exchange(c, at, args, n);
    f->started += apart && !failed && at->exchange->mode == FV_CALL_START;
    return failed ? FV_BAD_COMMUNICATOR : FV_OK;
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
    trace(&run->env, at, 0);
    refused_index refused = {0};
    f->status = at->exchange ? call_collective(f, at, args)
                             : fv_i_launch(at->kernel, AS(int64_t, f, at->dims_at), args, &run->env,
                                           f->fault, &refused, &f->left);
    trace(&run->env, at, 1);
    if (f->status == FV_OK)
        return i + 1;
    if (atomic_load(&refused.taken))
        note_index(run->interp, at, &refused);
    atomic_store(&run->interp->stopped, f->status == FV_BAD_INDEX && at->indexes && *at->indexes
                                            ? at->indexes
                                            : at->origin);
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
    if (f->status == FV_NO_MEMORY)
        s->base = run->env.alloc(run->env.user, (size_t)bytes);
    if (!s->base)
        return NULL;
    s->bytes = (size_t)bytes;
    f->status = FV_OK;
    return i + 1;
}

static void release(const host_run *run, slot *s) {
    if (s->base)
        run->env.free(run->env.user, s->base);
    *s = (slot){NULL, 0};
}

const insn *fv_i_free(frame *f, const insn *i) {
    release(f->host, &f->slots[i->u.imm]);
    return i + 1;
}

const insn *fv_i_setdim(frame *f, const insn *i) {
    const host_run *run = f->host;
    if (i->u.imm < 0)
        *run->need = (size_t)reg_int(f, i->a);
    else
        run->out_dims[i->u.imm] = reg_int(f, i->a);
    return i + 1;
}

/* ---- arguments of the caller ---- */

/* The number of ranks; 0: the communicator lacks functions that the program needs. */
static uint64_t ranks_of(const fv_communicator *c, const fv_program *p) {
    bool addresses = fv_program_addresses(p);
    size_t size = addresses ? offsetof(fv_communicator, start) : offsetof(fv_communicator, send);
    return c && c->size >= size && c->all_gather && c->all_to_all &&
                   (!addresses || (c->send && c->receive && c->group_all_gather))
               ? c->ranks
               : 0;
}

/* The value of an argument: a number or an address. All members of an env have one size. */
static uint64_t argument(const host_run *run, const fv_read *r) {
    uintptr_t word;
    switch ((fv_argument)r->of) {
    case FV_ARG_DIMS: return r->at < 0 ? (uintptr_t)run->dims : (uint64_t)run->dims[r->at];
    case FV_ARG_INPUTS:
        return (uintptr_t)(r->at < 0 ? (const void *)run->inputs : run->inputs[r->at]);
    case FV_ARG_OUTPUTS:
        return (uintptr_t)(r->at < 0 ? (const void *)run->outputs : run->outputs[r->at]);
    case FV_ARG_ACTUAL:
        return r->at < 0 ? (uintptr_t)run->out_dims
                         : (uint64_t)run->out_dims[fv_out_dims_at(run->interp->program, r->at)];
    case FV_ARG_WORKSPACE: return (uintptr_t)(run->need ? (const void *)run->need : run->workspace);
    case FV_ARG_BYTES: return run->bytes;
    case FV_ARG_ENV:
        if (r->at < 0)
            return (uintptr_t)run->given;
        memcpy(&word, (const char *)&run->env + (size_t)r->at * sizeof word, sizeof word);
        return word;
    case FV_ARG_WEIGHTS: return ((const uint64_t *)run->env.weights)[r->at];
    case FV_ARG_MOST: return PTRDIFF_MAX;
    case FV_ARG_RANKS: return ranks_of(run->env.communicator, run->interp->program);
    case FV_ARG_CPU:
    case FV_ARGS: break;
    }
    return true; /* the interpreter runs on any CPU */
}

const insn *fv_i_read(frame *f, const insn *i) {
    const fv_read *r = i->u.data;
    const host_run *run = f->host;
    uint64_t x = argument(run, r);
    bool yes = x != 0;
    if (r->how == FV_READ_ALIGNED)
        yes = yes && x % (unsigned)r->align == 0;
    else if (r->how == FV_READ_SAME)
        yes =
            !yes || x == (uintptr_t)run->inputs[run->interp->program->outputs[r->at].state_of - 1];
    if (fv_read_ktype(r).elem == FV_BOOL)
        *AS(reg_u8, f, i->d) = yes;
    else
        *AS(reg_i64, f, i->d) = (int64_t)x;
    return i + 1;
}

static unsigned char *address(frame *f, const host_buf *h) {
    const host_run *run = f->host;
    int index = h->buf->index;
    switch ((fv_buf_role)h->buf->role) {
    case FV_BUF_INPUT: return (unsigned char *)(uintptr_t)run->inputs[index];
    case FV_BUF_OUTPUT: return run->outputs[index];
    case FV_BUF_CONST:
        return (unsigned char *)(uintptr_t)fv_constant_data(
            &run->interp->program->memory.constants[index]);
    case FV_BUF_WORK: return run->workspace + reg_int(f, h->offset);
    default: return NULL;
    }
}

const insn *fv_i_memory(frame *f, const insn *i) {
    const fv_interp *p = f->host->interp;
    int64_t need = reg_int(f, i->a);
    for (int k = 0; k < p->program->memory.nbuffers; k++) {
        const host_buf *h = &p->bufs[k];
        if (h->buf->role == FV_BUF_HEAP)
            continue;
        int64_t offset = h->buf->role == FV_BUF_WORK ? reg_int(f, h->offset) : 0;
        int64_t size = h->buf->role == FV_BUF_CONST
                           ? (int64_t)p->program->memory.constants[h->buf->index].bytes
                           : reg_int(f, h->bytes);
        if (h->buf->role == FV_BUF_WORK &&
            (offset < 0 || size < 0 || offset > need || size > need - offset))
            return fv_i_fault(f,
                              "buffer %s, %" PRId64 " bytes at %" PRId64
                              ", is outside a workspace of %" PRId64,
                              h->buf->name, size, offset, need);
        f->slots[k] = (slot){size ? address(f, h) : NULL, (size_t)size};
    }
    return i + 1;
}

/* ---- entries ---- */

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

/* A copy of the caller's env, which may be shorter or longer in another version of fv_env. All
 * members have one size. */
static fv_env env_of(const fv_env *given) {
    fv_env env = {0};
    size_t whole = given ? given->size / sizeof given->size * sizeof given->size : 0;
    if (whole)
        memcpy(&env, given, whole < sizeof env ? whole : sizeof env);
    return env;
}

static int enter(host_run *run, const insn *at) {
    fv_interp *p = run->interp;
    frame f;
    if (!fv_i_frame_new(&f, &p->code, &p->fault))
        return FV_NO_MEMORY;
    f.host = run;
    f.cancel = run->env.cancel;
    f.left = p->limit ? p->limit : INT64_MAX;
    f.started = 0;
    int status = fv_i_exec(&f, at);
    while (f.started-- > 0) /* the run has failed, and others read what it sends */
        (void)run->env.communicator->wait(run->env.communicator->user);
    for (int i = 0; i < p->program->memory.nbuffers; i++)
        if (p->bufs[i].buf->role == FV_BUF_HEAP)
            release(run, &f.slots[i]);
    free(f.r);
    return status;
}

int fv_interp_run(fv_interp *p, const int64_t *dims, const void *const *inputs,
                  void *const *outputs, int64_t *out_dims, void *workspace, size_t bytes,
                  const fv_env *env) {
    host_run run = {p, dims, inputs, outputs, out_dims, workspace, bytes, env, env_of(env), NULL};
    return enter(&run, p->code.task);
}

int fv_interp_plan(fv_interp *p, const int64_t *dims, size_t *workspace, int64_t *out_dims) {
    host_run run = {.interp = p, .dims = dims, .out_dims = out_dims, .need = workspace};
    return enter(&run, p->code.insns);
}
