/* program.c - functions that look up the parts of host programs. */
#include "ir/kernel/program.h"

#include "ir/expr/fold.h"
#include "ir/expr/rewrite.h"
#include "ir/kernel/build.h"

/* Does the statement read an argument that the protocol checks or takes over? The seed is read
 * where random numbers begin. */
static bool reads_for_protocol(const fv_stmt *s) {
    return s->kind == FV_S_READ && !(s->read.of == FV_ARG_ENV && s->read.at == FV_ENV_SEED);
}

static bool block_has_protocol(const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next)
        if (reads_for_protocol(s) || s->kind == FV_S_PLAN || s->kind == FV_S_MEMORY ||
            block_has_protocol(&s->body) || block_has_protocol(&s->other))
            return true;
    return false;
}

bool fv_program_has_protocol(const fv_program *p) {
    return p->host.query.first || block_has_protocol(&p->host.plan) ||
           block_has_protocol(&p->host.body);
}

const fv_kernel *fv_program_caller(const fv_program *p) {
    for (int i = 0; i < p->nkernels; i++)
        if (fv_kernel_calls(p->kernels[i]) && !fv_kernel_collective(p->kernels[i]))
            return p->kernels[i];
    return NULL;
}

/* The number of ranks for which the call of a collective is made; -1: it is not constant. */
static int64_t ranks_of(const fv_stmt *call) {
    int64_t n;
    if (call->call.library->addressed)
        return call->call.ranks;
    const fv_buf *received = call->call.args[1];
    return received->rank > 0 && fv_x_is_int(received->extent[0], &n) ? n : -1;
}

int64_t fv_exchange_group(const fv_stmt *call) {
    int64_t n = 0;
    return fv_x_is_int(call->call.args[1]->extent[0], &n) ? n : 0;
}

int64_t fv_program_ranks(const fv_program *p) {
    int64_t ranks = 0;
    for (int i = 0; i < p->nkernels; i++) {
        const fv_stmt *call = fv_kernel_exchange(p->kernels[i]);
        int64_t n = call ? ranks_of(call) : ranks;
        if (n < 0 || (ranks && ranks != n))
            return -1;
        ranks = n;
    }
    return ranks;
}

bool fv_program_addresses(const fv_program *p) {
    bool found = false;
    for (int i = 0; i < p->nkernels && !found; i++) {
        const fv_library_fn *fn = fv_kernel_collective(p->kernels[i]);
        found = fn && fn->addressed;
    }
    return found;
}

fv_expr *fv_collective_bytes(fv_arena *a, const fv_stmt *launch) {
    const fv_kernel *k = launch->call.kernel;
    const fv_stmt *call = fv_kernel_exchange(k);
    bool both = call->call.library->nparams > 1; /* the axis of the ranks is not counted */
    const fv_buf *b = call->call.args[both];
    fv_expr *bytes = fv_x_int(a, fv_elem_storage_bytes(b->elem));
    for (int i = both; i < b->rank; i++)
        bytes = fv_x_bin(a, FV_X_MUL, bytes, b->extent[i]);
    return fv_x_replace_vars(a, bytes, k->ndims, k->dims, launch->call.dims);
}

bool fv_program_symbol(const fv_program *p, const fv_var *v, int *i) {
    for (*i = 0; *i < p->symbols.n; ++*i)
        if (p->symbols.vars[*i] == v)
            return true;
    return false;
}

bool fv_program_capacity(const fv_program *p, const fv_var *v, int *i) {
    for (*i = 0; p->capacity && *i < p->noutputs; ++*i)
        if (p->capacity[*i] == v)
            return true;
    return false;
}

/* Can the number of elements times 8 overflow for some dims within their bounds? */
static bool may_overflow(const fv_buf *b) {
    int64_t most = 8, lo, hi;
    for (int i = 0; i < b->rank; i++) {
        fv_x_range(b->extent[i], &lo, &hi);
        if (lo < 0 || __builtin_mul_overflow(most, hi > 1 ? hi : 1, &most))
            return true;
    }
    return false;
}

fv_expr *fv_port_elements(fv_arena *a, const fv_program *p, const fv_port *port) {
    const fv_buf *b = port->buf;
    fv_var *capacity = b->role == FV_BUF_OUTPUT && p->capacity ? p->capacity[b->index] : NULL;
    if (capacity)
        return fv_x_var(a, capacity);
    fv_expr *n = fv_x_int(a, 1);
    fv_expr_op times = may_overflow(b) ? FV_X_MULSAT : FV_X_MUL;
    for (int i = 0; i < b->rank; i++)
        n = i ? fv_x_bin(a, times, n, b->extent[i]) : b->extent[i];
    return n;
}

fv_expr *fv_port_fits(fv_arena *a, const fv_port *output) {
    const fv_buf *b = output->buf;
    return fv_x_bin(a, FV_X_LE, output->extent[b->along], b->extent[b->along]);
}

fv_expr *fv_unless_empty(fv_arena *a, fv_expr *n, fv_expr *there) {
    return fv_x_bin(a, FV_X_OR, fv_x_bin(a, FV_X_EQ, n, fv_x_int(a, 0)), there);
}

static int allocs(const fv_block *b, const fv_buf *buf, bool within) {
    int n = 0;
    for (const fv_stmt *s = b->first; s; s = s->next) {
        n += s->kind == FV_S_ALLOC && s->buf == buf;
        n += within ? allocs(&s->body, buf, true) + allocs(&s->other, buf, true) : 0;
    }
    return n;
}

bool fv_program_declares(const fv_program *p, const fv_buf *buf) {
    return allocs(&p->host.body, buf, true) == 1 && allocs(&p->host.body, buf, false) == 1;
}
