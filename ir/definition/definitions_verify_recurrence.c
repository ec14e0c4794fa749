/* definitions_verify_recurrence.c - verifies a recurrence: its states, their steps, and the
 * elements that each step computes. */
#include "ir/definition/definitions_verify_recurrence.h"

#include <string.h>

#include "ir/definition/definitions_verify_expr.h"
#include "ir/dim/text.h"

/* Checks one expression of a recurrence that computes `value`: it may use the variables `vars`, and
 * the step if `steps`. */
static bool check_part(fv_verifier *v, const fv_recurrence *r, fv_value *value, int n,
                       fv_var *const *vars, bool steps, const fv_expr *x) {
    fv_definition *d = FV_NEW(v->a, fv_definition, 1);
    fv_defined *at = FV_NEW(v->a, fv_defined, 1);
    *d = (fv_definition){.value = value,
                         .rank = n + steps,
                         .index = FV_NEW(v->a, fv_var *, n + 2),
                         .body = (fv_expr *)(uintptr_t)x};
    *at = (fv_defined){.value = value, .fate = FV_FATE_MEMORY, .def = d, .last = -1};
    memcpy(d->index, vars, (size_t)n * sizeof *vars);
    d->index[n] = r->t;
    v->at = at;
    v->inside = fv_inside_new(v->m, v->a, d);
    return fv_dv_expr(v, x);
}

/* Checks the first value and the step of each state. v->made contains the states whose new value
 * the expression may read. */
static bool check_states(fv_verifier *v, const fv_recurrence *r) {
    for (int i = 0; i < r->nstates; i++) {
        const fv_state *s = &r->states[i];
        if (s->first && !check_part(v, r, s->now, s->rank, s->index, false, s->first))
            return false;
    }
    for (int i = 0; i < r->nstates; i++)
        if (r->states[i].first)
            fv_dv_note_made(v, r->states[i].before);
    for (int i = 0; i < r->nstates; i++) {
        const fv_state *s = &r->states[i];
        if (!check_part(v, r, s->now, s->rank, s->index, true, s->step))
            return false;
        if (s->step->type.elem != s->now->type->elem ||
            (s->first && s->first->type.elem != s->now->type->elem))
            return fv_dv_illegal(v, "it is %s, the state %s",
                                 fv_elem_name((fv_elem)s->step->type.elem),
                                 fv_elem_name(s->now->type->elem));
        fv_dv_note_made(v, s->now);
    }
    return true;
}

/* Checks index k of an emission: a variable that no other axis uses, or the constant 0 if the axis
 * has one element. */
static bool check_axis(fv_verifier *v, const fv_emission *e, int k, fv_var **vars, int *n) {
    const fv_expr *at = e->at[k];
    const fv_dim *extent = e->value->type->dims[k];
    int64_t zero;
    if (fv_x_is_int(at, &zero) && zero == 0 && fv_dim_is_one(extent))
        return true;
    if (at->op != FV_X_VAR || at->u.var->dim != extent)
        return fv_dv_illegal(v, "`%s`: index %d is no variable that runs to %s", fv_dv_text(v, at),
                             k, fv_dim_str(v->a, extent));
    for (int i = 0; i < *n; i++)
        if (vars[i] == at->u.var)
            return fv_dv_illegal(v, "index '%s' is used for two axes", at->u.var->name);
    vars[(*n)++] = at->u.var;
    return true;
}

static bool is_of_recurrence(const fv_recurrence *r, const fv_expr *at) {
    bool own = at->op != FV_X_VAR || at->u.var == r->t;
    for (int i = 0; i < r->nvars && !own; i++)
        own = at->u.var == r->vars[i];
    return own;
}

static bool check_emission(fv_verifier *v, const fv_recurrence *r, const fv_emission *e) {
    fv_value *value = (fv_value *)(uintptr_t)e->value;
    fv_var *vars[FV_MAX_RANK];
    int n = 0, axis = fv_emission_axis(r, e), rank = value->type->rank;
    fv_elem stored = value->type->elem, is = (fv_elem)e->x->type.elem;
    fv_defined *whole = FV_NEW(v->a, fv_defined, 1);
    *whole = (fv_defined){.value = value, .fate = FV_FATE_MEMORY, .last = -1};
    v->at = whole;
    if (is != stored && is != fv_elem_arith(stored))
        return fv_dv_illegal(v, "it is %s, the value %s", fv_elem_name(is), fv_elem_name(stored));
    if (!e->last &&
        (axis < 0 || value->type->dims[axis] != r->t->dim || !fv_goes_through(r, e->at[axis])))
        return fv_dv_illegal(v, "no index of it goes through an axis of %s as the steps do",
                             fv_dim_str(v->a, r->t->dim));
    for (int k = 0; k < rank; k++)
        if (!is_of_recurrence(r, e->at[k]))
            return fv_dv_illegal(v, "`%s`: index %d is no variable of the recurrence",
                                 fv_dv_text(v, e->at[k]), k);
        else if ((e->last || k != axis) && !check_axis(v, e, k, vars, &n))
            return false;
    if (!e->last && !check_part(v, r, value, n, vars, true, e->at[axis]))
        return false;
    return check_part(v, r, value, n, vars, !e->last, e->x);
}

/* A load in x of a value that is not an operand of op; NULL: there is none. Steps of lowering
 * assume that an op reads only its operands. */
static const fv_expr *stranger(const fv_op *op, const fv_expr *x, fv_ptrmap *seen) {
    const fv_value *from = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->value : NULL;
    bool known = !from || from->def == op || from->kind == FV_VALUE_CONST;
    if (*fv_ptrmap_at(seen, x))
        return NULL;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < op->nin && !known; i++)
        known = op->in[i] == from;
    const fv_expr *found = known ? NULL : x;
    for (int i = 0; i < x->n && !found; i++)
        found = stranger(op, x->arg[i], seen);
    return found;
}

typedef struct strangers {
    const fv_op *op;
    fv_ptrmap seen;
    const fv_expr *found;
} strangers;

static fv_expr *look_for(void *user, fv_expr *x) {
    strangers *s = user;
    s->found = s->found ? s->found : stranger(s->op, x, &s->seen);
    return x;
}

bool fv_dv_recurrence(fv_verifier *v, const fv_op *op, fv_recurrence *r) {
    bool last = false;
    strangers all = {op, fv_ptrmap_in(v->a), NULL};
    for (int i = 0; i < r->nstates; i++)
        if (!r->states[i].step)
            return fv_op_error(op, "%%%s has no step", r->states[i].now->name);
    fv_recurrence_rewrite(r, look_for, &all);
    if (all.found)
        return fv_op_error(op, "`%s`: the value is no operand", fv_dv_text(v, all.found));
    do { /* for elements that are computed after the last step, there is no state before a step */
        for (int i = 0; i < r->nstates && last; i++)
            *fv_ptrmap_at(&v->made, r->states[i].before) = NULL;
        if (!last && !check_states(v, r))
            return false;
        for (int i = 0; i < r->nelements; i++)
            if (r->elements[i].last == last && !check_emission(v, r, &r->elements[i]))
                return false;
        last = !last;
    } while (last);
    for (int i = 0; i < op->nout; i++) {
        int found = 0;
        for (int k = 0; k < r->nelements && op->out[i]; k++)
            found += r->elements[k].value == op->out[i];
        if (op->out[i] && found != 1)
            return fv_op_error(op, "%%%s is given %d times", op->out[i]->name, found);
    }
    return true;
}
