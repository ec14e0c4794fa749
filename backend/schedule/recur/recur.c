/* recur.c - runs a recurrence: either in one kernel that contains the loop over its steps, or as
 * launches of kernels in a loop of the host.
 *
 *     before = first                                    a kernel
 *     for t < T:
 *       even t: now = step(before)                      a kernel for each part of a step
 *       odd t:  before = step(now)                      the same kernels, with the two buffers
 *                                                       of each state exchanged
 *     y_h = before or now                               a kernel
 *
 * If the rows of a batch have different numbers of steps, T is the largest of them: a kernel
 * computes it, and the host reads it before the loop. The elements for steps after T are written by
 * another kernel after the loop (recur_length.c).
 *
 * A step that sums over a state is a contraction like any other: the rows of a batch share a tile,
 * threads share the columns, and the panels of the weights are packed once, before the loop. A
 * launch takes longer than a small step, so recurrences with small steps have the loop in the
 * kernel, whose tasks are blocks of rows.
 *
 * A step of one row does little but read weights. The second-level cache still holds those that the
 * previous step read last, so odd steps read them first: their tasks run in descending order
 * (measured on Zen 5 with 3 and 4 MiB of weights per step: 8 to 10 % of the time of a layer). For
 * several rows, multiplying takes longer than reading; their tasks always run in ascending order,
 * and prefetch the next panel. */
#include "backend/schedule/recur/recur.h"

#include <string.h>

#include "backend/lowering/branches.h"
#include "backend/lowering/loops.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/blocks.h"
#include "backend/schedule/operands/precompute.h"
#include "backend/schedule/operands/value.h"
#include "backend/schedule/recur/recur_inside.h"
#include "backend/schedule/recur/recur_length.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"
#include "ir/graph/rewriter.h"

/* ---- kernels before and after the loop ---- */

/* Makes a kernel that computes v, whose element at `index` is x. */
static void make(const fv_parts *p, const fv_value *v, fv_var *const *index, fv_expr *x) {
    fv_lowerer *l = p->l;
    fv_arena *a = l->exprs;
    fv_definition *d = FV_NEW(a, fv_definition, 1);
    fv_expr *to[FV_MAX_RANK];
    d->value = v;
    d->rank = v->type->rank;
    d->index = FV_NEW(a, fv_var *, d->rank + 1);
    for (int i = 0; i < d->rank; i++) {
        d->index[i] = fv_index_var(a, index[i]->name, index[i]->dim);
        to[i] = fv_x_var(a, d->index[i]);
    }
    d->body = fv_x_replace_vars(a, x, d->rank, index, to);
    fv_storage *s = fv_storage_of(l, v);
    s->def = d;
    fv_schedule_alone(l, s, p->r->op);
}

static void make_first(const fv_parts *p) {
    for (int i = 0; i < p->r->nstates; i++) {
        const fv_state *s = &p->r->states[i];
        if (s->first)
            make(p, s->before, s->index, s->first);
    }
}

/* Replaces the load of a state after the last step: the state is in `before` if the number of steps
 * is even, else in `now`. */
static fv_expr *after_all(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const fv_parts *p = w->user;
    fv_arena *a = w->arena;
    for (int i = 0; i < p->r->nstates && x->op == FV_X_LOAD; i++) {
        const fv_state *s = &p->r->states[i];
        if (x->u.buf->value != s->now || !s->first)
            continue;
        fv_expr *rest = fv_x_bin(a, FV_X_FLOORMOD, p->taken, fv_x_int(a, 2)),
                *even = fv_x_bin(a, FV_X_EQ, rest, fv_x_int(a, 0));
        return fv_x_select(a, even, fv_x_load(a, fv_value_buf(a, s->before), args),
                           fv_x_load(a, x->u.buf, args));
    }
    return NULL;
}

static void make_last(const fv_parts *p) {
    fv_x_rewriter w = {.arena = p->l->exprs,
                       .memo = fv_ptrmap_in(p->l->current.scratch),
                       .after = after_all,
                       .user = (void *)(uintptr_t)p};
    for (int i = 0; i < p->r->nelements; i++) {
        const fv_emission *e = &p->r->elements[i];
        fv_var *index[FV_MAX_RANK];
        if (!e->last)
            continue;
        for (int k = 0; k < e->value->type->rank; k++)
            index[k] = e->at[k]->op == FV_X_VAR
                           ? e->at[k]->u.var
                           : fv_index_var(p->l->exprs, "i", e->value->type->dims[k]);
        make(p, e->value, index, fv_x_rewrite(&w, e->x));
    }
}

/* ---- the loop ---- */

/* Returns the arguments of the launch for odd iterations: the buffers `before` and `now` of each
 * state exchanged, since the previous iteration wrote its new state to `now`. */
static fv_value **change_places(const fv_parts *p, const fv_launch *n) {
    fv_value **args = FV_NEW(p->l->arena, fv_value *, n->nargs + 1);
    for (int i = 0; i < n->nargs; i++) {
        args[i] = n->args[i];
        for (int k = 0; k < p->r->nstates; k++) {
            const fv_state *s = &p->r->states[k];
            if (s->first && (n->args[i] == s->now || n->args[i] == s->before))
                args[i] = n->args[i] == s->now ? s->before : s->now;
        }
    }
    return args;
}

typedef struct putter {
    fv_kemit *e;
    const fv_parts *p;
    const fv_part *part;
} putter;

static void put(void *user, fv_expr *const *index) {
    const putter *u = user;
    (void)index;
    fv_part_put(u->e, u->p, u->part);
}

static void launch(const fv_parts *p, fv_part *part, const fv_dim *turn) {
    fv_lowerer *l = p->l;
    fv_kemit e;
    fv_kemit_init(&e, l, NULL, fv_op_stem(p->r->op));
    fv_part_use(&e, part);
    fv_kemit_bind(&e, p->r->t, fv_kemit_dim(&e, turn));
    putter u = {&e, p, part};
    fv_contract_explain(l, part->plan);
    fv_contract_emit(part->plan, &e, (fv_tile_put){put, &u}, NULL);
    fv_schedule how = fv_contract_schedule(part->plan);
    fv_recur_finish(&e, p, part, &how);
    fv_launch *n = &l->host.steps[l->host.nsteps - 1].launch;
    n->args_odd = change_places(p, n);
    n->reverses_tasks = part->plan->tile.mr == 1;
    fv_chosen(&part->plan->chosen, FV_SCHEDULE_contract);
}

/* ---- the number of steps ---- */

/* Returns the largest number of steps that any row has: a kernel computes it, and the host reads it
 * before the loop. */
static const fv_dim *longest(const fv_parts *p, fv_expr *length) {
    fv_lowerer *l = p->l;
    fv_arena *a = l->exprs;
    fv_dims *dims = l->module->dims;
    fv_var *over[FV_MAX_RANK], *index = fv_index_var(a, "i", fv_dim_const(dims, 1));
    fv_expr *to[FV_MAX_RANK];
    fv_var *from[FV_MAX_RANK];
    int n = 0;
    for (int i = 0; i < p->r->nvars; i++)
        if (fv_x_uses(length, p->r->vars[i])) {
            from[n] = p->r->vars[i];
            over[n] = fv_index_var(a, from[n]->name, from[n]->dim);
            to[n] = fv_x_var(a, over[n]);
            n++;
        }
    fv_value *v = fv_new_value(l, "most", FV_I64, 1, &index);
    v->kind = FV_VALUE_RESULT;
    v->def = p->r->op;
    length = fv_x_replace_vars(a, length, n, from, to);
    make(p, v, &index, n ? fv_x_reduce(a, FV_REDUCE_MAX, n, over, length) : length);
    const fv_dim *taken = fv_dim_fresh(dims, "taken", 0, p->r->t->dim->hi, true);
    fv_attr symbols = fv_attr_dims(l->module, "symbols", 1, &taken);
    fv_op *bind = FV_NEW(l->arena, fv_op, 1);
    *bind = (fv_op){.def = fv_op_def(FV_OP_fv_Bind),
                    .block = p->r->op->block,
                    .nin = 1,
                    .in = FV_NEW(l->arena, fv_value *, 1),
                    .origin = p->r->op->origin};
    bind->in[0] = v;
    fv_op_attr(bind, &symbols);
    fv_add_statement(l, bind);
    return fv_dim_min(dims, p->r->t->dim, taken);
}

/* Makes the kernel that writes the elements for the steps after `taken`, which are not run. Its
 * tasks are along the first variable of the element if it has several, in addition to that of the
 * steps. */
static void put_rest(const fv_parts *p, const fv_item *m, const fv_dim *taken) {
    fv_lowerer *l = p->l;
    const fv_recurrence *r = p->r;
    fv_schedule how = {.kind = FV_SCHEDULE_recur};
    fv_emission rest = fv_recur_rest(l->exprs, r, m->element);
    fv_kemit e;
    fv_kemit_init(&e, l, NULL, fv_op_stem(r->op));
    for (int i = 0; i < m->nvars - 1; i++)
        fv_kemit_bind(&e, m->vars[i],
                      open_loop(&e, i ? FV_SERIAL : FV_PARALLEL, m->vars[i]->name,
                                fv_kemit_dim(&e, m->vars[i]->dim)));
    fv_kemit_bind(&e, r->t,
                  fv_kb_for(&e.b, FV_SERIAL, r->t->name, fv_kemit_dim(&e, taken),
                            fv_kemit_dim(&e, r->t->dim), 1));
    if (m->nvars) {
        fv_var *v = m->vars[m->nvars - 1];
        fv_kemit_bind(&e, v, open_loop(&e, FV_VECTOR, v->name, fv_kemit_dim(&e, v->dim)));
    }
    fv_put_element(&e, &rest, fv_kemit_expr(&e, rest.x));
    while (e.b.depth)
        fv_kb_end(&e.b);
    fv_recur_finish(&e, p, NULL, &how);
    l->host.steps[l->host.nsteps - 1].launch.kernel->formula =
        "elements after the steps that are taken";
}

static void run_launches(fv_parts *p) {
    fv_lowerer *l = p->l;
    fv_expr *length = fv_recur_length(l->exprs, p->r);
    const fv_dim *times = p->r->t->dim;
    const fv_dim *turn =
        fv_dim_fresh(l->module->dims, p->r->t->name, 0, times->hi > 1 ? times->hi - 1 : 0, true);
    for (int i = 0; i < p->n; i++)
        fv_contract_plan_place(l, p->r->op, p->all[i].plan);
    fv_schedule_operands(l, p->r->op);
    make_first(p);
    if (length) {
        times = longest(p, length);
        p->taken = fv_x_dim(l->exprs, times);
    }
    fv_begin_loop(l, turn, times);
    for (int i = 0; i < p->n; i++)
        launch(p, &p->all[i], turn);
    fv_end_loop(l);
    for (int i = 0; i < p->nitems && length; i++)
        if (p->items[i].element)
            put_rest(p, &p->items[i], times);
    make_last(p);
}

/* ---- which schedule ---- */

static bool are_contractions(const fv_parts *p) {
    bool all = true;
    for (int i = 0; i < p->n; i++)
        all &= p->all[i].plan != NULL;
    return all;
}

static void tell(const fv_parts *p, fv_why why) {
    for (int i = 0; i < p->r->op->nout; i++)
        if (p->r->op->out[i] && p->l->current.naive)
            fv_takes(p->l, p->r->op->out[i], FV_WHY_naive);
        else if (p->r->op->out[i])
            fv_takes(p->l, p->r->op->out[i], why, fv_d(p->r->t->dim), fv_n(p->products));
    bool stops =
        !p->l->current.naive && !p->own && !p->column && fv_recur_length(p->l->exprs, p->r);
    for (int i = 0; i < p->r->op->nout && stops; i++)
        if (p->r->op->out[i])
            fv_takes(p->l, p->r->op->out[i], FV_WHY_recurs_stops, fv_d(p->r->t->dim));
}

void fv_schedule_recurrence(fv_lowerer *l, fv_recurrence *r) {
    fv_parts p;
    bool naive = l->current.naive;
    fv_parts_of(l, r, &p);
    if (p.own) {
        tell(&p, FV_WHY_recurs_alone);
        fv_recur_alone(&p);
        return;
    }
    bool launches = !naive && p.products > l->speed->step_products;
    if (launches) {
        fv_parts_choose(&p);
        launches = are_contractions(&p);
    }
    if (launches)
        run_launches(&p);
    else
        fv_recur_inside(&p);
    tell(&p, launches ? FV_WHY_recurs_launches : FV_WHY_recurs_inside);
}
