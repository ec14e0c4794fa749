#include "backend/schedule/attend/attend_rows.h"

#include "backend/lowering/access.h"

enum { MOST_SUMS = 8 };

typedef struct search {
    const fv_definition *(*def)(void *user, const fv_value *v);
    void *user;
    fv_row_attention *out;
} search;

/* The only axis of the load whose index is v; -1: there is none, or another index also uses v. */
static int axis_along(const fv_expr *load, const fv_var *v) {
    int axis = -1;
    for (int i = 0; i < load->n; i++) {
        bool is = load->arg[i]->op == FV_X_VAR && load->arg[i]->u.var == v;
        if (is ? axis >= 0 : fv_x_uses(load->arg[i], v))
            return -1;
        axis = is ? i : axis;
    }
    return axis;
}

/* Does the sum add elements as they are stored, such as the partial sums of several ranks? Scores
 * are sums of what is computed, such as products. */
static bool adds_stored(const fv_expr *sum) {
    const fv_expr *term = sum->arg[0];
    while (term->op == FV_X_CONVERT)
        term = term->arg[0];
    return term->op == FV_X_LOAD;
}

/* Does each element along the axis depend on a sum of its own? */
static bool sums_along(const fv_definition *d, int axis) {
    fv_expr *sums[MOST_SUMS];
    int n = fv_x_reductions(d->body, sums, MOST_SUMS);
    bool found = false;
    for (int i = 0; i < n && !found; i++)
        found = fv_x_uses(sums[i], d->index[axis]) && !adds_stored(sums[i]);
    return found;
}

/* Does x load, along v, the scores: a value whose elements are sums? */
static bool finds_scores(const search *s, const fv_expr *x, const fv_var *v) {
    if (x->op == FV_X_LOAD) {
        const fv_definition *d = s->def(s->user, x->u.buf->value);
        int axis = d ? axis_along(x, v) : -1;
        if (axis < 0 || axis >= d->rank || !sums_along(d, axis))
            return false;
        s->out->scores = x->u.buf->value;
        s->out->keys = axis;
        return true;
    }
    for (int i = 0; i < x->n; i++)
        if (finds_scores(s, x->arg[i], v))
            return true;
    return false;
}

/* Is d a row of weights along the axis: does it contain a sum along that axis over scores? */
static bool are_weights(const search *s, const fv_definition *d, int axis) {
    fv_expr *sums[MOST_SUMS];
    int n = fv_x_reductions(d->body, sums, MOST_SUMS);
    for (int i = 0; i < n; i++) {
        const fv_var *v = sums[i]->u.red.vars[0];
        if (sums[i]->u.red.nvars == 1 && v->dim == d->index[axis]->dim &&
            !fv_x_uses(sums[i], d->index[axis]) && finds_scores(s, sums[i]->arg[0], v))
            return true;
    }
    return false;
}

static bool finds_weights(const search *s, const fv_expr *x, const fv_var *key) {
    if (x->op == FV_X_LOAD) {
        const fv_definition *d = s->def(s->user, x->u.buf->value);
        int axis = d ? axis_along(x, key) : -1;
        if (axis < 0 || axis >= d->rank || !are_weights(s, d, axis))
            return false;
        s->out->weights = x->u.buf->value;
        return true;
    }
    for (int i = 0; i < x->n; i++)
        if (finds_weights(s, x->arg[i], key))
            return true;
    return false;
}

bool fv_find_row_attention(const fv_definition *y,
                           const fv_definition *(*def)(void *user, const fv_value *v), void *user,
                           fv_row_attention *out) {
    fv_expr *sums[2];
    if (fv_x_reductions(y->body, sums, 2) != 1 || sums[0]->u.red.kind != FV_SUM ||
        sums[0]->u.red.nvars != 1 || sums[0]->arg[0]->op != FV_X_MUL)
        return false;
    search s = {def, user, out};
    fv_expr *const *factor = sums[0]->arg[0]->arg;
    const fv_var *key = sums[0]->u.red.vars[0];
    for (int i = 0; i < 2; i++)
        if (fv_x_uses(factor[1 - i], key) && finds_weights(&s, factor[i], key))
            return out->weights != y->value && out->scores != out->weights;
    return false;
}

typedef struct members {
    int n;
    fv_definition *const *all;
} members;

static const fv_definition *member(void *user, const fv_value *v) {
    const members *m = user;
    for (int i = 0; i < m->n; i++)
        if (m->all[i]->value == v)
            return m->all[i];
    return NULL;
}

bool fv_attends_by_rows(int n, fv_definition *const *all) {
    members m = {n, all};
    fv_row_attention at;
    return n >= 3 && fv_find_row_attention(all[n - 1], member, &m, &at) &&
           at.weights == all[n - 2]->value;
}
