#include "backend/fuse/reading.h"

#include "backend/lowering/access.h"
#include "backend/lowering/sizes.h"

static void add_row_axes(const fv_expr *x, const fv_definition *d, fv_row_axes *r) {
    if (x->op == FV_X_REDUCE)
        for (int i = 0; i < d->rank; i++)
            r->on[i] |= fv_x_uses(x, d->index[i]);
    for (int i = 0; i < x->n; i++)
        add_row_axes(x->arg[i], d, r);
}

int fv_axis_read(const fv_expr *x, const fv_definition *d) {
    int k = 0;
    while (k < d->rank && !(x->op == FV_X_VAR && x->u.var == d->index[k]))
        k++;
    return k;
}

/* Are the reductions of the loaded value computed once for each row of d? They are if they depend
 * on all axes of d but the last, unless a condition that varies along the last axis guards the
 * load. If the load is within a reduction of d, they may depend on the last axis as well. */
static bool is_by_row(const fv_expr *load, const fv_row_axes *r, const fv_definition *d,
                      bool inside) {
    bool indexed[FV_MAX_RANK] = {0};
    for (int i = 0; i < load->u.buf->rank; i++) {
        if (!r->on[i])
            continue;
        int k = fv_axis_read(load->arg[i], d);
        if (k == d->rank)
            return false;
        indexed[k] = true;
    }
    int last = d->rank - 1;
    bool varies = load->op == FV_X_GUARD && last >= 0 && !inside &&
                  fv_x_uses(load->arg[load->u.buf->rank], d->index[last]);
    if (varies)
        return false;
    for (int k = 0; k < last; k++)
        if (!indexed[k] && !fv_dim_is_one(d->index[k]->dim))
            return false;
    return last < 0 || inside || !indexed[last];
}

/* Are the indices of the load the index variables of d, each once and the last one last? *same: in
 * the same order. */
static bool is_permuted(const fv_expr *load, const fv_definition *d, bool *same) {
    bool used[FV_MAX_RANK] = {0};
    *same = true;
    if (load->op != FV_X_LOAD || load->u.buf->rank != d->rank)
        return false;
    for (int i = 0; i < d->rank; i++) {
        int k = fv_axis_read(load->arg[i], d);
        if (k == d->rank || used[k])
            return false;
        used[k] = true;
        *same &= k == i;
        if (i == d->rank - 1 && k != i)
            return false;
    }
    return true;
}

/* If x = v * constant + constant for an index variable v of d, returns v; otherwise NULL. */
static const fv_var *affine_in(const fv_expr *x, const fv_definition *d) {
    if (x->op == FV_X_VAR)
        return fv_axis_read(x, d) < d->rank ? x->u.var : NULL;
    if (x->op != FV_X_ADD && x->op != FV_X_SUB && x->op != FV_X_MUL)
        return NULL;
    for (int i = 0; i < 2; i++) {
        const fv_expr *other = x->arg[1 - i];
        bool known = other->op == FV_X_CONST || (other->op == FV_X_DIM && x->op != FV_X_MUL);
        if (known && affine_in(x->arg[i], d) && !(x->op == FV_X_MUL && other->u.i == 0))
            return affine_in(x->arg[i], d);
    }
    return NULL;
}

/* Is each index of the load a constant, or linear in one variable of d, with a different variable
 * for each? */
static bool is_injective(const fv_expr *load, const fv_definition *d) {
    for (int i = 0; i < load->u.buf->rank; i++) {
        const fv_var *v = affine_in(load->arg[i], d);
        if (!v && load->arg[i]->op != FV_X_CONST)
            return false;
        for (int k = 0; k < i && v; k++)
            if (affine_in(load->arg[k], d) == v)
                return false;
    }
    return true;
}

static bool has_own_variables(const fv_expr *load) {
    for (int i = 0; i < load->u.buf->rank; i++) {
        if (load->arg[i]->op != FV_X_VAR)
            return false;
        for (int k = 0; k < i; k++)
            if (load->arg[k]->op == FV_X_VAR && load->arg[k]->u.var == load->arg[i]->u.var)
                return false;
    }
    return true;
}

/* The reductions around an expression, the innermost first. */
typedef struct around {
    const fv_expr *reduce;
    const struct around *outer;
} around;

static bool slides(const fv_expr *index, const fv_definition *d, const fv_expr *reduce) {
    bool by_own = false, by_sum = false;
    for (int i = 0; i < d->rank; i++)
        by_own |= fv_x_uses(index, d->index[i]);
    for (int i = 0; i < reduce->u.red.nvars; i++)
        by_sum |= fv_x_uses(index, reduce->u.red.vars[i]);
    return by_own && by_sum;
}

static bool is_of_window(const fv_expr *load, const fv_definition *d, const around *a) {
    for (; a; a = a->outer)
        for (int i = 0; i < load->u.buf->rank; i++)
            if (slides(load->arg[i], d, a->reduce))
                return true;
    return false;
}

static double reads_of(const fv_expr *load, const fv_definition *d, const around *a) {
    double n = 1;
    for (int i = 0; i < d->rank; i++)
        n *= fv_typical_extent(d->index[i]->dim);
    for (; a; a = a->outer)
        for (int i = 0; i < a->reduce->u.red.nvars; i++)
            if (fv_x_uses(load, a->reduce->u.red.vars[i]))
                n *= fv_typical_extent(a->reduce->u.red.vars[i]->dim);
    return n;
}

typedef struct reader {
    const fv_value *v;
    const fv_definition *d;
    const fv_row_axes *axes;
    fv_ptrmap seen;
    fv_reading r;
} reader;

/* Is the reduction one of terms that are computed from sums of integers? */
static bool is_of_sums(const fv_expr *reduce) {
    fv_expr *inner[1];
    return fv_x_reductions(reduce->arg[0], inner, 1) > 0 &&
           fv_elem_is_int((fv_elem)inner[0]->type.elem);
}

/* Has the load a condition that is not the same for all elements of d? */
static bool is_guarded(const fv_expr *load, const fv_definition *d) {
    bool varies = false;
    for (int i = 0; load->op == FV_X_GUARD && i < d->rank && !varies; i++)
        varies = fv_x_uses(load->arg[load->u.buf->rank], d->index[i]);
    return varies;
}

static void add_load(reader *t, const fv_expr *x, const around *a) {
    fv_reading *r = &t->r;
    bool same, permuted = is_permuted(x, t->d, &same);
    r->loads++;
    r->in_reduction |= a != NULL;
    r->in_term |= a && is_of_sums(a->reduce);
    r->ordered &= permuted;
    r->identity &= permuted && same;
    r->by_rows &= is_by_row(x, t->axes, t->d, a != NULL);
    r->variables &= has_own_variables(x);
    r->injective &= is_injective(x, t->d);
    r->guarded |= is_guarded(x, t->d);
    r->windows |= is_of_window(x, t->d, a);
    r->reads += reads_of(x, t->d, a);
}

static void read_by(reader *t, const fv_expr *x, const around *a) {
    if (x->n) {
        void **at = fv_ptrmap_at(&t->seen, x);
        if (*at)
            return;
        *at = (void *)x;
    }
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value == t->v)
        add_load(t, x, a);
    const around own = {x, a};
    for (int i = 0; i < x->n; i++)
        read_by(t, x->arg[i], x->op == FV_X_REDUCE ? &own : a);
}

fv_row_axes fv_row_axes_of(const fv_definition *d) {
    fv_row_axes axes = {0};
    add_row_axes(d->body, d, &axes);
    return axes;
}

fv_reading fv_reading_of(fv_lowerer *l, const fv_definition *d, const fv_value *v,
                         const fv_row_axes *axes) {
    reader t = {.v = v, .d = d, .axes = axes, .seen = fv_ptrmap_in(l->current.scratch)};
    t.r = (fv_reading){
        .identity = true, .ordered = true, .by_rows = true, .variables = true, .injective = true};
    read_by(&t, d->body, NULL);
    return t.r;
}

bool fv_is_contraction(const fv_expr *x) {
    if (x->op == FV_X_REDUCE && x->u.red.kind == FV_SUM && x->arg[0]->op == FV_X_MUL &&
        !fv_x_equal(x->arg[0]->arg[0], x->arg[0]->arg[1]))
        return true;
    for (int i = 0; i < x->n; i++)
        if (fv_is_contraction(x->arg[i]))
            return true;
    return false;
}
