/* clone.c - see clone.h. What occurs several times, such as a variable, is copied once. */
#include "ir/kernel/clone.h"

#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/expr/unique.h"

typedef struct cloner {
    fv_arena *a;
    fv_ptrmap made; /* a variable, buffer, node, kernel or text -> its copy */
} cloner;

/* ---- parts ---- */

static const char *text(cloner *c, const char *s) {
    if (!s)
        return NULL;
    void **at = fv_ptrmap_at(&c->made, s);
    return *at ? *at : (*at = fv_strdup(c->a, s));
}

static void *array(cloner *c, const void *from, int n, size_t size) {
    return from ? memcpy(fv_alloc(c->a, (size_t)n + 1, size), from, (size_t)n * size) : NULL;
}

static fv_var *var(cloner *c, const fv_var *v) {
    if (!v)
        return NULL;
    void **at = fv_ptrmap_at(&c->made, v);
    if (*at)
        return *at;
    fv_var *r = *at = FV_NEW(c->a, fv_var, 1);
    *r = *v;
    r->name = text(c, v->name);
    return r;
}

static fv_var **vars(cloner *c, fv_var *const *from, int n) {
    fv_var **r = array(c, from, n, sizeof *from);
    for (int i = 0; r && i < n; i++)
        r[i] = var(c, from[i]);
    return r;
}

static fv_expr *expr(cloner *c, const fv_expr *x);

static fv_expr **exprs(cloner *c, fv_expr *const *from, int n) {
    fv_expr **r = array(c, from, n, sizeof *from);
    for (int i = 0; r && i < n; i++)
        r[i] = expr(c, from[i]);
    return r;
}

static const char **texts(cloner *c, const char *const *from, int n) {
    const char **r = array(c, from, n, sizeof *from);
    for (int i = 0; r && i < n; i++)
        r[i] = text(c, from[i]);
    return r;
}

static fv_buf *buf(cloner *c, const fv_buf *b) {
    if (!b)
        return NULL;
    void **at = fv_ptrmap_at(&c->made, b);
    if (*at)
        return *at;
    fv_buf *r = *at = FV_NEW(c->a, fv_buf, 1);
    *r = *b;
    r->name = text(c, b->name);
    r->extent = exprs(c, b->extent, b->rank);
    r->offset = expr(c, b->offset);
    r->bytes = expr(c, b->bytes);
    r->sharing.over = texts(c, b->sharing.over, b->sharing.nover);
    r->sharing.parts = texts(c, b->sharing.parts, b->sharing.nparts);
    r->value = NULL;
    return r;
}

static fv_buf **bufs(cloner *c, fv_buf *const *from, int n) {
    fv_buf **r = array(c, from, n, sizeof *from);
    for (int i = 0; r && i < n; i++)
        r[i] = buf(c, from[i]);
    return r;
}

static void payload(cloner *c, fv_expr *x) {
    switch ((fv_expr_op)x->op) {
    case FV_X_VAR: x->u.var = var(c, x->u.var); break;
    case FV_X_LOAD:
    case FV_X_GUARD: x->u.buf = buf(c, x->u.buf); break;
    case FV_X_REDUCE: x->u.red.vars = vars(c, x->u.red.vars, x->u.red.nvars); break;
    default: break; /* no pointer but a dim */
    }
}

/* Nodes are copied as they are: constructors would simplify them. */
static fv_expr *expr(cloner *c, const fv_expr *x) {
    if (!x)
        return NULL;
    void **at = fv_ptrmap_at(&c->made, x);
    if (*at)
        return *at;
    size_t bytes = sizeof *x + x->n * sizeof(fv_expr *);
    fv_expr *r = *at = fv_alloc(c->a, 1, bytes);
    memcpy(r, x, bytes);
    for (int i = 0; i < x->n; i++)
        r->arg[i] = expr(c, x->arg[i]);
    payload(c, r);
    fv_x_hash_vars(r);
    return r;
}

/* ---- statements ---- */

static fv_kernel *kernel(cloner *c, const fv_kernel *k);
static fv_block block(cloner *c, const fv_block *from);

static fv_stmt_call call(cloner *c, const fv_stmt_call *from) {
    fv_stmt_call r = *from;
    const int nargs = from->kernel    ? from->kernel->nbufs
                      : from->library ? from->library->nparams
                                      : 0;
    r.kernel = kernel(c, from->kernel);
    r.args = bufs(c, from->args, nargs);
    r.dims = exprs(c, from->dims, from->kernel ? from->kernel->ndims : 0);
    return r;
}

static fv_stmt *stmt(cloner *c, const fv_stmt *s) {
    fv_stmt *r = FV_NEW(c->a, fv_stmt, 1);
    *r = *s;
    r->next = NULL;
    r->var = var(c, s->var);
    r->buf = buf(c, s->buf);
    r->x = expr(c, s->x);
    r->index = exprs(c, s->index, s->buf ? s->buf->rank : 0);
    r->mask = expr(c, s->mask);
    r->loop.lo = expr(c, s->loop.lo);
    r->loop.hi = expr(c, s->loop.hi);
    r->body = block(c, &s->body);
    r->other = block(c, &s->other);
    r->call = call(c, &s->call);
    r->note.text = text(c, s->note.text);
    r->note.indexes = text(c, s->note.indexes);
    return r;
}

static fv_block block(cloner *c, const fv_block *from) {
    fv_block r = {0};
    for (const fv_stmt *s = from->first; s; s = s->next) {
        fv_stmt *copy = stmt(c, s);
        if (r.last)
            r.last->next = copy;
        else
            r.first = copy;
        r.last = copy;
    }
    return r;
}

/* ---- kernels ---- */

/* Copies all but names and schedule. */
static fv_kernel *body_of(cloner *c, const fv_kernel *k) {
    fv_kernel *r = FV_NEW(c->a, fv_kernel, 1);
    *r = *k;
    r->arena = c->a;
    r->bufs = bufs(c, k->bufs, k->nbufs);
    r->dims = vars(c, k->dims, k->ndims);
    r->body = block(c, &k->body);
    r->task = var(c, k->task);
    r->tasks = expr(c, k->tasks);
    return r;
}

static fv_kernel *kernel(cloner *c, const fv_kernel *k) {
    if (!k)
        return NULL;
    fv_kernel *r = fv_ptrmap_get(&c->made, k);
    if (r)
        return r;
    r = body_of(c, k); /* adds to the map, so the address in it is asked for afterwards */
    *fv_ptrmap_at(&c->made, k) = r;
    r->name = text(c, k->name);
    r->origin = text(c, k->origin);
    r->formula = text(c, k->formula);
    r->schedule = array(c, k->schedule, 1, sizeof *k->schedule);
    return r;
}

fv_kernel *fv_kernel_clone(fv_arena *a, const fv_kernel *k) {
    fv_arena *scratch = fv_arena_new(fv_arena_session(a));
    cloner c = {.a = a, .made = fv_ptrmap_in(scratch)};
    for (int i = 0; i < k->nbufs; i++)
        *fv_ptrmap_at(&c.made, k->bufs[i]) = k->bufs[i];
    for (int i = 0; i < k->ndims; i++)
        *fv_ptrmap_at(&c.made, k->dims[i]) = k->dims[i];
    fv_kernel *r = body_of(&c, k);
    fv_arena_free(scratch);
    return r;
}

/* ---- programs ---- */

static fv_port *ports(cloner *c, const fv_port *from, int n) {
    fv_port *r = array(c, from, n, sizeof *from);
    for (int i = 0; r && i < n; i++) {
        r[i].name = text(c, from[i].name);
        r[i].cname = text(c, from[i].cname);
        r[i].dims = array(c, from[i].dims, from[i].rank, sizeof *from[i].dims);
        r[i].extent = exprs(c, from[i].extent, from[i].rank);
        r[i].buf = buf(c, from[i].buf);
    }
    return r;
}

static void memory(cloner *c, fv_program_memory *m) {
    m->constants = array(c, m->constants, m->nconstants, sizeof *m->constants);
    for (int i = 0; i < m->nconstants; i++) {
        m->constants[i].name = text(c, m->constants[i].name);
        m->constants[i].buf = buf(c, m->constants[i].buf);
    }
    m->buffers = bufs(c, m->buffers, m->nbuffers);
    m->workspace = expr(c, m->workspace);
    m->order_kept = text(c, m->order_kept);
}

static void relations(cloner *c, fv_program_relations *r) {
    r->all = array(c, r->all, r->n, sizeof *r->all);
    r->cap = r->n;
    for (int i = 0; i < r->n; i++) {
        r->all[i].left = text(c, r->all[i].left);
        r->all[i].right = text(c, r->all[i].right);
        r->all[i].why = text(c, r->all[i].why);
    }
}

fv_program *fv_program_clone(fv_arena *a, const fv_program *p) {
    fv_arena *scratch = fv_arena_new(fv_arena_session(a));
    cloner c = {.a = a, .made = fv_ptrmap_in(scratch)};
    fv_program *r = FV_NEW(a, fv_program, 1);
    *r = *p;
    r->arena = a;
    r->name = text(&c, p->name);
    r->symbols.all = array(&c, p->symbols.all, p->symbols.n, sizeof *p->symbols.all);
    r->symbols.vars = vars(&c, p->symbols.vars, p->symbols.n);
    r->inputs = ports(&c, p->inputs, p->ninputs);
    r->outputs = ports(&c, p->outputs, p->noutputs);
    r->kernels = array(&c, p->kernels, p->nkernels, sizeof *p->kernels);
    for (int i = 0; i < p->nkernels; i++)
        r->kernels[i] = kernel(&c, p->kernels[i]);
    r->capacity = vars(&c, p->capacity, p->noutputs);
    memory(&c, &r->memory);
    r->host.plan = block(&c, &p->host.plan);
    r->host.query = block(&c, &p->host.query);
    r->host.body = block(&c, &p->host.body);
    relations(&c, &r->relations);
    r->source.hash = text(&c, p->source.hash);
    r->source.producer = text(&c, p->source.producer);
    fv_arena_free(scratch);
    return r;
}
