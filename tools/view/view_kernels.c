/* view_kernels.c - finds the kernels and launches that compute the ops after the passes. */
#include <string.h>

#include "backend/c/emit.h"
#include "backend/expand/expand.h"
#include "ir/definition/definitions_print.h"
#include "ir/definition/recurrence.h"
#include "ir/kernel/print.h"
#include "tools/view/view.h"

/* ---- definitions ---- */

/* The op of the graph after the passes that computes `value`; NULL: there is none. */
static fv_view_op *op_of(fv_view *v, const fv_value *value, const fv_ptrmap *makers) {
    int i = (int)(intptr_t)fv_ptrmap_get(makers, value) - 1;
    return i < 0 ? NULL : &v->after.ops[i];
}

/* A map from values to 1 + the index of the op that computes them. */
static fv_ptrmap find_makers(const fv_view_graph *g, fv_arena *a) {
    fv_ptrmap makers = fv_ptrmap_in(a);
    for (int i = 0; i < g->nops; i++)
        for (int k = 0; k < g->ops[i].nout; k++)
            if (g->ops[i].out[k] >= 0)
                *fv_ptrmap_at(&makers, g->values[g->ops[i].out[k]].value) =
                    (void *)(intptr_t)(i + 1);
    return makers;
}

static void add_definition(fv_arena *a, fv_view_op *op, const fv_text *t) {
    op->definition = op->definition ? fv_printf(a, "%s%s", op->definition, t->s) : t->s;
}

void fv_view_take_definitions(fv_view *v, const fv_module *m, const fv_definitions *d) {
    fv_arena *a = v->c->arena;
    fv_ptrmap makers = find_makers(&v->after, a);
    for (int i = 0; i < d->n; i++) {
        fv_view_op *op = op_of(v, d->all[i].value, &makers);
        fv_text t = {.arena = a};
        if (!op || !d->all[i].def)
            continue;
        fv_defined_print(&t, m, &d->all[i]);
        add_definition(a, op, &t);
    }
    for (int i = 0; i < d->nrecurrences; i++) {
        const fv_recurrence *r = d->recurrences[i];
        fv_view_op *op = r->nelements ? op_of(v, r->elements[0].value, &makers) : NULL;
        fv_text t = {.arena = a};
        if (!op)
            continue;
        fv_recurrence_print(&t, m, r);
        add_definition(a, op, &t);
    }
}

/* ---- launches ---- */

enum { MOST = 64 }; /* largest number of launches that are listed for an op */

typedef struct made {
    int launch;
    struct made *next;
} made;

typedef struct search {
    fv_view *v;
    fv_arena *a;    /* memory that is freed after each op */
    fv_ptrmap of;   /* value -> the launches that compute it */
    fv_ptrmap seen; /* values that were visited for the current op */
    fv_view_op *op;
} search;

static void note_made(search *s, const fv_value *value, int launch) {
    made *m = FV_NEW(s->v->c->arena, made, 1);
    *m = (made){launch, fv_ptrmap_get(&s->of, value)};
    *fv_ptrmap_at(&s->of, value) = m;
}

static void add_launch(search *s, int launch) {
    fv_view_op *op = s->op;
    for (int i = 0; i < op->nlaunches; i++)
        if (op->launches[i] == launch)
            return;
    if (op->nlaunches < MOST)
        FV_PUSH(s->v->c->arena, op->launches, op->nlaunches, op->cap_launches, launch);
}

/* Adds the launches that compute the value. If there are none, the value is computed within the
 * kernels of its users, so these are added. */
static void find_launches(search *s, const fv_value *first) {
    const fv_value **stack = NULL;
    int n = 0, cap = 0;
    FV_PUSH(s->a, stack, n, cap, first);
    while (n && s->op->nlaunches < MOST) {
        const fv_value *value = stack[--n];
        if (*fv_ptrmap_at(&s->seen, value))
            continue;
        *fv_ptrmap_at(&s->seen, value) = (void *)(uintptr_t)value;
        const made *m = fv_ptrmap_get(&s->of, value);
        for (const made *k = m; k; k = k->next)
            add_launch(s, k->launch);
        for (int i = 0; i < value->nuses && !m; i++) {
            const fv_op *use = fv_reasons_op(&s->v->reasons, value->uses[i].op);
            for (int k = 0; k < use->nout; k++)
                if (use->out[k])
                    FV_PUSH(s->a, stack, n, cap, use->out[k]);
        }
    }
}

void fv_view_find_launches(fv_view *v) {
    fv_view_graph *g = &v->after;
    const fv_reasons *r = &v->reasons;
    search s = {.v = v, .of = fv_ptrmap_in(v->c->arena)};
    /* goes backwards, so that the first launch comes first in each list */
    for (int i = r->nlaunches - 1; i >= 0; i--) {
        const fv_reason_launch *l = &r->launches[i];
        for (int k = 0; l->group && k < l->group->nout; k++)
            if (l->group->out[k] && l->group->out[k] != l->made)
                note_made(&s, l->group->out[k], i);
        note_made(&s, l->made, i);
    }
    for (int i = 0; i < g->nops; i++) {
        s.op = &g->ops[i];
        s.a = fv_arena_new(v->c->session);
        s.seen = fv_ptrmap_in(s.a);
        for (int k = 0; k < s.op->nout; k++)
            if (s.op->out[k] >= 0)
                find_launches(&s, g->values[s.op->out[k]].value);
        fv_arena_free(s.a);
    }
}

/* ---- kernels ---- */

static const char *schedule_of(fv_arena *a, const fv_kernel *k) {
    fv_text t = {.arena = a};
    if (!k->schedule)
        return "as written";
    fv_schedule_print(&t, k->schedule);
    return t.s;
}

static int kernel_index(const fv_view *v, const fv_kernel *k) {
    int i = 0;
    while (v->kernels[i].kernel != k)
        i++;
    return i;
}

static const char *nodes_of(const fv_stmt *launch, const fv_kernel *k) {
    return launch->note.text ? launch->note.text : k->origin ? k->origin : "";
}

bool fv_view_find_kernels(fv_view *v) {
    fv_arena *a = v->c->arena;
    fv_program *p = v->m.program;
    v->nkernels = p->nkernels;
    v->kernels = FV_NEW(a, fv_view_kernel, p->nkernels + 1);
    for (int i = 0; i < p->nkernels; i++) {
        fv_text t = {.arena = a};
        fv_kernel_print(&t, p->kernels[i]);
        v->kernels[i] = (fv_view_kernel){.kernel = p->kernels[i],
                                         .name = p->kernels[i]->name,
                                         .schedule = schedule_of(a, p->kernels[i]),
                                         .text = t.s,
                                         .ms = -1};
    }
    v->nlaunches = fv_cost_launches(a, p, &v->costs);
    fv_cost_evaluate(a, p, v->m.data.dims, v->nlaunches, v->costs);
    const fv_estimate *each = fv_estimate_launches(a, p, v->m.data.dims, 1, v->nlaunches, v->costs);
    for (int i = 0; i < p->nkernels; i++)
        v->kernels[i].estimate = fv_estimate_sum(p->kernels[i], v->nlaunches, v->costs, each);
    v->launches = FV_NEW(a, int, v->nlaunches + 1);
    v->nodes = FV_NEW(a, const char *, v->nlaunches + 1);
    for (int i = 0; i < v->nlaunches; i++) {
        v->launches[i] = kernel_index(v, v->costs[i].launch->call.kernel);
        v->kernels[v->launches[i]].launches++;
        v->nodes[i] = nodes_of(v->costs[i].launch, v->costs[i].launch->call.kernel);
    }
    const char **c = FV_NEW(a, const char *, p->nkernels + 1);
    fv_program_expand(p);
    if (!fv_c_kernels(v->c->session, a, p, c))
        return false;
    for (int i = 0; i < p->nkernels; i++)
        v->kernels[i].c = c[i];
    return true;
}
