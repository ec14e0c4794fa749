/* cost.c - counts the operations and bytes of a launch by walking over its kernel once.
 *
 * What the body of a loop does is multiplied by the number of iterations. The body is walked for
 * every value of the loop's variable only if bounds or conditions in it depend on that variable, as
 * for the last, shorter block of rows. */
#include "backend/cost.h"

#include "ir/base/ptrmap.h"
#include "ir/expr/fold.h"
#include "ir/expr/visit.h"

/* Number of values of a variable that are walked individually; of a longer loop, this many values
 * at even distances are walked. */
enum { SAMPLES = 512, INNER_SAMPLES = 32 };

typedef struct number {
    int64_t value;
    bool known;
    bool steers; /* whether a bound or a condition depends on the variable */
} number;

typedef struct traffic {
    double loads, stores; /* numbers of elements that are loaded and stored */
} traffic;

typedef struct counter {
    fv_arena *arena;
    fv_ptrmap numbers; /* fv_var -> its value */
    const fv_kernel *kernel;
    traffic *traffic; /* for each parameter: what is read and written */
    double flops;
    bool exact;
    int depth; /* number of loops around the current statement that are walked value by value */
} counter;

static number *number_of(counter *c, const fv_var *v) {
    void **at = fv_ptrmap_at(&c->numbers, v);
    if (!*at)
        *at = FV_NEW(c->arena, number, 1);
    return *at;
}

static void set(counter *c, const fv_var *v, int64_t value) {
    number *n = number_of(c, v);
    n->value = value;
    n->known = true;
}

/* ---- integers ---- */

static bool known(void *user, const fv_var *v, int64_t *value) {
    const number *n = number_of(user, v);
    *value = n->value;
    return n->known;
}

/* The value of an integer or bool, if dims and loop variables determine it. */
static bool evaluate(counter *c, const fv_expr *x, int64_t *out) {
    return fv_x_value(x, known, c, out);
}

/* ---- on which variables bounds and conditions depend ---- */

static void steer(counter *c, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(c->arena, root); (x = fv_x_next(&v));) {
        if (x->op == FV_X_VAR)
            number_of(c, x->u.var)->steers = true;
        if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
            fv_x_skip(
                &v); /* a loaded value is not known, so variables in its indices do not count */
    }
}

/* Marks the variables on which bounds and conditions depend. Goes backwards: if a let matters, so
 * do the variables in its value. */
static void find_steering(counter *c, const fv_block *block) {
    int n = 0, cap = 0;
    const fv_stmt **list = NULL;
    for (const fv_stmt *s = block->first; s; s = s->next)
        FV_PUSH(c->arena, list, n, cap, s);
    while (n-- > 0) {
        const fv_stmt *s = list[n];
        find_steering(c, &s->body);
        find_steering(c, &s->other);
        if (s->kind == FV_S_FOR) {
            steer(c, s->loop.lo);
            steer(c, s->loop.hi);
        }
        if (s->kind == FV_S_IF || s->kind == FV_S_WHILE ||
            (s->kind == FV_S_LET && number_of(c, s->var)->steers))
            steer(c, s->x);
    }
}

/* ---- operations ---- */

int fv_cost_of_operation(fv_expr_op op) {
    if (fv_expr_op_is_math(op))
        return 1;
    switch ((int)op) {
    case FV_X_ADD:
    case FV_X_SUB:
    case FV_X_MUL:
    case FV_X_DIV:
    case FV_X_MIN:
    case FV_X_MAX:
    case FV_X_SQRT:
    case FV_X_FLOOR:
    case FV_X_CEIL:
    case FV_X_TRUNC:
    case FV_X_RINT: return 1;
    case FV_X_FMA: return 2;
    case FV_X_DOT_BF16: return 4;
    default: return 0;
    }
}

static traffic *traffic_of(counter *c, const fv_buf *b) {
    for (int i = 0; i < c->kernel->nbufs; i++)
        if (c->kernel->bufs[i] == b)
            return &c->traffic[i];
    return NULL; /* a tile, whose accesses are not counted */
}

static void count_expr(counter *c, const fv_expr *x, double times) {
    traffic *t;
    if (!x)
        return;
    if (fv_elem_is_float((fv_elem)x->type.elem))
        c->flops += times * x->type.lanes * fv_cost_of_operation((fv_expr_op)x->op);
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && (t = traffic_of(c, x->u.buf)))
        t->loads += times * x->type.lanes;
    for (int i = 0; i < x->n; i++)
        count_expr(c, x->arg[i], times);
}

static void count_store(counter *c, const fv_stmt *s, double times) {
    traffic *t = traffic_of(c, s->buf);
    if (t)
        t->stores += times * s->x->type.lanes;
    for (int i = 0; i < s->buf->rank; i++)
        count_expr(c, s->index[i], times);
    count_expr(c, s->x, times);
    count_expr(c, s->mask, times);
}

/* ---- statements ---- */

static void count_block(counter *c, const fv_block *block, double times);

/* Counts the operations of a loop for var = lo, lo + step, ..., which has `trips` iterations. */
static void count_loop(counter *c, const fv_var *var, int64_t lo, int64_t step, int64_t trips,
                       const fv_block *body, double times) {
    number *n = number_of(c, var);
    int64_t samples = c->depth ? INNER_SAMPLES : SAMPLES;
    if (trips <= 0)
        return;
    if (!n->steers || trips == 1) {
        *n = (number){lo, trips == 1, n->steers};
        count_block(c, body, times * (double)trips);
        return;
    }
    if (trips <= samples)
        samples = trips;
    else
        c->exact = false;
    c->depth++;
    for (int64_t i = 0; i < samples; i++) {
        int64_t at = samples == trips
                         ? i
                         : (int64_t)((double)i / (double)(samples - 1) * (double)(trips - 1));
        set(c, var, lo + at * step);
        count_block(c, body, times * (double)trips / (double)samples);
    }
    c->depth--;
}

static void count_for(counter *c, const fv_stmt *s, double times) {
    int64_t lo, hi;
    count_expr(c, s->loop.lo, times);
    count_expr(c, s->loop.hi, times);
    if (evaluate(c, s->loop.lo, &lo) && evaluate(c, s->loop.hi, &hi)) {
        count_loop(c, s->var, lo, s->loop.step, hi > lo ? (hi - lo - 1) / s->loop.step + 1 : 0,
                   &s->body, times);
        return;
    }
    c->exact = false;
    number_of(c, s->var)->known = false;
    count_block(c, &s->body, times);
}

/* Counts both branches of a condition that is not known, and keeps the one with more operations. */
static void count_unknown_if(counter *c, const fv_stmt *s, double times) {
    double before = c->flops, body, other;
    size_t bytes = (size_t)c->kernel->nbufs * sizeof(traffic);
    traffic *kept = c->traffic;
    c->exact = false;
    c->traffic = fv_alloc(c->arena, 1, bytes + 1);
    count_block(c, &s->body, times);
    body = c->flops - before;
    count_block(c, &s->other, times);
    other = c->flops - before - body;
    c->flops = before;
    c->traffic = kept;
    count_block(c, other > body ? &s->other : &s->body, times);
}

static void count_if(counter *c, const fv_stmt *s, double times) {
    int64_t condition;
    count_expr(c, s->x, times);
    if (evaluate(c, s->x, &condition))
        count_block(c, condition ? &s->body : &s->other, times);
    else if (s->other.first)
        count_unknown_if(c, s, times);
    else {
        c->exact = false;
        count_block(c, &s->body, times);
    }
}

static void count_let(counter *c, const fv_stmt *s, double times) {
    number *n = number_of(c, s->var);
    count_expr(c, s->x, times);
    n->known = evaluate(c, s->x, &n->value);
}

static double elements(counter *c, const fv_buf *b);

/* Counts a call of a library function: it reads or writes its buffers once; its operations are not
 * known. */
static void count_call(counter *c, const fv_stmt *s) {
    c->exact = false;
    for (int i = 0; i < s->call.library->nparams; i++) {
        double n = elements(c, s->call.args[i]);
        if (s->call.library->params[i].written)
            c->traffic[s->call.args[i]->id].stores += n < 0 ? 0 : n;
        else
            c->traffic[s->call.args[i]->id].loads += n < 0 ? 0 : n;
    }
}

static void count_block(counter *c, const fv_block *block, double times) {
    for (const fv_stmt *s = block->first; s; s = s->next)
        switch (s->kind) {
        case FV_S_LET: count_let(c, s, times); break;
        case FV_S_STORE: count_store(c, s, times); break;
        case FV_S_TILE: count_expr(c, s->x, times); break;
        case FV_S_FOR: count_for(c, s, times); break;
        case FV_S_IF: count_if(c, s, times); break;
        case FV_S_WHILE:
            c->exact = false;
            count_expr(c, s->x, times);
            count_block(c, &s->body, times);
            break;
        case FV_S_OUTLINE: count_block(c, &s->body, times); break;
        case FV_S_CALL: count_call(c, s); break;
        case FV_S_PREFETCH:
        case FV_S_TRANSPOSE:
        case FV_S_COMMENT:
        case FV_S_READ:
        case FV_S_PLAN:
        case FV_S_MEMORY:
        case FV_S_CHECK:
        case FV_S_LAUNCH:
        case FV_S_ALLOC:
        case FV_S_FREE:
        case FV_S_SETDIM: break;
        }
}

/* ---- a kernel ---- */

/* The number of elements of a parameter; negative: not known. */
static double elements(counter *c, const fv_buf *b) {
    double n = 1;
    for (int i = 0; i < b->rank; i++) {
        int64_t extent;
        if (!b->extent || !b->extent[i] || !evaluate(c, b->extent[i], &extent))
            return -1;
        n *= (double)(extent > 0 ? extent : 0);
    }
    return n;
}

static double touched(double accesses, double size) {
    return size >= 0 && size < accesses ? size : accesses;
}

static fv_cost cost(counter *c, const fv_buf *const *same, double *touches) {
    fv_cost sum = {.flops = c->flops, .exact = c->exact};
    for (int i = 0; i < c->kernel->nbufs; i++) {
        const fv_buf *b = c->kernel->bufs[i];
        double size = elements(c, b), bytes = fv_elem_storage_bytes(b->elem);
        /* another parameter that is read may have the same memory, which counts once */
        bool again = false;
        for (int k = 0; same && k < i; k++)
            again |= same[k] == same[i] && c->traffic[k].loads > 0;
        if (!again)
            sum.read += bytes * touched(c->traffic[i].loads, size);
        sum.written += bytes * touched(c->traffic[i].stores, size);
        if (touches)
            touches[i] = bytes * touched(c->traffic[i].loads + c->traffic[i].stores, size);
    }
    return sum;
}

static fv_cost count_kernel(fv_arena *scratch, const fv_kernel *k, const int64_t *dims,
                            const fv_buf *const *args, double *touches) {
    counter c = {.arena = scratch,
                 .numbers = fv_ptrmap_in(scratch),
                 .kernel = k,
                 .exact = true,
                 .traffic = FV_NEW(scratch, traffic, k->nbufs + 1)};
    int64_t tasks;
    for (int i = 0; i < k->ndims; i++)
        set(&c, k->dims[i], dims[i]);
    find_steering(&c, &k->body);
    if (!k->task)
        count_block(&c, &k->body, 1);
    else if (evaluate(&c, k->tasks, &tasks))
        count_loop(&c, k->task, 0, 1, tasks, &k->body, 1);
    return cost(&c, args, touches);
}

fv_cost fv_cost_kernel(fv_arena *scratch, const fv_kernel *k, const int64_t *dims) {
    return count_kernel(scratch, k, dims, NULL, NULL);
}

/* ---- a program ---- */

static void list_launches(fv_arena *a, const fv_block *b, fv_launch_cost **list, int *n, int *cap) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        if (s->kind == FV_S_LAUNCH)
            FV_PUSH(a, *list, *n, *cap, ((fv_launch_cost){.launch = s, .kernel = s->call.kernel}));
        list_launches(a, &s->body, list, n, cap);
        list_launches(a, &s->other, list, n, cap);
    }
}

int fv_cost_launches(fv_arena *a, const fv_program *p, fv_launch_cost **out) {
    int n = 0, cap = 0;
    *out = NULL;
    list_launches(a, &p->host.body, out, &n, &cap);
    return n;
}

/* Evaluates the lets of the host program from the symbols; what depends on a loop or on data stays
 * unknown. */
static void bind_lets(counter *c, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        if (s->kind == FV_S_LET) {
            number *n = number_of(c, s->var);
            n->known = n->known || evaluate(c, s->x, &n->value);
        }
        bind_lets(c, &s->body);
        bind_lets(c, &s->other);
    }
}

static void evaluate_launch(counter *host, fv_arena *scratch, fv_launch_cost *l) {
    const fv_kernel *k = l->kernel;
    int64_t *dims = FV_NEW(scratch, int64_t, k->ndims + 1);
    l->known = true;
    l->touched = FV_NEW(scratch, double, k->nbufs + 1);
    for (int i = 0; i < k->ndims && l->known; i++)
        l->known = evaluate(host, l->launch->call.dims[i], &dims[i]);
    if (l->known)
        l->cost =
            count_kernel(scratch, k, dims, (const fv_buf *const *)l->launch->call.args, l->touched);
}

void fv_cost_evaluate(fv_arena *scratch, const fv_program *p, const int64_t *dims, int n,
                      fv_launch_cost *list) {
    counter host = {.arena = scratch, .numbers = fv_ptrmap_in(scratch)};
    for (int i = 0; i < p->symbols.n; i++)
        set(&host, p->symbols.vars[i], dims[i]);
    bind_lets(&host, &p->host.plan);
    bind_lets(&host, &p->host.body);
    for (int i = 0; i < n; i++)
        evaluate_launch(&host, scratch, &list[i]);
}

static bool is_outside(const fv_buf *b) {
    return b->role == FV_BUF_INPUT || b->role == FV_BUF_OUTPUT || b->role == FV_BUF_CONST;
}

/* Of each buffer outside of the workspace, takes the maximum of the bytes that one launch reads or
 * writes; two launches that access two halves are not distinguished from two launches that access
 * the same half. */
double fv_cost_memory(fv_arena *scratch, int n, const fv_launch_cost *list) {
    fv_ptrmap most = fv_ptrmap_in(scratch); /* fv_buf -> double */
    double sum = 0;
    for (int i = 0; i < n; i++)
        for (int k = 0; list[i].known && k < list[i].kernel->nbufs; k++) {
            const fv_buf *b = list[i].launch->call.args[k];
            if (!is_outside(b))
                continue;
            void **at = fv_ptrmap_at(&most, b);
            double *bytes = *at ? *at : (*at = FV_NEW(scratch, double, 1));
            if (list[i].touched[k] > *bytes) {
                sum += list[i].touched[k] - *bytes;
                *bytes = list[i].touched[k];
            }
        }
    return sum;
}

/* Two fma of whole vectors a cycle, or eight bytes from memory, whichever takes longer. */
double fv_cost_cycles(const fv_cost *c, const fv_target *t) {
    double lanes = t->vector_bits >= 64 ? t->vector_bits / 32 : 1;
    double computing = c->flops / (4 * lanes), moving = (c->read + c->written) / 8;
    return computing > moving ? computing : moving;
}
