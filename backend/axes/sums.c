/* sums.c - see sums.h.
 *
 *     y[p, c] = x[p, c] - (sum k: x[k, c]) / n              =>     t[c] = sum k: x[k, c]
 *                                                                  y[p, c] = x[p, c] - t[c] / n
 *
 * The step `group` substitutes sums that are computed once for each row, where a row is along the
 * last axis of a type. If the step `layout` stores another axis last in memory, rows are along that
 * axis: a sum along a former row would be computed again for each of its elements, which is
 * quadratic work.
 *
 *     y[p, c] = exp(x[p, c]) / (sum k: exp(x[k, c]))       =>     e[p, c] = exp(x[p, c])
 *                                                                 t[c] = sum k: e[k, c]
 *                                                                 y[p, c] = e[p, c] / t[c] */
#include "backend/axes/sums.h"

#include "backend/lowering/access.h"
#include "backend/lowering/define.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"

/* The variables that reductions of an expression bind. */
typedef struct bound {
    fv_arena *arena;
    fv_var **all;
    int n, cap;
    fv_ptrmap seen;
} bound;

static void find_bound(bound *b, const fv_expr *x) {
    if (!x->n || *fv_ptrmap_at(&b->seen, x))
        return;
    *fv_ptrmap_at(&b->seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        FV_PUSH(b->arena, b->all, b->n, b->cap, x->u.red.vars[i]);
    for (int i = 0; i < x->n; i++)
        find_bound(b, x->arg[i]);
}

static bound bound_in(fv_lowerer *l, const fv_expr *x) {
    bound b = {.arena = l->exprs, .seen = fv_ptrmap_in(l->current.scratch)};
    find_bound(&b, x);
    return b;
}

/* Is r a reduction that uses no variable which a reduction around it binds? */
static bool is_closed(const bound *b, const fv_expr *r) {
    if (r->op != FV_X_REDUCE)
        return false;
    for (int i = 0; i < b->n; i++)
        if (fv_x_uses(r, b->all[i]))
            return false;
    return true;
}

/* Does r not depend on some axis of d other than `vector`, so that several elements share its
 * value? */
static bool is_shared(const fv_definition *d, const fv_expr *r, int vector) {
    for (int i = 0; i < d->rank; i++)
        if (i != vector && !fv_dim_is_one(d->index[i]->dim) && !fv_x_uses(r, d->index[i]))
            return true;
    return false;
}

/* Is the value of x the same for all elements, because it contains neither loads nor variables? */
static bool is_same_everywhere(const fv_expr *x) {
    bool same = x->op != FV_X_VAR && x->op != FV_X_LOAD && x->op != FV_X_GUARD;
    for (int i = 0; i < x->n && same; i++)
        same = is_same_everywhere(x->arg[i]);
    return same;
}

/* Is x a sum of products with two operands? A product with a constant factor, as a filter whose
 * elements are all equal, has only one. */
static bool is_contraction(const fv_expr *x) {
    if (x->op != FV_X_REDUCE || x->u.red.kind != FV_SUM || x->arg[0]->op != FV_X_MUL)
        return false;
    const fv_expr *a = x->arg[0]->arg[0], *b = x->arg[0]->arg[1];
    return a != b && !is_same_everywhere(a) && !is_same_everywhere(b);
}

/* Contractions are left alone, since they have schedules of their own; attention contains one. */
static bool has_contraction(const fv_expr *x, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    if (is_contraction(x))
        return true;
    for (int i = 0; i < x->n; i++)
        if (has_contraction(x->arg[i], seen))
            return true;
    return false;
}

static bool has_shared(const bound *b, const fv_definition *d, const fv_expr *x, int vector,
                       fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    if (is_closed(b, x) && is_shared(d, x, vector))
        return true;
    for (int i = 0; i < x->n; i++)
        if (has_shared(b, d, x->arg[i], vector, seen))
            return true;
    return false;
}

bool fv_repeats_sums(fv_lowerer *l, const fv_definition *d, int vector) {
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch), again = fv_ptrmap_in(l->current.scratch);
    bound b = bound_in(l, d->body);
    return b.n && !has_contraction(d->body, &seen) && has_shared(&b, d, d->body, vector, &again);
}

/* ---- values for sums ---- */

typedef struct taker {
    fv_lowerer *l;
    fv_op *op;
    fv_storage *s;
    int vector;
    bound bound; /* the variables that the definition binds */
    fv_sum_made *made;
} taker;

/* Adds an op whose result has the n axes `axes`, and computes x for each element. */
static fv_storage *define_value(const taker *t, const fv_expr *x, const char *what, fv_why why,
                                int n, fv_var *const *axes) {
    fv_arena *a = t->l->exprs;
    const fv_definition *whole = t->s->def;
    const fv_dim *dims[FV_MAX_RANK];
    fv_expr *to[FV_MAX_RANK];
    fv_definition *d = FV_NEW(a, fv_definition, 1);
    d->rank = n;
    d->index = FV_NEW(a, fv_var *, n + 1);
    const fv_var *along = NULL;
    for (int i = 0; i < n; i++) {
        dims[i] = axes[i]->dim;
        d->index[i] = fv_index_var(a, axes[i]->name, axes[i]->dim);
        along = t->vector >= 0 && axes[i] == whole->index[t->vector] ? d->index[i] : along;
        to[i] = fv_x_var(a, d->index[i]);
    }
    d->body = fv_x_replace_vars(a, x, n, axes, to);
    int nin;
    fv_value **in = fv_values_loaded(t->l, d->body, &nin);
    const fv_origin *origin = fv_storage_origin(t->l, whole->value);
    const char *name = fv_printf(a, "%s.%s", whole->value->name, what);
    fv_op *op = fv_op_new(t->op->block, t->op, &fv_define_def, nin, in, 1, &name, origin);
    fv_op_set_string(op, "op", fv_op_stem(t->op));
    d->value = op->out[0];
    op->out[0]->type = fv_tensor_type(t->l->module->arena, (fv_elem)x->type.elem, n, dims);
    fv_storage *s = fv_storage_of(t->l, op->out[0]);
    s->def = d;
    *fv_ptrmap_at(&t->l->known.origins, s->value) = (void *)(uintptr_t)origin;
    fv_takes(t->l, s->value, why, fv_v(whole->value));
    t->made(t->l, op, s, along);
    return s;
}

/* ---- subexpressions that a sum and the elements share ---- */

/* Does x contain an elementary function, outside of reductions? */
static bool has_math(const fv_expr *x) {
    bool math = fv_expr_op_is_math((fv_expr_op)x->op);
    for (int i = 0; i < x->n && !math && x->op != FV_X_REDUCE; i++)
        math = has_math(x->arg[i]);
    return math;
}

static bool has_node(const fv_expr *x, const fv_expr *node, fv_ptrmap *seen) {
    if (x == node)
        return true;
    if (!x->n || x->op == FV_X_REDUCE || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n; i++)
        if (has_node(x->arg[i], node, seen))
            return true;
    return false;
}

/* A subexpression (`term`) that a sum and the elements of the value both compute. */
typedef struct twin {
    const fv_expr *sum, *term, *element;
    /* for each axis of the definition, the index of the element that equals the term: the variable
     * of the sum that corresponds to this axis, or else the axis's own variable */
    fv_expr *at[FV_MAX_RANK];
    int n;                      /* number of variables of the sum */
    fv_expr *axis[FV_MAX_RANK]; /* the axes of the definition to which the variables correspond */
} twin;

/* Chooses an axis for each variable of the sum: with the same extent, and not one on which the sum
 * depends. */
static bool find_axes(const taker *t, twin *w) {
    const fv_definition *d = t->s->def;
    bool taken[FV_MAX_RANK] = {0};
    w->n = w->sum->u.red.nvars;
    for (int i = 0; i < d->rank; i++)
        w->at[i] = fv_x_var(t->l->exprs, d->index[i]);
    for (int k = 0; k < w->n; k++) {
        fv_var *v = w->sum->u.red.vars[k];
        int i = 0;
        while (i < d->rank &&
               (taken[i] || d->index[i]->dim != v->dim || fv_x_uses(w->sum, d->index[i])))
            i++;
        if (i == d->rank)
            return false;
        taken[i] = true;
        w->axis[k] = w->at[i];
        w->at[i] = fv_x_var(t->l->exprs, v);
    }
    return true;
}

/* Sets w->term to the largest subexpression of x, which is summed, that has an elementary function
 * and is computed for the elements, too, where it is w->element. False: there is none. */
static bool find_term(const taker *t, twin *w, const fv_expr *x) {
    fv_ptrmap seen = fv_ptrmap_in(t->l->current.scratch);
    if (x->op == FV_X_REDUCE || !has_math(x))
        return false;
    w->term = x;
    w->element = fv_x_replace_vars(t->l->exprs, x, w->n, w->sum->u.red.vars, w->axis);
    if (has_node(t->s->def->body, w->element, &seen))
        return true;
    for (int i = 0; i < x->n && x->op != FV_X_LOAD && x->op != FV_X_GUARD; i++)
        if (find_term(t, w, x->arg[i]))
            return true;
    return false;
}

static bool find_twin(const taker *t, twin *w, const fv_expr *x, fv_ptrmap *seen) {
    if (!x->n || *fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    w->sum = x;
    if (is_closed(&t->bound, x) && is_shared(t->s->def, x, t->vector) && find_axes(t, w) &&
        find_term(t, w, x->arg[0]))
        return true;
    for (int i = 0; i < x->n; i++)
        if (find_twin(t, w, x->arg[i], seen))
            return true;
    return false;
}

typedef struct replacement {
    const fv_expr *what;
    fv_expr *by;
    const fv_expr *sum; /* the sum whose term is replaced */
    const fv_expr *term;
    fv_expr *term_by;
} replacement;

static fv_expr *replace(fv_x_rewriter *w, fv_expr *x) {
    replacement *p = w->user;
    if (x == p->what)
        return p->by;
    if (x != p->sum)
        return NULL;
    replacement in = {.what = p->term, .by = p->term_by};
    fv_x_rewriter inside = {.arena = w->arena, .before = replace, .user = &in};
    return fv_x_reduce_like(w->arena, x, x->u.red.nvars, x->u.red.vars,
                            fv_x_rewrite(&inside, x->arg[0]));
}

static void set_body(const taker *t, fv_expr *body) {
    fv_definition *d = FV_NEW(t->l->exprs, fv_definition, 1);
    *d = *t->s->def;
    d->body = body;
    t->s->def = d;
}

/* If a sum that became a value and the elements both compute an elementary function, as the exp of
 * a softmax, makes that a value, too. */
static void take_term_out(taker *t) {
    twin w = {0};
    fv_ptrmap seen = fv_ptrmap_in(t->l->current.scratch);
    fv_arena *a = t->l->exprs;
    fv_expr *own[FV_MAX_RANK];
    const fv_definition *d = t->s->def;
    t->bound = bound_in(t->l, d->body);
    if (!find_twin(t, &w, d->body, &seen))
        return;
    fv_buf *b = fv_value_buf(
        a, define_value(t, w.element, "term", FV_WHY_layout_term, d->rank, d->index)->value);
    for (int i = 0; i < d->rank; i++)
        own[i] = fv_x_var(a, d->index[i]);
    replacement p = {w.element, fv_x_load(a, b, own), w.sum, w.term, fv_x_load(a, b, w.at)};
    fv_x_rewriter r = {.arena = a, .before = replace, .user = &p};
    set_body(t, fv_x_rewrite(&r, d->body));
}

/* ---- sums ---- */

static fv_expr *take_out(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    taker *t = w->user;
    const fv_definition *d = t->s->def;
    fv_var *axes[FV_MAX_RANK];
    fv_expr *index[FV_MAX_RANK];
    int n = 0;
    if (!is_closed(&t->bound, x) || !is_shared(d, x, t->vector))
        return NULL;
    for (int i = 0; i < d->rank; i++)
        if (fv_x_uses(x, d->index[i])) {
            axes[n] = d->index[i];
            index[n++] = fv_x_var(w->arena, d->index[i]);
        }
    fv_storage *sum =
        define_value(t, fv_x_with_args(w->arena, x, args), "sum", FV_WHY_layout_sum, n, axes);
    return fv_x_load(w->arena, fv_value_buf(w->arena, sum->value), index);
}

void fv_take_sums_out(fv_lowerer *l, fv_op *op, fv_storage *s, int vector, fv_sum_made *made) {
    taker t = {.l = l, .op = op, .s = s, .vector = vector, .made = made};
    take_term_out(&t);
    t.bound = bound_in(l, s->def->body);
    fv_x_rewriter w = {
        .arena = l->exprs, .memo = fv_ptrmap_in(l->current.scratch), .after = take_out, .user = &t};
    set_body(&t, fv_x_rewrite(&w, s->def->body));
}
