/* program_protocol.c - checks that a run validates its arguments before it uses them.
 *
 * A run gets pointers and numbers of which nothing is known. A READ of an element is legal after a
 * CHECK that the array is present; a symbol or capacity gets its value after a check of its bounds;
 * and MEMORY, after which kernels may be launched, requires checks of everything that they rely on.
 * The conditions that are known to hold are kept in a list and compared by structure. */
#include "ir/kernel/program_protocol.h"

#include <string.h>

#include "ir/base/text.h"
#include "ir/kernel/verify_parts.h"

enum { WORKSPACE_ALIGN = 64, WEIGHTS_ALIGN = 64, WEIGHTS_WORDS = 4 };

/* ---- known conditions ---- */

void fv_kv_learn(fv_kverifier *v, const fv_expr *condition) {
    if (condition->op == FV_X_AND && condition->type.elem == FV_BOOL) {
        fv_kv_learn(v, condition->arg[0]);
        fv_kv_learn(v, condition->arg[1]);
        return;
    }
    FV_PUSH(v->a, v->facts.all, v->facts.n, v->facts.cap, condition);
}

static bool holds(const fv_kverifier *v, const fv_expr *x) {
    if (x->op == FV_X_CONST && x->type.elem == FV_BOOL && x->u.i)
        return true;
    for (int i = 0; i < v->facts.n; i++)
        if (fv_x_equal(v->facts.all[i], x))
            return true;
    return false;
}

/* The READ that defined variable x; NULL: x is not a variable that was read. */
static const fv_read *read_of(const fv_kverifier *v, const fv_expr *x) {
    const fv_stmt *s = x->op == FV_X_VAR ? fv_ptrmap_get(&v->reads, x->u.var) : NULL;
    return s ? &s->read : NULL;
}

/* Is the result of read r known to be true, or is `n == 0 | r` known to be true? */
static bool holds_read(const fv_kverifier *v, const fv_read *r, fv_expr *n) {
    int64_t none;
    if (n && fv_x_is_int(n, &none) && none == 0)
        return true;
    for (int i = 0; i < v->facts.n; i++) {
        const fv_expr *f = v->facts.all[i];
        const fv_read *known = read_of(v, f);
        if (known && fv_read_equal(known, r))
            return true;
        bool either = n && f->op == FV_X_OR && f->type.elem == FV_BOOL;
        known = either ? read_of(v, f->arg[1]) : NULL;
        if (known && fv_read_equal(known, r) &&
            fv_x_equal(f->arg[0], fv_x_bin(v->a, FV_X_EQ, n, fv_x_int(v->a, 0))))
            return true;
    }
    return false;
}

static bool is_given(const fv_kverifier *v, fv_argument of, int at) {
    const fv_read r = {.how = FV_READ_GIVEN, .of = (uint8_t)of, .at = at};
    return holds_read(v, &r, NULL);
}

static bool is_aligned(const fv_kverifier *v, fv_argument of, int at, int align, fv_expr *n) {
    const fv_read r = {.how = FV_READ_ALIGNED, .of = (uint8_t)of, .at = at, .align = align};
    return holds_read(v, &r, n);
}

/* ---- READ ---- */

static bool in(const fv_kverifier *v, const char *where) {
    return !strcmp(v->where, where);
}

static int members(const fv_program *p, fv_argument of) {
    switch (of) {
    case FV_ARG_DIMS: return p->symbols.n;
    case FV_ARG_INPUTS: return p->ninputs;
    case FV_ARG_OUTPUTS:
    case FV_ARG_ACTUAL: return p->noutputs;
    case FV_ARG_ENV: return FV_ENV_MEMBERS;
    case FV_ARG_WEIGHTS: return WEIGHTS_WORDS;
    default: return 0;
    }
}

/* Does the argument that r reads exist, and can it be read in the way that r states? */
static bool is_argument(const fv_program *p, const fv_read *r) {
    bool whole = r->at == -1, member = r->at >= 0 && r->at < members(p, (fv_argument)r->of);
    bool pointer = r->of <= FV_ARG_ENV && r->of != FV_ARG_BYTES;
    if (r->of == FV_ARG_ENV && member)
        return (fv_env_is_pointer(r->at) ? r->how != FV_READ_VALUE : r->how == FV_READ_VALUE);
    if (r->how == FV_READ_GIVEN)
        return pointer && whole;
    if (r->how == FV_READ_SAME)
        return member && r->of == FV_ARG_OUTPUTS && fv_port_is_shared(&p->outputs[r->at]);
    if (r->how == FV_READ_ALIGNED)
        return r->of == FV_ARG_WORKSPACE
                   ? whole
                   : member && (r->of == FV_ARG_INPUTS || r->of == FV_ARG_OUTPUTS);
    if (r->of == FV_ARG_ACTUAL)
        return member && p->capacity && p->capacity[r->at];
    return pointer ? member && r->of == FV_ARG_DIMS : r->of == FV_ARG_WEIGHTS ? member : whole;
}

/* Is the read legal in this part of the program? The plan may read only dims and the number of
 * bytes that the machine can address, which only the plan reads; the size query may read only
 * whether the pointers for its results are given; the CPU must be read by the first statement of
 * the run. */
static bool is_known_here(const fv_kverifier *v, const fv_stmt *s) {
    const fv_read *r = &s->read;
    if (in(v, "plan"))
        return r->of == FV_ARG_DIMS || r->of == FV_ARG_MOST;
    if (in(v, "query"))
        return r->how == FV_READ_GIVEN && (r->of == FV_ARG_ACTUAL || r->of == FV_ARG_WORKSPACE);
    if (r->of == FV_ARG_CPU)
        return s == v->program->host.body.first;
    return r->of != FV_ARG_MOST && !(r->how == FV_READ_GIVEN && r->of == FV_ARG_WORKSPACE);
}

/* Is the file of weights known to be long enough for its header? */
static bool holds_head(const fv_kverifier *v) {
    for (int i = 0; i < v->facts.n; i++) {
        const fv_expr *f = v->facts.all[i];
        const fv_read *r = f->op == FV_X_EQ ? read_of(v, f->arg[0]) : NULL;
        if (r && r->of == FV_ARG_ENV && r->at == FV_ENV_WEIGHTS_BYTES &&
            f->arg[1]->op == FV_X_CONST && (uint64_t)f->arg[1]->u.i >= 8 * WEIGHTS_WORDS)
            return true;
    }
    return false;
}

/* Is the array known to be present (and the header of the file of weights readable), so that an
 * element may be read? */
static bool may_read(const fv_kverifier *v, const fv_read *r) {
    bool member = r->at >= 0 && r->of != FV_ARG_ENV;
    if (member && r->of == FV_ARG_WEIGHTS)
        return is_aligned(v, FV_ARG_ENV, FV_ENV_WEIGHTS, WEIGHTS_ALIGN, NULL) && holds_head(v);
    return !member || is_given(v, (fv_argument)r->of, -1);
}

bool fv_kv_read(fv_kverifier *v, const fv_stmt *s) {
    const fv_read *r = &s->read;
    const char *name = fv_argument_text((fv_argument)r->of);
    if (!is_argument(v->program, r))
        return fv_kv_illegal(v, "a run cannot read this of its %s", name);
    if (r->how == FV_READ_ALIGNED && (r->align < 1 || (r->align & (r->align - 1))))
        return fv_kv_illegal(v, "the alignment is no power of 2");
    if (!is_known_here(v, s))
        return fv_kv_illegal(v, "the %s cannot be read at this position", name);
    if (!may_read(v, r))
        return fv_kv_illegal(v, "no earlier check ensures that the %s can be read", name);
    if (!s->var || s->var->type.elem != fv_read_ktype(r).elem || s->var->type.lanes != 1)
        return fv_kv_illegal(v, "variable and value differ in type");
    *fv_ptrmap_at(&v->reads, s->var) = (void *)(uintptr_t)s;
    fv_kv_declare(v, s->var);
    return true;
}

/* ---- symbols and capacities ---- */

static bool is_read_as(const fv_kverifier *v, const fv_expr *x, fv_argument of, int at) {
    const fv_read *r = read_of(v, x), wanted = {.how = FV_READ_VALUE, .of = (uint8_t)of, .at = at};
    return r && fv_read_equal(r, &wanted);
}

static bool is_within(const fv_kverifier *v, fv_expr *x, int64_t lo, int64_t hi) {
    return holds(v, fv_x_bin(v->a, FV_X_LE, fv_x_int(v->a, lo), x)) &&
           holds(v, fv_x_bin(v->a, FV_X_LE, x, fv_x_int(v->a, hi)));
}

bool fv_kv_bind(fv_kverifier *v, const fv_stmt *s) {
    const fv_program *p = v->program;
    int i;
    if (!v->protocol.used &&
        (fv_program_symbol(p, s->var, &i) || fv_program_capacity(p, s->var, &i)))
        return fv_kv_illegal(v, "'%s' has its value from the caller", s->var->name);
    if (fv_program_symbol(p, s->var, &i)) {
        if (!in(v, "plan") || !is_read_as(v, s->x, FV_ARG_DIMS, i))
            return fv_kv_illegal(v, "the value of '%s' is its dim, which the plan reads",
                                 s->var->name);
        if (!is_within(v, s->x, s->var->lo, s->var->hi))
            return fv_kv_illegal(v, "no earlier check ensures that '%s' is in %lld..%lld",
                                 s->var->name, (long long)s->var->lo, (long long)s->var->hi);
    } else if (fv_program_capacity(p, s->var, &i)) {
        int64_t zero;
        bool clipped = s->x->op == FV_X_MAX && fv_x_is_int(s->x->arg[1], &zero) && zero == 0;
        if (!in(v, "run") || !clipped || !is_read_as(v, s->x->arg[0], FV_ARG_ACTUAL, i))
            return fv_kv_illegal(v,
                                 "the value of '%s' is what the caller gives for output '%s', or 0 "
                                 "where that is less",
                                 s->var->name, p->outputs[i].name);
    } else {
        return true;
    }
    if (fv_ptrmap_get(&v->scope, s->var))
        return fv_kv_illegal(v, "'%s' has a value already", s->var->name);
    return true;
}

/* ---- PLAN ---- */

static bool is_top(const fv_kverifier *v, const fv_stmt *s) {
    for (const fv_stmt *t = v->program->host.body.first; t; t = t->next)
        if (t == s)
            return true;
    return false;
}

void fv_kv_know_plan(fv_kverifier *v) {
    for (const fv_stmt *s = v->program->host.plan.first; s; s = s->next) {
        if (s->kind == FV_S_LET || s->kind == FV_S_READ)
            fv_kv_declare(v, s->var);
        if (s->kind == FV_S_READ)
            *fv_ptrmap_at(&v->reads, s->var) = (void *)(uintptr_t)s;
        if (s->kind == FV_S_CHECK)
            fv_kv_learn(v, s->x);
    }
}

bool fv_kv_plan(fv_kverifier *v, const fv_stmt *s) {
    if (!is_top(v, s) || v->protocol.planned)
        return fv_kv_illegal(v, v->protocol.planned ? "the plan was made already"
                                                    : "it must not be within another statement");
    v->protocol.planned = true;
    fv_kv_know_plan(v);
    return true;
}

/* ---- MEMORY ---- */

/* Checks an output that is stored in the memory of an input: the caller passes that memory or NULL,
 * and the output fits into it. */
static bool has_shared(fv_kverifier *v, const fv_port *port, int at) {
    const fv_read same = {.how = FV_READ_SAME, .of = FV_ARG_OUTPUTS, .at = at};
    fv_expr *fits = fv_port_fits(v->a, port);
    if (!holds_read(v, &same, NULL))
        return fv_kv_illegal(v, "no earlier check ensures that outputs[%s] is NULL, or the input",
                             port->buf->name);
    return holds(v, fits) ||
           fv_kv_illegal(
               v, "no earlier check ensures that axis %d of '%s' fits into the memory of its input",
               port->buf->along, port->name);
}

static bool has_port(fv_kverifier *v, const fv_port *port, fv_argument of, int at) {
    fv_expr *n = fv_port_elements(v->a, v->program, port);
    return is_aligned(v, of, at, fv_elem_storage_bytes(port->buf->elem), n) ||
           fv_kv_illegal(v,
                         "no earlier check ensures that %s[%s] is there, unless it is empty, and "
                         "aligned to %d",
                         fv_argument_text(of), port->buf->name,
                         fv_elem_storage_bytes(port->buf->elem));
}

static bool holds_enough(const fv_kverifier *v, fv_expr *need) {
    fv_expr *bytes = fv_x_convert(v->a, FV_U64, need);
    for (int i = 0; i < v->facts.n; i++) {
        const fv_expr *f = v->facts.all[i];
        if (f->op == FV_X_LE && is_read_as(v, f->arg[1], FV_ARG_BYTES, -1) &&
            fv_x_equal(f->arg[0], bytes))
            return true;
    }
    return false;
}

static bool has_workspace(fv_kverifier *v) {
    fv_expr *need = v->program->memory.workspace;
    int64_t none;
    if (!need || (fv_x_is_int(need, &none) && none <= 0))
        return true;
    return (holds_enough(v, need) && is_aligned(v, FV_ARG_WORKSPACE, -1, WORKSPACE_ALIGN, need)) ||
           fv_kv_illegal(v,
                         "no earlier check ensures that the workspace has the bytes that the plan "
                         "needs, and is aligned to %d",
                         WORKSPACE_ALIGN);
}

/* Is the communicator known to have the ranks with which every collective exchanges data? */
static bool has_ranks(fv_kverifier *v) {
    int64_t ranks = fv_program_ranks(v->program);
    bool known = ranks == 0;
    if (ranks < 0)
        return fv_kv_illegal(v, "collectives exchange data among different numbers of ranks");
    for (int i = 0; i < v->facts.n && !known; i++) {
        const fv_expr *f = v->facts.all[i];
        known = f->op == FV_X_EQ && is_read_as(v, f->arg[0], FV_ARG_RANKS, -1) &&
                fv_x_equal(f->arg[1], fv_x_int(v->a, ranks));
    }
    return known ||
           fv_kv_illegal(v, "no earlier check ensures that there are %lld ranks", (long long)ranks);
}

bool fv_kv_memory(fv_kverifier *v, const fv_stmt *s) {
    const fv_program *p = v->program;
    if (!is_top(v, s) || !v->protocol.planned || v->protocol.has_memory)
        return fv_kv_illegal(v, "`memory` occurs once, after the plan");
    for (int i = 0; i < p->ninputs; i++)
        if (!has_port(v, &p->inputs[i], FV_ARG_INPUTS, i))
            return false;
    for (int i = 0; i < p->noutputs; i++)
        if (fv_port_is_shared(&p->outputs[i]) ? !has_shared(v, &p->outputs[i], i)
                                              : !has_port(v, &p->outputs[i], FV_ARG_OUTPUTS, i))
            return false;
    if (!has_workspace(v))
        return false;
    if (p->memory.uses_allocator &&
        !(is_given(v, FV_ARG_ENV, FV_ENV_ALLOC) && is_given(v, FV_ARG_ENV, FV_ENV_FREE)))
        return fv_kv_illegal(v, "no earlier check ensures that env.alloc and env.free are given");
    if (!has_ranks(v))
        return false;
    v->protocol.has_memory = true;
    for (int i = 0; i < p->memory.nbuffers; i++)
        fv_kv_declare(v, p->memory.buffers[i]);
    return true;
}

/* ---- SETDIM ---- */

bool fv_kv_report(fv_kverifier *v, const fv_stmt *s) {
    const fv_program *p = v->program;
    bool query = in(v, "query");
    if (s->size.output < -1 || s->size.output >= p->noutputs)
        return fv_kv_illegal(v, "there is no output %d", s->size.output);
    if (s->size.axis < -1 ||
        (s->size.output >= 0 && s->size.axis >= p->outputs[s->size.output].rank))
        return fv_kv_illegal(v, "output %d has no axis %d", s->size.output, s->size.axis);
    if (!query && (s->size.output < 0 || s->size.axis < 0))
        return fv_kv_illegal(v, "only the size query may report this");
    if (!v->protocol.used && !(p->capacity && p->capacity[s->size.output]))
        return fv_kv_illegal(v, "the size of output '%s' is known before the run",
                             p->outputs[s->size.output].name);
    const fv_expr *known = !query ? p->outputs[s->size.output].extent[s->size.axis] : NULL;
    if (known && (!s->x || !fv_x_equal(known, s->x)))
        return fv_kv_illegal(v, "axis %d of output '%s' is known before the run", s->size.axis,
                             p->outputs[s->size.output].name);
    fv_argument of = s->size.output < 0 ? FV_ARG_WORKSPACE : FV_ARG_ACTUAL;
    if (v->protocol.used && !is_given(v, of, -1))
        return fv_kv_illegal(v, "no earlier check ensures that %s is given", fv_argument_text(of));
    return true;
}
