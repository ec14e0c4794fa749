/* program_fit.c - checks that the buffers of a program fit into the memory that holds them.
 *
 * Sizes are expressions over symbols. They are evaluated for a few values of the symbols, which is
 * complete if there are no symbols. Not checked are sizes that depend on data, and launches that
 * are not executed with these values, after a failing check or in a branch. */
#include "ir/kernel/program_fit.h"
#include "ir/expr/rewrite.h"
#include "ir/kernel/verifier.h"

/* Values of the symbols, and of the variables that the plan computes from them. */
typedef struct choice {
    fv_kverifier *v;
    fv_ptrmap values; /* variable -> its value, a constant */
} choice;

static fv_ptrmap scratch(const choice *c) {
    return fv_ptrmap_in(c->v->a);
}

/* x evaluated with the chosen values; the result is not a constant if it depends on data. */
static fv_expr *value_of(const choice *c, const fv_expr *x) {
    fv_ptrmap memo = scratch(c);
    return fv_x_subst(c->v->a, x, &c->values, &memo);
}

static bool is_known(const choice *c, const fv_expr *x, int64_t *out) {
    return fv_x_is_int(value_of(c, x), out);
}

static bool is_false(const fv_expr *x) {
    return x->op == FV_X_CONST && x->type.elem == FV_BOOL && !x->u.i;
}

/* Chooses values of the symbols near `wish` and evaluates the plan. False: the program refuses a
 * run with these values. */
static bool choose(choice *c, int64_t wish) {
    const fv_program *p = c->v->program;
    for (int i = 0; i < p->symbols.n; i++) {
        const fv_var *s = p->symbols.vars[i];
        /* different values for different symbols, so that a program that confuses two symbols is
         * found */
        int64_t own = wish > 1 ? wish + i : wish;
        int64_t n = own < s->lo ? s->lo : own > s->hi ? s->hi : own;
        *fv_ptrmap_at(&c->values, s) = fv_x_int(c->v->a, n);
    }
    for (const fv_stmt *s = p->host.plan.first; s; s = s->next) {
        int symbol;
        if (s->kind == FV_S_READ && s->read.of == FV_ARG_DIMS && s->read.how == FV_READ_VALUE)
            *fv_ptrmap_at(&c->values, s->var) =
                fv_ptrmap_get(&c->values, p->symbols.vars[s->read.at]);
        if (s->kind == FV_S_LET && !fv_program_symbol(p, s->var, &symbol))
            *fv_ptrmap_at(&c->values, s->var) = value_of(c, s->x);
        if (s->kind == FV_S_CHECK && is_false(value_of(c, s->x)))
            return false;
    }
    return true;
}

/* Computes the bytes of a tensor with these extents; false: they are not known. */
static bool bytes_of(const choice *c, fv_elem e, int rank, fv_expr *const *extent, int64_t *out) {
    *out = fv_elem_storage_bytes(e);
    for (int i = 0; i < rank; i++) {
        int64_t n;
        if (!extent[i] || !is_known(c, extent[i], &n))
            return false;
        n = n < 0 ? 0 : n;
        if (__builtin_mul_overflow(*out, n, out))
            *out = INT64_MAX;
    }
    return true;
}

static bool size_of(const choice *c, const fv_buf *b, int64_t *out) {
    return bytes_of(c, b->elem, b->rank, b->extent, out);
}

static bool fits_constant(const choice *c, const fv_buf *b) {
    const fv_constant *held = &c->v->program->memory.constants[b->index];
    int64_t need;
    if (!size_of(c, b, &need))
        return fv_kv_illegal(c->v, "the size of constant '%s' is not fixed", held->name);
    return need <= 0 || (uint64_t)need <= held->bytes ||
           fv_kv_illegal(c->v, "buffer '%s' has %lld bytes, constant '%s' holds %zu", b->name,
                         (long long)need, held->name, held->bytes);
}

static bool fits_workspace(const choice *c, const fv_buf *b) {
    const fv_program *p = c->v->program;
    /* a workspace of at least 2^62 bytes is a saturated sum; a run with these values is refused */
    const int64_t far = INT64_C(1) << 62;
    int64_t need, at, bytes, all = 0;
    if (!is_known(c, b->offset, &at) || !is_known(c, b->bytes, &bytes) || !size_of(c, b, &need) ||
        (p->memory.workspace && !is_known(c, p->memory.workspace, &all)) || all >= far)
        return true;
    if (need > bytes)
        return fv_kv_illegal(c->v, "buffer '%s' needs %lld bytes, its place has %lld", b->name,
                             (long long)need, (long long)bytes);
    return (at >= 0 && bytes >= 0 && at <= all && bytes <= all - at) ||
           fv_kv_illegal(c->v, "buffer '%s', %lld bytes at %lld, is outside a workspace of %lld",
                         b->name, (long long)bytes, (long long)at, (long long)all);
}

static bool value_of_symbol(void *ctx, const fv_dim *symbol, int64_t *out) {
    const choice *c = ctx;
    const fv_program *p = c->v->program;
    for (int i = 0; i < p->symbols.n; i++)
        if (p->symbols.all[i] == symbol)
            return is_known(c, fv_x_var(c->v->a, p->symbols.vars[i]), out);
    return false;
}

/* Checks that the dims of a port, which callers see, equal its extents, which consumers use. */
static bool has_its_extents(const choice *c, const fv_port *port) {
    for (int i = 0; i < port->rank; i++) {
        int64_t dim, extent;
        if (port->extent[i] && is_known(c, port->extent[i], &extent) &&
            fv_dim_eval(port->dims[i], value_of_symbol, (void *)(uintptr_t)c, &dim) &&
            dim != extent)
            return fv_kv_illegal(c->v, "axis %d of '%s' is %lld, its extent %lld", i, port->name,
                                 (long long)dim, (long long)extent);
    }
    return true;
}

static bool fits_port(const choice *c, const fv_port *port) {
    int64_t need, given;
    if (!has_its_extents(c, port))
        return false;
    /* an output in the memory of its input is limited by the capacity, which the run checks */
    if (fv_port_is_shared(port))
        return true;
    if (!size_of(c, port->buf, &need) || !bytes_of(c, port->elem, port->rank, port->extent, &given))
        return true;
    /* callers pass packed elements, several in a byte; within the program each has a byte */
    if (fv_elem_is_packed(port->elem)) {
        int64_t each = 8 / fv_elem_bits(port->elem);
        given = given / each + (given % each != 0);
    }
    return need <= given ||
           fv_kv_illegal(c->v, "buffer '%s' has %lld bytes, '%s' is given %lld", port->buf->name,
                         (long long)need, port->name, (long long)given);
}

static bool fits_parameter(const choice *c, const fv_stmt *s, const choice *inside, int i) {
    const fv_buf *arg = s->call.args[i], *param = s->call.kernel->bufs[i];
    int64_t need, given;
    if (!size_of(inside, param, &need) || !size_of(c, arg, &given))
        return true;
    return need <= given ||
           fv_kv_illegal(c->v, "parameter '%s' has %lld bytes, '%s' %lld", param->name,
                         (long long)need, arg->name, (long long)given);
}

static bool fits_launch(const choice *c, const fv_stmt *s) {
    choice inside = {c->v, scratch(c)};
    for (int i = 0; i < s->call.kernel->ndims; i++)
        *fv_ptrmap_at(&inside.values, s->call.kernel->dims[i]) = value_of(c, s->call.dims[i]);
    c->v->stmt = s;
    for (int i = 0; i < s->call.kernel->nbufs; i++)
        if (!fits_parameter(c, s, &inside, i))
            return false;
    return true;
}

/* Do the buffers of all launches that a run with these values executes fit? Nothing after a failing
 * check is executed. */
static bool fit_launches(const choice *c, const fv_block *block) {
    for (const fv_stmt *s = block->first; s; s = s->next) {
        const fv_expr *condition =
            s->kind == FV_S_CHECK || s->kind == FV_S_IF ? value_of(c, s->x) : NULL;
        bool fails = condition && is_false(condition),
             holds = condition && condition->op == FV_X_CONST && !fails;
        if (s->kind == FV_S_CHECK && fails)
            break;
        if ((s->kind == FV_S_LAUNCH && !fits_launch(c, s)) ||
            (!fails && !fit_launches(c, &s->body)) || (!holds && !fit_launches(c, &s->other)))
            return false;
    }
    return true;
}

static bool fit_all(const choice *c) {
    const fv_program *p = c->v->program;
    for (int i = 0; i < p->memory.nbuffers; i++) {
        const fv_buf *b = p->memory.buffers[i];
        if ((b->role == FV_BUF_CONST && !fits_constant(c, b)) ||
            (b->role == FV_BUF_WORK && !fits_workspace(c, b)))
            return false;
    }
    for (int i = 0; i < p->ninputs; i++)
        if (!fits_port(c, &p->inputs[i]))
            return false;
    for (int i = 0; i < p->noutputs; i++)
        if (!fits_port(c, &p->outputs[i]))
            return false;
    c->v->where = "run";
    return fit_launches(c, &p->host.body);
}

bool fv_kv_fits(fv_kverifier *v) {
    static const int64_t wishes[] = {0, 1, 128};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
        choice c = {v, fv_ptrmap_in(v->a)};
        v->where = "program";
        v->stmt = NULL;
        if (choose(&c, wishes[i]) && !fit_all(&c))
            return false;
    }
    return true;
}
