/* cost.c - counts the operations and bytes of a launch by a walk over its kernel. */
#include "backend/cost/cost.h"

#include <math.h>

#include "ir/base/ptrmap.h"

typedef struct traffic {
    double loads, stores; /* numbers of elements that are loaded and stored */
} traffic;

typedef struct counter {
    const fv_kernel *kernel;
    traffic *traffic; /* for each parameter: what is read and written */
    double flops;
} counter;

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
    c->flops += times * fv_walk_operations_of(x);
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

/* Counts a call of a library function: it reads or writes its buffers once; its operations are not
 * known. */
static void count_call(fv_walk *w, const fv_stmt *s) {
    counter *c = w->user;
    for (int i = 0; i < s->call.library->nparams; i++) {
        double n = fv_walk_elements(w, s->call.args[i]);
        if (s->call.library->params[i].written)
            c->traffic[s->call.args[i]->id].stores += n < 0 ? 0 : n;
        else
            c->traffic[s->call.args[i]->id].loads += n < 0 ? 0 : n;
    }
}

static void count_statement(fv_walk *w, const fv_stmt *s, double times) {
    counter *c = w->user;
    if (s->kind == FV_S_STORE)
        count_store(c, s, times);
    else if (s->kind == FV_S_CALL)
        count_call(w, s);
    else if (s->kind == FV_S_FOR) {
        count_expr(c, s->loop.lo, times);
        count_expr(c, s->loop.hi, times);
    } else if (s->kind != FV_S_PREFETCH && s->kind != FV_S_TRANSPOSE)
        count_expr(c, s->x, times);
}

/* ---- a kernel ---- */

static double touched(double accesses, double size) {
    return size >= 0 && size < accesses ? size : accesses;
}

static fv_cost cost(fv_walk *w, const fv_buf *const *same, double *touches) {
    const counter *c = w->user;
    fv_cost sum = {.flops = c->flops, .exact = w->exact};
    for (int i = 0; i < c->kernel->nbufs; i++) {
        const fv_buf *b = c->kernel->bufs[i];
        double size = fv_walk_elements(w, b), bytes = fv_elem_storage_bytes(b->elem);
        /* memory counts once if an earlier parameter that is read has the same memory */
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

/* Counts with loads of parameters unknown, or, if `usual`, with their usual values. */
static fv_cost count_once(fv_arena *scratch, const fv_kernel *k, const int64_t *dims,
                          const fv_buf *const *args, double *touches, bool usual) {
    static const fv_walk_calls calls = {.statement = count_statement};
    fv_arena *a = fv_arena_new(fv_arena_session(scratch)); /* a walk needs megabytes */
    counter c = {.kernel = k, .traffic = FV_NEW(a, traffic, k->nbufs + 1)};
    fv_walk w = fv_walk_new(a, &calls, &c);
    w.values.usual = usual;
    fv_walk_kernel(&w, k, dims);
    fv_cost is = cost(&w, args, touches);
    fv_arena_free(a);
    return is;
}

/* Where data decide what runs, conditions have their usual outcome: of two kernels that share the
 * work by such a condition only one counts. */
static fv_cost count_kernel(fv_arena *scratch, const fv_kernel *k, const int64_t *dims,
                            const fv_buf *const *args, double *touches) {
    fv_cost is = count_once(scratch, k, dims, args, touches, false);
    if (!is.exact) {
        is = count_once(scratch, k, dims, args, touches, true);
        is.exact = false;
    }
    return is;
}

fv_cost fv_cost_kernel(fv_arena *scratch, const fv_kernel *k, const int64_t *dims) {
    return count_kernel(scratch, k, dims, NULL, NULL);
}

/* ---- a program ---- */

typedef struct launches {
    fv_launch_cost *list;
    int n, cap;
} launches;

static void list_launches(fv_arena *a, const fv_block *b, const fv_stmt *loop, launches *to) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        bool repeats = s->kind == FV_S_FOR || s->kind == FV_S_WHILE;
        const fv_stmt *own = repeats && !loop ? s : loop;
        if (s->kind == FV_S_LAUNCH)
            FV_PUSH(a, to->list, to->n, to->cap,
                    ((fv_launch_cost){.launch = s, .kernel = s->call.kernel, .loop = loop}));
        list_launches(a, &s->body, own, to);
        list_launches(a, &s->other, own, to);
    }
}

int fv_cost_launches(fv_arena *a, const fv_program *p, fv_launch_cost **out) {
    launches all = {0};
    list_launches(a, &p->host.body, NULL, &all);
    *out = all.list;
    return all.n;
}

/* Gives the variable of a loop the value that it has in the middle of its iterations, or at the
 * begin, if data decide where the loop ends. */
static void bind_loop(fv_walk *host, const fv_stmt *s) {
    int64_t lo, hi;
    if (!fv_walk_evaluate(host, s->loop.lo, &lo))
        return;
    int64_t half = fv_walk_evaluate(host, s->loop.hi, &hi) && hi > lo
                       ? (hi - 1 - lo) / 2 / s->loop.step * s->loop.step
                       : 0;
    fv_walk_set(host, s->var, lo + half);
}

/* Evaluates the lets of the host program from the symbols; what depends on data stays unknown. */
static void bind_lets(fv_walk *host, const fv_block *b) {
    for (const fv_stmt *s = b->first; s; s = s->next) {
        if (s->kind == FV_S_FOR)
            bind_loop(host, s);
        if (s->kind == FV_S_LET) {
            fv_variable_value *n = fv_values_of_variable(&host->values, s->var);
            n->known = n->known || fv_walk_evaluate(host, s->x, &n->value);
        }
        bind_lets(host, &s->body);
        bind_lets(host, &s->other);
    }
}

static void evaluate_launch(fv_walk *host, fv_arena *scratch, fv_launch_cost *l) {
    const fv_kernel *k = l->kernel;
    l->dims = FV_NEW(scratch, int64_t, k->ndims + 1);
    l->known = true;
    l->touched = FV_NEW(scratch, double, k->nbufs + 1);
    for (int i = 0; i < k->ndims && l->known; i++)
        l->known = fv_walk_evaluate(host, l->launch->call.dims[i], &l->dims[i]);
    if (l->known)
        l->cost = count_kernel(scratch, k, l->dims, (const fv_buf *const *)l->launch->call.args,
                               l->touched);
}

fv_walk fv_cost_host(fv_arena *scratch, const fv_program *p, const int64_t *dims) {
    fv_walk host = fv_walk_new(scratch, NULL, NULL);
    for (int i = 0; i < p->symbols.n; i++)
        fv_walk_set(&host, p->symbols.vars[i], dims[i]);
    bind_lets(&host, &p->host.plan);
    bind_lets(&host, &p->host.body);
    return host;
}

double fv_cost_iterations(fv_walk *host, const fv_stmt *loop) {
    int64_t lo, hi;
    if (!loop || loop->kind != FV_S_FOR || !fv_walk_evaluate(host, loop->loop.lo, &lo) ||
        !fv_walk_evaluate(host, loop->loop.hi, &hi))
        return 1;
    return hi > lo ? ceil((double)(hi - lo) / (double)loop->loop.step) : 0;
}

void fv_cost_evaluate(fv_arena *scratch, const fv_program *p, const int64_t *dims, int n,
                      fv_launch_cost *list) {
    fv_walk host = fv_cost_host(scratch, p, dims);
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

/* The cycles of the operations at two fma of whole vectors a cycle, or those of moving the bytes at
 * eight a cycle, whichever are more. */
double fv_cost_cycles(const fv_cost *c, const fv_target *t) {
    double lanes = t->vector_bits >= 64 ? t->vector_bits / 32 : 1;
    double computing = c->flops / (4 * lanes), moving = (c->read + c->written) / 8;
    return computing > moving ? computing : moving;
}
