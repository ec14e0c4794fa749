/* recurrence.c - builds recurrences: states, steps and results. */
#include "ir/definition/recurrence.h"

#include <assert.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"

fv_var *fv_recurrence_index(fv_definer *d, fv_recurrence *r, const char *name,
                            const fv_dim *extent) {
    fv_var *v = fv_index_var(d->arena, name, extent);
    FV_PUSH(d->arena, r->vars, r->nvars, r->cap_vars, v);
    return v;
}

/* A name made from `stem` that no value of the graph and no other state has. */
static const char *own_name(fv_definer *d, const fv_recurrence *r, const char *stem) {
    const char *name = stem;
    for (int n = 1;; n++) {
        bool taken = fv_value_find(d->module, name) != NULL;
        for (int i = 0; i < r->nstates && !taken; i++)
            taken = !strcmp(r->states[i].now->name, name);
        if (!taken)
            return fv_intern(d->module->session, name);
        name = fv_printf(d->arena, "%s_%d", stem, n);
    }
}

fv_state *fv_recurrence_state(fv_definer *d, fv_recurrence *r, const char *name, fv_elem e,
                              int rank, fv_var *const *index, fv_expr *first) {
    const fv_dim *dims[FV_MAX_RANK];
    FV_HOLDS(fv_arena_session(d->arena), r->nstates < FV_MAX_STATES);
    for (int i = 0; i < rank; i++)
        dims[i] = index[i]->dim;
    fv_value *now = FV_NEW(d->arena, fv_value, 1), *before = FV_NEW(d->arena, fv_value, 1);
    *now = (fv_value){.kind = FV_VALUE_RESULT,
                      .name = own_name(d, r, name),
                      .def = d->op,
                      .type = fv_tensor_type(d->arena, fv_elem_arith(e), rank, dims)};
    *before = *now;
    before->name = fv_printf(d->arena, "%s_before", now->name);
    before->now = now;
    fv_state *s = &r->states[r->nstates++];
    *s = (fv_state){.now = now,
                    .before = before,
                    .first = first,
                    .rank = rank,
                    .index = FV_NEW(d->arena, fv_var *, rank + 1)};
    memcpy(s->index, index, (size_t)rank * sizeof *index);
    return s;
}

fv_expr *fv_state_load(fv_definer *d, const fv_value *now_or_before, fv_expr *const *index) {
    return fv_x_load(d->arena, fv_value_buf(d->arena, now_or_before), index);
}

static void emit(fv_definer *d, fv_recurrence *r, int out, bool last, fv_expr *const *at,
                 fv_expr *x) {
    if (out >= d->op->nout || !d->op->out[out])
        return;
    const fv_value *v = d->op->out[out];
    fv_emission *e = &r->elements[r->nelements++];
    *e = (fv_emission){
        .value = v, .last = last, .x = x, .at = FV_NEW(d->arena, fv_expr *, v->type->rank + 1)};
    memcpy(e->at, at, (size_t)v->type->rank * sizeof *at);
}

void fv_recurrence_element(fv_definer *d, fv_recurrence *r, int out, fv_expr *const *at,
                           fv_expr *x) {
    emit(d, r, out, false, at, x);
}

void fv_recurrence_last(fv_definer *d, fv_recurrence *r, int out, fv_expr *const *at, fv_expr *x) {
    emit(d, r, out, true, at, x);
}

fv_recurrence *fv_recur(fv_arena *a, fv_op *op) {
    fv_definer d = {.module = fv_op_module(op), .arena = a, .op = op};
    fv_recurrence *r = FV_NEW(a, fv_recurrence, 1);
    r->op = op;
    return op->def->recur(&d, r) ? r : NULL;
}

void fv_recurrence_rewrite(fv_recurrence *r, fv_expr *(*with)(void *user, fv_expr *x), void *user) {
    for (int i = 0; i < r->nstates; i++) {
        fv_state *s = &r->states[i];
        if (s->first)
            s->first = with(user, s->first);
        s->step = with(user, s->step);
    }
    for (int i = 0; i < r->nelements; i++) {
        fv_emission *e = &r->elements[i];
        for (int k = 0; k < e->value->type->rank; k++)
            e->at[k] = with(user, e->at[k]);
        e->x = with(user, e->x);
    }
}

int fv_emission_axis(const fv_recurrence *r, const fv_emission *e) {
    for (int i = 0; i < e->value->type->rank; i++)
        if (fv_x_uses(e->at[i], r->t))
            return i;
    return -1;
}

static bool is_step(const fv_recurrence *r, const fv_expr *x) {
    return x->op == FV_X_VAR && x->u.var == r->t;
}

/* If x is (n - 1) - t for the step t and an n that does not depend on the step, returns n; else
 * NULL. */
static const fv_expr *reversed(const fv_recurrence *r, const fv_expr *x) {
    int64_t one;
    if (x->op != FV_X_SUB || !is_step(r, x->arg[1]))
        return NULL;
    const fv_expr *y = x->arg[0];
    if (y->op == FV_X_SUB && fv_x_is_int(y->arg[1], &one) && one == 1 &&
        !fv_x_uses(y->arg[0], r->t))
        return y->arg[0];
    return NULL;
}

static bool is_extent(const fv_recurrence *r, const fv_expr *n) {
    return n->op == FV_X_DIM && n->u.dim == r->t->dim;
}

/* Is x the reversed step T - 1 - t, where T is the number of steps? */
static bool is_turned(const fv_recurrence *r, const fv_expr *x) {
    const fv_expr *n = reversed(r, x);
    int64_t last;
    if (n)
        return is_extent(r, n);
    return x->op == FV_X_SUB && is_step(r, x->arg[1]) && fv_dim_is_const(r->t->dim) &&
           fv_x_is_int(x->arg[0], &last) && last == r->t->dim->value - 1;
}

/* Is n proved to be at most the number of steps? */
static bool is_at_most_all(const fv_recurrence *r, const fv_expr *n) {
    int64_t c;
    if (n->op == FV_X_MIN)
        return is_at_most_all(r, n->arg[0]) || is_at_most_all(r, n->arg[1]);
    return is_extent(r, n) ||
           (fv_dim_is_const(r->t->dim) && fv_x_is_int(n, &c) && c <= r->t->dim->value);
}

bool fv_goes_through(const fv_recurrence *r, const fv_expr *x) {
    if (is_step(r, x) || is_turned(r, x))
        return true;
    if (x->op != FV_X_SELECT)
        return false;
    const fv_expr *c = x->arg[0], *n = reversed(r, x->arg[1]);
    if (!fv_x_uses(c, r->t))
        return fv_goes_through(r, x->arg[1]) && fv_goes_through(r, x->arg[2]);
    return n && is_at_most_all(r, n) && is_step(r, x->arg[2]) && c->op == FV_X_LT &&
           is_step(r, c->arg[0]) && fv_x_equal(c->arg[1], n);
}
