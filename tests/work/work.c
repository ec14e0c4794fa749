/* work.c - see work.h. */
#include "tests/work/work.h"

#include <string.h>

#include "backend/cost/cost.h"
#include "backend/lowering/sizes.h"
#include "passes/passes.h"

/* ---- definitions ---- */

typedef struct counter {
    const fv_var **vars; /* indices of the definition, and what its reductions bind */
    int n, cap;
    fv_arena *arena;
    fv_ptrmap seen;
    double sum;
} counter;

static void find_bound(counter *c, const fv_expr *x) {
    if (!x->n || *fv_ptrmap_at(&c->seen, x))
        return;
    *fv_ptrmap_at(&c->seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        FV_PUSH(c->arena, c->vars, c->n, c->cap, x->u.red.vars[i]);
    for (int i = 0; i < x->n; i++)
        find_bound(c, x->arg[i]);
}

/* How often x has another value, at most. */
static double times(const counter *c, const fv_expr *x) {
    double n = 1;
    for (int i = 0; i < c->n; i++)
        n *= fv_x_uses(x, c->vars[i]) ? fv_typical_extent(c->vars[i]->dim) : 1;
    return n;
}

static void count(counter *c, const fv_expr *x) {
    if (*fv_ptrmap_at(&c->seen, x))
        return;
    *fv_ptrmap_at(&c->seen, x) = (void *)(uintptr_t)x;
    if (fv_elem_is_float((fv_elem)x->type.elem)) {
        double each = x->op == FV_X_REDUCE ? 1 : fv_walk_operations((fv_expr_op)x->op);
        for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
            each *= fv_typical_extent(x->u.red.vars[i]->dim);
        c->sum += each > 0 ? each * times(c, x) : 0;
    }
    for (int i = 0; i < x->n; i++)
        count(c, x->arg[i]);
}

static double work_of_definition(fv_arena *a, const fv_definition *d) {
    counter c = {.arena = a, .seen = fv_ptrmap_in(a)};
    for (int i = 0; i < d->rank; i++)
        FV_PUSH(a, c.vars, c.n, c.cap, d->index[i]);
    find_bound(&c, d->body);
    c.seen = fv_ptrmap_in(a);
    count(&c, d->body);
    return c.sum;
}

static double work_of_definitions(fv_arena *scratch, const fv_definitions *d) {
    double sum = 0;
    for (int i = 0; i < d->n; i++)
        sum += d->all[i].def ? work_of_definition(scratch, d->all[i].def) : 0;
    return sum;
}

/* ---- programs ---- */

static int launches_of(fv_arena *a, const fv_program *p, fv_launch_cost **list) {
    int64_t *dims = FV_NEW(a, int64_t, p->symbols.n + 1);
    for (int i = 0; i < p->symbols.n; i++)
        dims[i] = fv_typical_dim(p->symbols.all[i]);
    int n = fv_cost_launches(a, p, list);
    fv_cost_evaluate(a, p, dims, n, *list);
    return n;
}

static double work_of_program(fv_arena *scratch, const fv_program *p, const fv_kernel **largest) {
    fv_launch_cost *list;
    double sum = 0, most = 0;
    int n = launches_of(scratch, p, &list);
    *largest = NULL;
    for (int i = 0; i < n; i++) {
        double w = list[i].known ? list[i].cost.flops : 0;
        sum += w;
        *largest = w > most ? list[i].kernel : *largest;
        most = w > most ? w : most;
    }
    return sum;
}

static bool has_definition(const fv_definitions *d, const char *name) {
    for (int i = 0; i < d->n; i++)
        if (d->all[i].def && !strcmp(d->all[i].value->name, name))
            return true;
    return false;
}

/* Does the launch compute no value that has a definition? A buffer of the program has the name of
 * its value; kernels that launches share have names of their own for their parameters. */
static bool is_own(const fv_launch_cost *l, const fv_definitions *d) {
    for (int i = 0; i < l->kernel->nbufs; i++)
        if (l->kernel->bufs[i]->role != FV_BUF_IN &&
            has_definition(d, l->launch->call.args[i]->name))
            return false;
    return true;
}

static double work_of_own_kernels(fv_arena *scratch, const fv_program *naive,
                                  const fv_definitions *d) {
    fv_launch_cost *list;
    double sum = 0;
    int n = launches_of(scratch, naive, &list);
    for (int i = 0; i < n; i++)
        sum += list[i].known && is_own(&list[i], d) ? list[i].cost.flops : 0;
    return sum;
}

/* ---- a model ---- */

typedef struct asked {
    fv_arena *arena;
    fv_program *naive;
    double work;
} asked;

static void look(void *user, const char *step, const fv_module *m, const fv_definitions *d) {
    asked *a = user;
    (void)m;
    if (d && !strcmp(step, "define"))
        a->work = work_of_definitions(a->arena, d) + work_of_own_kernels(a->arena, a->naive, d);
}

static fv_program *lower(fv_session *s, const work_subject *model, const fv_target *t, asked *a) {
    static const char *const without[] = {"fuse-attention", "fold-mask", NULL};
    fv_watch watch = {a, look, NULL};
    fv_pipeline_options pipeline = {.watch = a->naive ? &watch : NULL};
    fv_driver_options o = {.target.of = t,
                           .target.given = true,
                           .level = '2',
                           .without_weights = true,
                           .name = "m",
                           .dims.given = model->dims,
                           .naive = !a->naive,
                           .work.disable = without,
                           .work.pipeline = &pipeline};
    fv_source source;
    return model->read(model->user, s, &o, &source) ? fv_driver_lower(s, &source, &o) : NULL;
}

work_outcome work_of(fv_session *s, const work_subject *model, const fv_target *t) {
    work_outcome w = {0};
    asked a = {.arena = fv_arena_new(s)};
    a.naive = lower(s, model, t, &a);
    fv_program *p = a.naive ? lower(s, model, t, &a) : NULL;
    w.lowered = p != NULL;
    w.asked = a.work;
    w.done = p ? work_of_program(a.arena, p, &w.largest) : 0;
    return w;
}

const char *work_fault(fv_arena *a, const work_outcome *w) {
    if (w->done <= WORK_MOST * w->asked + WORK_FEW)
        return NULL;
    return fv_printf(a,
                     "%.4g operations, %.3g times those that its operators ask for, at most %.3g; "
                     "most of them in %s: %s",
                     w->done, w->done / w->asked, WORK_MOST, w->largest->name,
                     w->largest->formula ? w->largest->formula : "");
}
