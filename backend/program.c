/* program.c - writes the host program: checks, bindings of symbols to data, and launches in
 * order. */
#include "backend/program.h"

#include <assert.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/consumer/protocol.h"
#include "backend/lowering/host_dims.h"
#include "backend/lowering/names.h"
#include "backend/lowering/storage.h"
#include "backend/memory/plan.h"
#include "ir/base/limits.h"
#include "ir/base/text.h"
#include "ir/dim/text.h"
#include "ir/kernel/build.h"

/* ---- ports ---- */

static const char *unique_name(fv_lowerer *l, const char *name, const fv_port *others, int n) {
    const char *r = fv_safe_name(l->arena, *name ? name : "value");
    if (*r >= '0' && *r <= '9')
        r = fv_printf(l->arena, "v%s", r);
    const char *unique = r;
    for (int k = 1, i = 0; i < n; i++)
        if (!strcmp(others[i].cname, unique)) {
            unique = fv_printf(l->arena, "%s_%d", r, k++);
            i = -1;
        }
    return unique;
}

static void make_port(fv_lowerer *l, fv_port *port, const char *name, const fv_type *t, fv_buf *b) {
    port->name = name;
    port->elem = t->elem;
    port->rank = t->rank;
    port->dims = t->dims;
    port->buf = b;
    port->extent = FV_NEW(l->arena, fv_expr *, t->rank + 1);
    for (int i = 0; i < t->rank; i++)
        port->extent[i] = t->dims[i]->from_data ? NULL : fv_p_dim(l, t->dims[i]);
}

static fv_buf *port_buffer(const fv_program *p, fv_buf_role role, int index) {
    for (int i = 0; i < p->memory.nbuffers; i++)
        if ((p->memory.buffers[i]->role == role && p->memory.buffers[i]->index == index) ||
            (role == FV_BUF_OUTPUT && p->memory.buffers[i]->role == FV_BUF_INPUT &&
             p->memory.buffers[i]->output == 1 + index))
            return p->memory.buffers[i];
    return NULL;
}

static void make_ports(fv_lowerer *l) {
    fv_program *p = l->program;
    const fv_region *r = l->func->body;
    p->ninputs = r->nparams;
    p->noutputs = r->last->nin;
    /* inputs and outputs are in one array, so that names can be compared across both */
    p->inputs = FV_NEW(l->arena, fv_port, p->ninputs + p->noutputs + 1);
    p->outputs = p->inputs + p->ninputs;
    p->capacity = FV_NEW(l->arena, fv_var *, p->noutputs + 1);
    for (int i = 0; i < p->ninputs; i++) {
        make_port(l, &p->inputs[i], r->params[i]->name, l->host.in_types[i],
                  port_buffer(p, FV_BUF_INPUT, i));
        p->inputs[i].cname = unique_name(l, p->inputs[i].name, p->inputs, i);
    }
    for (int i = 0; i < p->noutputs; i++) {
        fv_port *o = &p->outputs[i];
        const char *name = l->func->result_names ? l->func->result_names[i] : r->last->in[i]->name;
        make_port(l, o, name, l->host.out_types[i], port_buffer(p, FV_BUF_OUTPUT, i));
        o->cname = unique_name(l, name, p->inputs, p->ninputs + i);
        o->state_of = l->func->states && l->func->states[i] ? 1 + l->func->states[i]->index : 0;
        if (fv_port_depends_on_data(o))
            p->capacity[i] = fv_var_new(l->arena, fv_printf(l->arena, "capacity_%s", o->cname),
                                        fv_kt(FV_I64, 1));
        if (p->capacity[i])
            /* bounds are 0 to INT64_MAX; a run replaces a negative capacity by 0 */
            p->capacity[i]->lo = 0;
    }
}

/* ---- the run ---- */

typedef struct writer {
    fv_lowerer *l;
    /* builder of the plan, whose expressions depend on the caller's symbols only */
    fv_kbuilder plan;
    fv_kbuilder b;
    fv_ptrmap ready;    /* symbols that depend on data and that have been bound */
    bool *relations;    /* for each relation of the module: whether it has been checked */
    fv_ptrmap sizes;    /* dims that have been checked to be at least 0 */
    fv_expr *iteration; /* its number in the innermost loop; NULL: outside of loops */
    /* types with dims that may be negative, of values in the current block and in those around
     * it */
    const fv_type **doubtful;
    int ndoubtful, cap_doubtful;
    /* fv.Assume ops of the current block and of those around it; NULL: checked already */
    const fv_op **assumed;
    int nassumed, cap_assumed;
    /* a branch or an iteration that is being written, and the state of the writer before it */
    struct around {
        fv_ptrmap ready, sizes;
        int ndoubtful, nassumed;
        /* the variables of symbols that the end of the branch or iteration binds */
        fv_buf **unknown;
        /* for a loop: the variable with its condition; NULL: the loop has no condition */
        fv_buf *goes_on;
        struct around *outer;
    } *around;
} writer;

static bool is_ready(writer *w, const fv_dim *d) {
    if (d->kind == FV_DIM_SYMBOL)
        return d->from_data ? fv_ptrmap_get(&w->ready, d) != NULL : fv_p_caller_knows(w->l, d);
    for (int i = 0; i < d->n; i++)
        if (!is_ready(w, d->arg[i]))
            return false;
    return true;
}

static void check(fv_kbuilder *b, fv_expr *cond, int status, const char *text) {
    if (cond->op == FV_X_CONST && cond->u.i)
        return;
    fv_stmt *s = fv_kb_add(b, FV_S_CHECK);
    s->x = cond;
    s->note.status = status;
    s->note.text = text;
}

/* Where a check of these dims is written: in the plan, which the size query executes, too, if they
 * depend on the caller's symbols only and are not in a block; otherwise here. */
static fv_kbuilder *checked_in(writer *w, const fv_dim *a, const fv_dim *b) {
    return a->from_data || b->from_data || w->around ? &w->b : &w->plan;
}

/* Adds the relation to the model's table, if it depends on the caller's symbols only. */
static void tell_relation(fv_lowerer *l, const struct fv_relation *r) {
    fv_program *p = l->program;
    fv_arena *a = l->arena;
    fv_program_relation named = {fv_dim_str(a, r->a), fv_dim_str(a, r->b),
                                 r->says ? fv_relation_str(a, r) : fv_strdup(a, r->why)};
    if (!r->a->from_data && !r->b->from_data)
        FV_PUSH(a, p->relations.all, p->relations.n, p->relations.cap, named);
}

/* Checks relations of the module as soon as their symbols are known. */
static void check_relations(writer *w) {
    fv_module *m = w->l->module;
    fv_arena *a = w->l->arena;
    for (int i = 0; i < m->nrelations; i++) {
        struct fv_relation *r = &m->relations[i];
        if (w->relations[i] || !is_ready(w, r->a) || !is_ready(w, r->b))
            continue;
        w->relations[i] = true;
        fv_expr *left = fv_p_dim(w->l, r->a), *right = fv_p_dim(w->l, r->b);
        /* the two sides are equal by the bounds that assumptions give */
        if (fv_x_equal(left, right))
            continue;
        tell_relation(w->l, r);
        check(checked_in(w, r->a, r->b), fv_x_bin(a, FV_X_EQ, left, right), FV_BAD_DIM,
              fv_relation_str(a, r));
    }
}

/* Checks the dims of t that may be negative for some values of their symbols, each once, when the
 * symbols are known. */
static void check_sizes(writer *w, const fv_type *t) {
    fv_arena *a = w->l->arena;
    for (int i = 0; i < t->rank; i++) {
        const fv_dim *d = t->dims[i];
        if (d->lo >= 0 || !is_ready(w, d) || *fv_ptrmap_at(&w->sizes, d))
            continue;
        *fv_ptrmap_at(&w->sizes, d) = (void *)d;
        check(checked_in(w, d, d), fv_x_bin(a, FV_X_LE, fv_x_int(a, 0), fv_p_dim(w->l, d)),
              FV_BAD_DIM, fv_printf(a, "%s is negative", fv_dim_str(a, d)));
    }
}

/* Checks fv.Assume ops of the block as soon as their symbols are known. */
static void check_assumed(writer *w) {
    for (int i = 0; i < w->nassumed; i++) {
        const fv_op *op = w->assumed[i];
        const fv_dim *a = op ? fv_op_find_attr(op, "left")->u.dims[0] : NULL,
                     *b = op ? fv_op_find_attr(op, "right")->u.dims[0] : NULL;
        if (!op || !is_ready(w, a) || !is_ready(w, b))
            continue;
        const fv_attr *says = fv_op_find_attr(op, "says");
        struct fv_relation r = {a, b, fv_op_string(op, "why").s, says ? says->u.s.s : NULL};
        check(&w->b, fv_x_bin(w->l->arena, FV_X_EQ, fv_p_dim(w->l, a), fv_p_dim(w->l, b)),
              FV_BAD_DIM, fv_relation_str(w->l->arena, &r));
        w->assumed[i] = NULL;
    }
}

static bool may_be_negative(const fv_type *t) {
    for (int i = 0; t->kind == FV_TENSOR && i < t->rank; i++)
        if (t->dims[i]->lo < 0)
            return true;
    return false;
}

/* Collects the types with dims that may be negative of all values that are computed from `op` up to
 * the end of the branch or iteration, whether these get memory or are substituted: for which dims a
 * run is refused must not depend on schedules. Nested branches are handled when they are
 * written. */
static void find_doubtful(writer *w, const fv_op *op) {
    for (int depth = 0; op && depth >= 0; op = op->next) {
        depth -= fv_mark_depth(op) < 0 || (op->def == &fv_else_def && !depth);
        for (int i = 0; i < op->nout && !depth; i++)
            if (op->out[i] && may_be_negative(op->out[i]->type))
                FV_PUSH(w->l->arena, w->doubtful, w->ndoubtful, w->cap_doubtful, op->out[i]->type);
        depth += fv_mark_depth(op) > 0;
    }
}

/* Checks dims that may be negative as soon as their symbols are known. */
static void check_doubtful(writer *w) {
    for (int i = 0; i < w->ndoubtful; i++)
        check_sizes(w, w->doubtful[i]);
}

/* The buffer with the memory of a value, with the extents of the value that owns it. */
static fv_buf *buffer_of(writer *w, fv_value *v) {
    return fv_storage_root(fv_storage_of(w->l, v))->buf;
}

static void check_what_is_known(writer *w) {
    check_relations(w);
    check_assumed(w);
    check_doubtful(w);
}

static void let_symbol(writer *w, const fv_dim *symbol, fv_expr *x) {
    fv_stmt *s = fv_kb_add(&w->b, FV_S_LET);
    s->var = fv_p_symbol_var(w->l, symbol);
    s->x = x;
    *fv_ptrmap_at(&w->ready, symbol) = (void *)symbol;
}

/* Sets `index` to the indices of element i in row-major order. A view may have another rank than
 * the buffer. */
static void index_of_element(fv_arena *a, const fv_buf *b, int i, fv_expr **index) {
    fv_expr *left = fv_x_int(a, i);
    for (int k = b->rank - 1; k >= 0; k--) {
        index[k] = k ? fv_x_bin(a, FV_X_FLOORMOD, left, b->extent[k]) : left;
        left = fv_x_bin(a, FV_X_FLOORDIV, left, b->extent[k]);
    }
}

/* The seed that the caller gives for random numbers. */
static void bind_seed(writer *w, fv_op *op) {
    fv_arena *a = w->l->arena;
    const fv_dim *d = fv_op_find_attr(op, "symbols")->u.dims[0];
    fv_read r = {.how = FV_READ_VALUE, .of = FV_ARG_ENV, .at = FV_ENV_SEED};
    fv_expr *x = fv_x_convert(a, FV_I64, fv_kb_read(&w->b, &r, "env_seed"));
    let_symbol(w, d, fv_x_bin(a, FV_X_AND, x, fv_x_int(a, d->hi)));
}

static void bind(writer *w, fv_op *op) {
    fv_lowerer *l = w->l;
    fv_arena *a = l->arena;
    const fv_attr *symbols = fv_op_find_attr(op, "symbols");
    const fv_attr *values = fv_op_find_attr(op, "values");
    fv_buf *b = op->nin ? buffer_of(w, op->in[0]) : NULL;
    for (int i = 0; values && i < symbols->n; i++)
        let_symbol(w, symbols->u.dims[i], fv_p_dim(l, values->u.dims[i]));
    for (int i = 0; b && i < symbols->n; i++) {
        const fv_dim *d = symbols->u.dims[i];
        fv_expr *index[FV_MAX_RANK];
        index_of_element(a, b, i, index);
        fv_expr *x = fv_x_convert(a, FV_I64, fv_x_load(a, b, index));
        fv_expr *within = fv_x_bin(a, FV_X_MAX, x, fv_x_int(a, d->lo));
        let_symbol(w, d, fv_x_bin(a, FV_X_MIN, within, fv_x_int(a, d->hi)));
        if (d->lo >= 0 && b->elem != FV_BOOL)
            check(&w->b, fv_x_bin(a, FV_X_EQ, x, fv_p_dim(l, d)), FV_BAD_DIM,
                  fv_printf(a, "dim '%s'", fv_dim_str(a, d)));
    }
    check_what_is_known(w);
}

/* ---- sizes ---- */

/* May a tensor with these dims have more elements than an integer holds? */
static bool may_overflow(const fv_port *port) {
    int64_t n = 1;
    for (int i = 0; i < port->rank; i++)
        if (port->dims[i]->hi > 0 && __builtin_mul_overflow(n, port->dims[i]->hi, &n))
            return true;
    return false;
}

/* Reports the dims of an output whose size depends on data, and checks that it fits the caller's
 * capacity. */
static void announce(writer *w, fv_buf *b) {
    fv_lowerer *l = w->l;
    fv_arena *a = l->arena;
    fv_port *port = &l->program->outputs[b->index];
    fv_var *capacity = l->program->capacity[b->index];
    if (!capacity)
        return;
    fv_expr *n = fv_x_int(a, 1);
    for (int i = 0; i < port->rank; i++) {
        fv_stmt *s = fv_kb_add(&w->b, FV_S_SETDIM);
        s->size.output = b->index;
        s->size.axis = i;
        s->x = fv_p_dim(l, port->dims[i]);
        n = fv_x_bin(a, FV_X_MULSAT, n, s->x);
    }
    /* n may be less than the number of elements if it saturates at INT64_MAX, so a capacity of
     * INT64_MAX must not pass the next check */
    if (may_overflow(port))
        check(&w->b, fv_x_bin(a, FV_X_LT, n, fv_x_int(a, INT64_MAX)), FV_TOO_LARGE,
              fv_printf(a, "size of output '%s'", port->name));
    check(&w->b, fv_x_bin(a, FV_X_LE, n, fv_x_var(a, capacity)), FV_TOO_SMALL,
          fv_printf(a, "capacity of output '%s'", port->name));
}

/* The size of the allocation for a value; for a result of a branch or loop, the size that it has
 * within it. */
static fv_expr *bytes_for(fv_lowerer *l, const fv_storage *s, const fv_buf *b) {
    for (; s->fate == FV_FATE_VIEW; s = s->of)
        if (s->of->value->def && fv_mark_depth(s->of->value->def) < 0)
            return fv_bytes_of(l, s->value->type);
    return b->bytes;
}

static void allocate(writer *w, fv_value *v, fv_buf *b) {
    fv_stmt *st = fv_kb_add(&w->b, FV_S_ALLOC);
    st->buf = b;
    st->x = bytes_for(w->l, fv_storage_of(w->l, v), b);
}

/* Before a value is first written: reports the dims of an output, or allocates memory. */
static void make_room(writer *w, fv_value *v) {
    fv_buf *b = buffer_of(w, v);
    if (b->role == FV_BUF_OUTPUT)
        announce(w, b);
    if (b->role == FV_BUF_HEAP)
        allocate(w, v, b);
}

/* The step at which the lifetime of the value's memory begins. For a state of a loop, this is
 * recorded with the state, and not with the value in whose memory it is stored. */
static int begins_at(fv_lowerer *l, const fv_value *v) {
    const fv_storage *s = fv_storage_of(l, v);
    while (s->first < 0 && s->fate == FV_FATE_VIEW)
        s = s->of;
    return s->first;
}

/* ---- branches and iterations ---- */

static fv_ptrmap copy_of(fv_arena *a, const fv_ptrmap *m) {
    fv_ptrmap r = fv_ptrmap_in(a);
    for (size_t i = 0; i < m->cap; i++)
        if (m->keys[i])
            *fv_ptrmap_at(&r, m->keys[i]) = m->values[i];
    return r;
}

/* Begins the branch or iteration that follows op. */
static void enter_branch(writer *w, const fv_op *op) {
    fv_arena *a = w->l->arena;
    w->ready = copy_of(a, &w->around->ready);
    w->sizes = copy_of(a, &w->around->sizes);
    w->ndoubtful = w->around->ndoubtful;
    w->nassumed = w->around->nassumed;
    find_doubtful(w, op->next);
    check_doubtful(w);
}

/* Enters a block, and returns the state before it, which the caller makes w->around: what becomes
 * known in the block is known within it only. Each symbol that is bound at the end gets a variable,
 * whose initial value is `first`. */
static struct around *step_inside(writer *w, const fv_attr *symbols, const fv_attr *first) {
    fv_arena *a = w->l->arena;
    struct around *r = FV_NEW(a, struct around, 1);
    *r = (struct around){.ready = copy_of(a, &w->ready),
                         .sizes = copy_of(a, &w->sizes),
                         .ndoubtful = w->ndoubtful,
                         .nassumed = w->nassumed,
                         .unknown = FV_NEW(a, fv_buf *, symbols->n + 1),
                         .outer = w->around};
    for (int i = 0; i < symbols->n; i++)
        r->unknown[i] = fv_kb_tile(&w->b, symbols->u.dims[i]->name, FV_I64, 0, NULL,
                                   first ? fv_p_dim(w->l, first->u.dims[i]) : fv_x_int(a, 0));
    return r;
}

/* Leaves a block: restores what was known before it, and binds the symbols. */
static void step_outside(writer *w, const fv_attr *symbols) {
    const struct around *r = w->around;
    fv_kb_end(&w->b);
    w->ready = r->ready;
    w->sizes = r->sizes;
    w->ndoubtful = r->ndoubtful;
    w->nassumed = r->nassumed;
    w->around = r->outer;
    for (int i = 0; i < symbols->n; i++)
        let_symbol(w, symbols->u.dims[i], fv_x_load(w->l->arena, r->unknown[i], NULL));
    check_what_is_known(w);
}

static fv_expr *load_cond(writer *w, const fv_op *op) {
    fv_expr *first[FV_MAX_RANK];
    fv_buf *b = buffer_of(w, op->in[0]);
    index_of_element(w->l->arena, b, 0, first);
    return fv_x_load(w->l->arena, b, first);
}

static void begin_if(writer *w, const fv_op *op) {
    struct around *r =
        step_inside(w, fv_op_find_attr(fv_branch_next(fv_branch_next(op)), "symbols"), NULL);
    fv_kb_if(&w->b, load_cond(w, op));
    w->around = r;
    enter_branch(w, op);
}

/* Stores the dims of a branch or an iteration in the variables of the symbols. */
static void store_dims(writer *w, const fv_attr *dims) {
    for (int i = 0; i < dims->n; i++)
        fv_kb_store(&w->b, w->around->unknown[i], NULL, fv_p_dim(w->l, dims->u.dims[i]), NULL);
}

/* Allocates memory for the rows of all iterations. */
static void make_room_for_rows(writer *w, const fv_op *end, int index) {
    for (int i = 0; i < end->nout; i++)
        if (end->out[i] && begins_at(w->l, end->out[i]) == index)
            make_room(w, end->out[i]);
}

static void begin_turns(writer *w, const fv_op *op, int index) {
    fv_arena *a = w->l->arena;
    const fv_op *end = fv_loop_end(op);
    make_room_for_rows(w, end, index);
    const fv_attr *symbols = fv_op_find_attr(op, "symbols"), *times = fv_op_find_attr(op, "times");
    struct around *r =
        step_inside(w, fv_op_find_attr(end, "symbols"), fv_op_find_attr(op, "first"));
    fv_expr *more = times ? fv_x_bin(a, FV_X_LT, fv_x_load(a, r->unknown[0], NULL),
                                     fv_p_dim(w->l, times->u.dims[0]))
                          : NULL;
    if (op->in[0] || end->in[0]) {
        r->goes_on = fv_kb_tile(&w->b, "goes_on", FV_BOOL, 0, NULL,
                                op->in[0] ? load_cond(w, op) : fv_x_const_int(a, FV_BOOL, 1));
        fv_expr *holds = fv_x_load(a, r->goes_on, NULL);
        more = more ? fv_x_bin(a, FV_X_AND, more, holds) : holds;
    }
    fv_kb_while(&w->b, more ? more : fv_x_const_int(a, FV_BOOL, 1));
    w->around = r;
    enter_branch(w, op);
    for (int i = 0; i < symbols->n; i++)
        let_symbol(w, symbols->u.dims[i], fv_x_load(a, r->unknown[i], NULL));
    check_what_is_known(w);
}

static void end_turns(writer *w, const fv_op *op) {
    store_dims(w, fv_op_find_attr(op, "next"));
    if (op->in[0])
        fv_kb_store(&w->b, w->around->goes_on, NULL, load_cond(w, op), NULL);
    step_outside(w, fv_op_find_attr(op, "symbols"));
}

static void statement(writer *w, int index) {
    fv_op *op = w->l->host.steps[index].op;
    if (fv_op_is(op, FV_OP_fv_Assume)) {
        FV_PUSH(w->l->arena, w->assumed, w->nassumed, w->cap_assumed, op);
        check_assumed(w);
    } else if (op->def == &fv_if_def) {
        begin_if(w, op);
    } else if (op->def == &fv_else_def) {
        store_dims(w, fv_op_find_attr(op, "dims"));
        fv_kb_else(&w->b);
        enter_branch(w, op);
    } else if (op->def == &fv_endif_def) {
        store_dims(w, fv_op_find_attr(op, "dims"));
        step_outside(w, fv_op_find_attr(op, "symbols"));
    } else if (op->def == &fv_loop_def) {
        begin_turns(w, op, index);
    } else if (op->def == &fv_endloop_def) {
        end_turns(w, op);
    } else if (fv_op_is(op, FV_OP_fv_Seed)) {
        bind_seed(w, op);
    } else {
        bind(w, op);
    }
}

/* ---- launches ---- */

/* The nodes of a kernel whose definitions check an index; NULL: there are none, as for a custom
 * kernel. */
static const char *indexing_nodes(fv_lowerer *l, const fv_origin *o) {
    fv_text t = {.arena = l->arena};
    for (int i = 0; i < o->n; i++)
        if (fv_ptrmap_get(&l->known.indexing, fv_intern(l->session, o->nodes[i])))
            fv_text_printf(&t, "%s%s", t.n ? ", " : "", o->nodes[i]);
    return t.s;
}

/* Allocates the memory of a state again if its type changes between iterations. */
static void make_room_again(writer *w, fv_value *v) {
    fv_buf *b = buffer_of(w, v);
    const fv_storage *s = fv_storage_of(w->l, v);
    while (s->fate == FV_FATE_VIEW &&
           !(s->of->value->def && s->of->value->def->def == &fv_endloop_def))
        s = s->of;
    if (b->role != FV_BUF_HEAP || s->fate != FV_FATE_VIEW ||
        fv_type_equal(v->type, s->of->value->type))
        return;
    fv_kb_add(&w->b, FV_S_FREE)->buf = b;
    allocate(w, v, b);
}

static void launch_with(writer *w, const fv_launch *n, fv_value *const *values, bool descending) {
    fv_lowerer *l = w->l;
    fv_buf **args = FV_NEW(l->arena, fv_buf *, n->nargs + n->nliterals + 1);
    fv_expr **dims = FV_NEW(l->arena, fv_expr *, n->ndims + 1);
    for (int i = 0; i < n->nargs; i++)
        args[i] = buffer_of(w, values[i]);
    for (int i = 0; i < n->nliterals; i++)
        args[n->nargs + i] = n->literals[i];
    for (int i = 0; i < n->ndims; i++)
        dims[i] = fv_p_dim(l, n->dims[i]);
    fv_stmt *s = fv_kb_add(&w->b, FV_S_LAUNCH);
    s->call.kernel = n->kernel;
    s->call.descending = descending;
    s->call.args = args;
    s->call.dims = dims;
    s->note.text = fv_origin_str(l->arena, n->origin);
    s->note.indexes = indexing_nodes(l, n->origin);
}

static void launch(writer *w, int index) {
    fv_launch *n = &w->l->host.steps[index].launch;
    fv_arena *a = w->l->arena;
    for (int i = 0; i < n->nargs; i++)
        check_sizes(w, n->args[i]->type);
    for (int i = 0; i < n->nargs; i++)
        if (n->kernel->bufs[i]->role == FV_BUF_IN)
            continue;
        else if (begins_at(w->l, n->args[i]) == index)
            make_room(w, n->args[i]);
        else
            make_room_again(w, n->args[i]);
    if (n->args_odd)
        fv_kb_if(&w->b,
                 fv_x_bin(a, FV_X_EQ, fv_x_bin(a, FV_X_FLOORMOD, w->iteration, fv_x_int(a, 2)),
                          fv_x_int(a, 0)));
    launch_with(w, n, n->args, false);
    if (n->args_odd) {
        fv_kb_else(&w->b);
        launch_with(w, n, n->args_odd, n->reverses_tasks);
        fv_kb_end(&w->b);
    }
}

/* ---- loops ---- */

static void begin_loop(writer *w, int index) {
    fv_lowerer *l = w->l;
    const fv_step *s = &l->host.steps[index];
    for (int i = 0; i < s->nvalues; i++) {
        bool again = false;
        for (int k = 0; k < i && !again; k++)
            again = buffer_of(w, s->values[k]) == buffer_of(w, s->values[i]);
        check_sizes(w, s->values[i]->type);
        if (!again && fv_storage_root(fv_storage_of(l, s->values[i]))->first == index)
            make_room(w, s->values[i]);
    }
    w->iteration = fv_kb_for(&w->b, FV_SERIAL, s->iteration->name, fv_x_int(l->arena, 0),
                             fv_p_dim(l, s->times), 1);
    *fv_ptrmap_at(&l->host.symbols, s->iteration) = w->iteration->u.var;
    *fv_ptrmap_at(&w->ready, s->iteration) = (void *)(uintptr_t)s->iteration;
}

static void end_loop(writer *w) {
    fv_kb_end(&w->b);
    w->iteration = NULL;
}

static void free_after(writer *w, int index) {
    int n;
    fv_value *const *values = fv_step_values(&w->l->host.steps[index], &n);
    for (int i = 0; i < n; i++) {
        fv_buf *b = buffer_of(w, values[i]);
        const fv_storage *s = fv_storage_root(fv_storage_of(w->l, values[i]));
        bool again = false;
        for (int k = 0; k < i; k++)
            again |= buffer_of(w, values[k]) == b;
        if (b->role == FV_BUF_HEAP && s->last == index && !again)
            fv_kb_add(&w->b, FV_S_FREE)->buf = b;
    }
}

/* ---- the program's own dims ---- */

/* A symbol that replaces a dim of an output which depends on data but is known under the bounds
 * that assumptions give: `broadcast(u, l)` is `l` if that is 3. Since the port has no extent before
 * the run, its dim must not be a number or a known dim. */
static const fv_dim *known_after_run(fv_dims *t, const fv_port *port, int axis, const fv_dim *own) {
    const fv_dim *d = port->dims[axis];
    int64_t hi = own->hi > d->lo ? own->hi : d->hi;
    return fv_dim_fresh(t, fv_printf(fv_dims_arena(t), "%s_%d", port->cname, axis), d->lo, hi,
                        true);
}

static void own_port_dims(fv_lowerer *l, fv_dims *t, fv_ptrmap *unknown, fv_port *port) {
    const fv_dim **dims = FV_NEW(l->arena, const fv_dim *, port->rank + 1);
    for (int i = 0; i < port->rank; i++) {
        dims[i] = fv_p_in_bounds(l, t, port->dims[i]);
        if (dims[i]->from_data == port->dims[i]->from_data)
            continue;
        const void **at = (const void **)fv_ptrmap_at(unknown, port->dims[i]);
        if (!*at)
            *at = known_after_run(t, port, i, dims[i]);
        dims[i] = *at;
    }
    port->dims = dims;
}

/* Replaces the dims of the program by dims of a table of its own, in which a symbol has the bounds
 * that the assumptions of the model leave, as in a program that is parsed: with h >= 2 the dim
 * `max(h - 2, 0)` is `h - 2`. */
static void own_dims(fv_lowerer *l) {
    fv_program *p = l->program;
    fv_dims *t = fv_dims_new(l->host.kept);
    const fv_dim *const *all;
    int n = fv_dim_symbols(p->symbols.table, &all);
    for (int i = 0; i < n; i++) {
        const fv_dim *own =
            fv_dim_fresh(t, all[i]->name, all[i]->least, all[i]->most, all[i]->from_data);
        for (int k = 0; k < p->symbols.n; k++)
            if (p->symbols.all[k] == all[i])
                p->symbols.all[k] = own;
    }
    /* dims of the module -> symbols that replace them */
    fv_ptrmap unknown = fv_ptrmap_in(l->arena);
    for (int i = 0; i < p->ninputs; i++)
        own_port_dims(l, t, &unknown, &p->inputs[i]);
    for (int i = 0; i < p->noutputs; i++)
        own_port_dims(l, t, &unknown, &p->outputs[i]);
    p->symbols.table = t;
}

bool fv_write_program(fv_lowerer *l) {
    writer w = {.l = l,
                .ready = fv_ptrmap_in(l->arena),
                .sizes = fv_ptrmap_in(l->arena),
                .relations = FV_NEW(l->arena, bool, l->module->nrelations + 1)};
    fv_kb_init(&w.plan, l->arena, NULL, &l->program->host.plan);
    fv_kb_init(&w.b, l->arena, NULL, &l->program->host.body);
    make_ports(l);
    check_relations(&w);
    const fv_region *r = l->func->body;
    for (int i = 0; i < r->nparams; i++)
        check_sizes(&w, r->params[i]->type);
    find_doubtful(&w, r->first);
    check_doubtful(&w);
    for (int i = 0; i < l->host.nsteps; i++) {
        switch (l->host.steps[i].kind) {
        case FV_STEP_LAUNCH: launch(&w, i); break;
        case FV_STEP_STATEMENT: statement(&w, i); break;
        case FV_STEP_LOOP: begin_loop(&w, i); break;
        case FV_STEP_END: end_loop(&w); break;
        }
        free_after(&w, i);
    }
    own_dims(l);
    fv_program_protocol(l->program);
    return true;
}
