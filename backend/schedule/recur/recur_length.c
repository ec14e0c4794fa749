/* recur_length.c - finds after how many steps a recurrence no longer changes.
 *
 *     step h[b, u] = select(t < n[b], x, before(h[b, u]))
 *     element y[t, b, u] = select(t < n[b], h[b, u], 0.0)
 *
 * From step n[b] on, the state of row b does not change, and y is 0, whatever h is. So it is enough
 * to run as many steps as the longest row has, and to write the remaining elements of y without
 * them. */
#include "backend/schedule/recur/recur_length.h"

#include "ir/expr/rewrite.h"
#include "ir/expr/visit.h"

static bool is_state(const fv_recurrence *r, const fv_expr *x) {
    bool is = false;
    for (int i = 0; i < r->nstates && (x->op == FV_X_LOAD || x->op == FV_X_GUARD); i++)
        is |= x->u.buf->value == r->states[i].now || x->u.buf->value == r->states[i].before;
    return is;
}

static bool depends_on_states(fv_arena *a, const fv_recurrence *r, const fv_expr *root) {
    const fv_expr *x;
    for (fv_x_visitor v = fv_x_visit(a, root); (x = fv_x_next(&v));)
        if (is_state(r, x))
            return true;
    return false;
}

/* Returns the condition under which the step changes the state: c in `select(c, x, before)`. NULL:
 * the step has another form. */
static const fv_expr *changes(const fv_state *s) {
    const fv_expr *x = s->step, *kept = x->op == FV_X_SELECT ? x->arg[2] : NULL;
    bool same = kept && kept->op == FV_X_LOAD && kept->u.buf->value == s->before;
    for (int i = 0; i < s->rank && same; i++)
        same = kept->arg[i]->op == FV_X_VAR && kept->arg[i]->u.var == s->index[i];
    return same ? x->arg[0] : NULL;
}

/* Returns the condition under which the states change, if all states have the same one and it is `t
 * < n`, where n depends neither on t nor on states; else NULL. */
static const fv_expr *active(fv_arena *a, const fv_recurrence *r) {
    const fv_expr *c = NULL;
    for (int i = 0; i < r->nstates; i++) {
        const fv_expr *own = r->states[i].first ? changes(&r->states[i]) : c;
        if (r->states[i].first && (!own || (c && c != own)))
            return NULL;
        c = own;
    }
    bool ends = c && c->op == FV_X_LT && c->arg[0]->op == FV_X_VAR && c->arg[0]->u.var == r->t &&
                !fv_x_uses(c->arg[1], r->t);
    return ends && !depends_on_states(a, r, c->arg[1]) ? c : NULL;
}

typedef struct ending {
    const fv_expr *active;
    fv_expr *no;
} ending;

static fv_expr *ended(fv_x_rewriter *w, fv_expr *x) {
    const ending *e = w->user;
    return x == e->active ? e->no : NULL;
}

static fv_expr *chosen(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const ending *e = w->user;
    return x->op == FV_X_SELECT && args[0] == e->no ? args[2] : NULL;
}

fv_emission fv_recur_rest(fv_arena *a, const fv_recurrence *r, const fv_emission *m) {
    ending e = {active(a, r), fv_x_const(a, FV_BOOL, 0)};
    fv_x_rewriter w = {.arena = a, .before = ended, .after = chosen, .user = &e};
    fv_emission rest = *m;
    rest.at = FV_NEW(a, fv_expr *, m->value->type->rank + 1);
    for (int i = 0; i < m->value->type->rank; i++)
        rest.at[i] = fv_x_rewrite(&w, m->at[i]);
    rest.x = fv_x_rewrite(&w, m->x);
    return rest;
}

fv_expr *fv_recur_length(fv_arena *a, const fv_recurrence *r) {
    const fv_expr *c = active(a, r);
    for (int i = 0; i < r->nelements && c; i++) {
        const fv_emission *m = &r->elements[i];
        if (!m->last && depends_on_states(a, r, fv_recur_rest(a, r, m).x))
            return NULL;
    }
    return c ? c->arg[1] : NULL;
}
