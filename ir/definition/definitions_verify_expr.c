/* definitions_verify_expr.c - verifies the expressions of definitions: what loads may read, and
 * where variables are bound. */
#include "ir/definition/definitions_verify_expr.h"

#include "ir/definition/definitions_verify_over.h"
#include "ir/definition/definitions_verify_places.h"
#include "ir/definition/view.h"
#include "ir/dim/text.h"
#include "ir/expr/check.h"

/* ---- where a load reaches ---- */

/* Does x contain a variable whose axis is empty, so that x is never evaluated? */
static bool never_runs(const fv_expr *x, fv_ptrmap *seen) {
    bool found = x->op == FV_X_VAR && x->u.var->dim && x->u.var->dim->hi <= 0;
    if (found || !x->n || *fv_ptrmap_at(seen, x))
        return found;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n && !found; i++)
        found = never_runs(x->arg[i], seen);
    return found;
}

/* Is the index certainly out of range for some element, whatever the sizes within the bounds of all
 * dims? It is if the least or the greatest value of the index, as an expression over the sizes, is
 * outside of the axis for every size. */
static bool reaches_outside(fv_verifier *v, const fv_expr *index, const fv_dim *extent,
                            const char **how) {
    fv_dims *t = v->m->dims;
    for (int i = 0; v->at->def && i < v->at->def->rank; i++)
        if (v->at->def->index[i]->dim->hi <= 0)
            return false;
    if (never_runs(index, &(fv_ptrmap){.arena = v->a}))
        return false;
    const fv_dim *least = fv_x_bound(t, index, false), *most = fv_x_bound(t, index, true);
    const fv_dim *beyond =
        most ? fv_dim_sub(t, fv_dim_add(t, most, fv_dim_const(t, 1)), extent) : NULL;
    if (least && least->hi < 0)
        *how = fv_printf(v->a, "begins at %s", fv_dim_str(v->a, least));
    else if (beyond && beyond->lo > 0)
        *how = fv_printf(v->a, "reaches %s, the axis has %s", fv_dim_str(v->a, most),
                         fv_dim_str(v->a, extent));
    else
        return false;
    return true;
}

/* Does x contain a dim that is known only at run time? */
static bool has_data_dims(const fv_expr *x, fv_ptrmap *seen) {
    bool found = x->op == FV_X_DIM && x->u.dim->from_data;
    if (found || !x->n || *fv_ptrmap_at(seen, x))
        return found;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n && !found; i++)
        found = has_data_dims(x->arg[i], seen);
    return found;
}

/* Checks that the indices of the load x are within its axes, of each of which `extent` elements may
 * be read. Indices that bounds of dims prove to be outside were refused before. An index that is
 * loaded from data must be proved to be inside, except in a guarded load with dims that are known
 * only at run time, if the definitions were made from a graph. For other indices a missing proof is
 * accepted if they were made from a graph, since operators know relations between sizes that are
 * not stated; in a text it gives a warning. */
static bool check_inside(fv_verifier *v, const fv_expr *x, const fv_dim *const *extent) {
    int rank = x->u.buf->rank, at = 0;
    bool guard = x->op == FV_X_GUARD;
    fv_expr *cond = guard ? x->arg[rank] : NULL;
    if ((guard || v->is_text) && fv_inside_load(v->inside, rank, x->arg, extent, cond, &at))
        return true;
    int bare = 0;
    while (bare < rank && !fv_inside_from_data(v->inside, x->arg[bare], cond))
        bare++;
    if (bare < rank && !(guard && !v->is_text && has_data_dims(x, &(fv_ptrmap){.arena = v->a})))
        return fv_dv_illegal(v, "`%s`: index %d is not proved to be inside of an axis of %s",
                             fv_dv_text(v, x), bare, fv_dim_str(v->a, extent[bare]));
    if (v->is_text)
        fv_warning(v->session,
                   "definition of %%%s: `%s`: index %d is not proved to be inside of an axis of "
                   "%s, and no run checks it",
                   v->at->value->name, fv_dv_text(v, x), at, fv_dim_str(v->a, extent[at]));
    return true;
}

/* ---- groups ---- */

/* The value in whose memory x is stored: the whole if x is a part. */
static const fv_value *home_of(const fv_verifier *v, const fv_value *x) {
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    return d && d->fate == FV_FATE_PART ? d->of : fv_dv_memory(v, x);
}

/* Does b have the axes with which d defines its value? */
static bool is_seen_as_made(const fv_verifier *v, const fv_buf *b, const fv_definition *d) {
    bool same = b->rank == d->rank;
    for (int i = 0; i < d->rank && same; i++)
        same = fv_buf_dim(v->m->dims, b, i) == d->index[i]->dim;
    return same;
}

/* Checks a load from another result of the same group: it must be at the same shared indices. A
 * value of which this kernel computes only a part must not be loaded. */
static bool check_read_of_group(fv_verifier *v, const fv_expr *x) {
    const fv_value *from = x->u.buf->value;
    const fv_op *op = v->at->value->def;
    const fv_defined *d = fv_ptrmap_get(&v->defined, from);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] != from && home_of(v, op->out[i]) == home_of(v, from) &&
            x != v->at->def->place)
            return fv_dv_illegal(v, "`%s`: %%%s, which the same kernel computes, is stored there",
                                 fv_dv_text(v, x), op->out[i]->name);
    bool member = from->def == op && from != v->at->value;
    if (member && !is_seen_as_made(v, x->u.buf, d->def))
        return fv_dv_illegal(v, "`%s`: the same kernel makes it with other axes", fv_dv_text(v, x));
    for (int i = 0; member && i < d->def->rank; i++) {
        bool shared = false,
             same = x->arg[i]->op == FV_X_VAR && x->arg[i]->u.var == d->def->index[i];
        for (int k = 0; k < v->shared.n; k++)
            shared |= v->shared.all[k] == d->def->index[i];
        int64_t c;
        same |= fv_dim_is_one(d->def->index[i]->dim) && fv_x_is_int(x->arg[i], &c) && c == 0;
        if (shared && !same)
            return fv_dv_illegal(v, "`%s`: the same kernel makes it, and index %d is not '%s'",
                                 fv_dv_text(v, x), i, d->def->index[i]->name);
    }
    return true;
}

/* ---- views ---- */

/* Removes d from the n dims; false: it is not among them. Products of many unknown sizes may
 * overflow and then have no normal form; without the factors that both products have, they may be
 * comparable. */
static bool take_dim(const fv_dim **dims, int *n, const fv_dim *d) {
    for (int i = 0; i < *n; i++) {
        if (dims[i] != d)
            continue;
        dims[i] = dims[--*n];
        return true;
    }
    return false;
}

/* Is d proved to be at least 0, or the product of neighbouring dims of the type, which are
 * sizes? */
static bool is_size(fv_dims *t, const fv_type *type, const fv_dim *d) {
    if (d->lo >= 0)
        return true;
    for (int i = 0; i < type->rank; i++)
        for (int n = 1; n <= type->rank - i; n++)
            if (fv_dim_product(t, n, type->dims + i) == d)
                return true;
    return false;
}

/* Have the axes of a view as many elements as the value, and are they sizes? */
bool fv_dv_is_view(const fv_verifier *v, const fv_type *type, int n, const fv_dim *const *dims) {
    const fv_dim *left[FV_MAX_RANK], *right[FV_MAX_RANK];
    int nleft = 0, nright = 0;
    bool sizes = n <= FV_MAX_RANK;
    for (int i = 0; i < n && sizes; i++)
        sizes = is_size(v->m->dims, type, dims[i]);
    for (int i = 0; i < type->rank; i++)
        right[nright++] = type->dims[i];
    for (int i = 0; i < n && sizes; i++)
        if (!take_dim(right, &nright, dims[i]))
            left[nleft++] = dims[i];
    fv_dims *t = v->m->dims;
    return sizes && (fv_module_equal(v->m, fv_dim_product(t, n, dims),
                                     fv_dim_product(t, type->rank, type->dims)) ||
                     fv_module_equal(v->m, fv_dim_product(t, nleft, left),
                                     fv_dim_product(t, nright, right)));
}

static bool check_axes(fv_verifier *v, const fv_expr *x, const fv_dim *const *dims) {
    const fv_value *from = x->u.buf->value;
    int rank = x->u.buf->rank;
    if (fv_view_is_own(from->type, fv_dv_last(v, from), rank, dims))
        return true;
    if (fv_step_comes(v->d->after, "split"))
        return rank == from->type->rank
                   ? fv_dv_illegal(v, "`%s`: a view, and the step \"split\" is to come",
                                   fv_dv_text(v, x))
                   : fv_dv_illegal(v, "`%s`: the value has %d axes", fv_dv_text(v, x),
                                   from->type->rank);
    return fv_dv_is_view(v, from->type, rank, dims) ||
           fv_dv_illegal(v, "`%s`: the view is not proved to have as many elements as %s",
                         fv_dv_text(v, x), fv_type_str(v->a, from->type));
}

/* Computes how many elements along each axis of the load x, whose axes have these dims, may be
 * read. */
static bool find_readable(fv_verifier *v, const fv_expr *x, const fv_dim *const *dims,
                          const fv_dim **extent) {
    const fv_value *from = x->u.buf->value;
    const fv_dim *own[FV_MAX_RANK], *may[FV_MAX_RANK];
    int rank = from->type->rank, last = fv_dv_last(v, from);
    for (int i = 0; i < rank; i++) {
        own[i] = from->type->dims[fv_memory_axis(rank, last, i)];
        may[i] = fv_dv_readable(v, from, fv_memory_axis(rank, last, i));
    }
    return fv_view_readable(v->m->dims, rank, own, may, x->u.buf->rank, dims, extent) ||
           fv_dv_illegal(v, "`%s`: only a part of %%%s is valid, and the view has no axis of it",
                         fv_dv_text(v, x), from->name);
}

/* ---- loads ---- */

static bool check_read(fv_verifier *v, const fv_expr *x) {
    const fv_buf *b = x->u.buf;
    const fv_value *from = b->value;
    bool guard = x->op == FV_X_GUARD;
    const fv_defined *d = from ? fv_ptrmap_get(&v->defined, from) : NULL;
    if (!from || from->type->kind != FV_TENSOR)
        return fv_dv_illegal(v, "'%s' is no value of the graph", b->name);
    const fv_dim *dims[FV_MAX_RANK], *extent[FV_MAX_RANK];
    fv_buf_dims(v->m->dims, b, dims);
    if (x->n != b->rank + (guard ? 2 : 0))
        return fv_dv_illegal(v, "`%s`: the value has %d axes", fv_dv_text(v, x), from->type->rank);
    if (!check_axes(v, x, dims))
        return false;
    if (b->elem != from->type->elem || x->type.elem != b->elem || x->type.lanes != 1)
        return fv_dv_illegal(v, "`%s`: the value is %s, it is loaded as %s", fv_dv_text(v, x),
                             fv_elem_name(from->type->elem), fv_elem_name((fv_elem)x->type.elem));
    bool assembled = d && d->fate == FV_FATE_ASSEMBLED && !fv_dv_is_written(d);
    if (from->kind != FV_VALUE_CONST && !fv_ptrmap_get(&v->made, from) && !assembled)
        return fv_dv_illegal(v, "`%s`: the value is not made before", fv_dv_text(v, x));
    if (assembled && d->of)
        return fv_dv_illegal(v, "`%s`: it is stored in the memory of %%%s, where it is loaded",
                             fv_dv_text(v, x), d->of->name);
    if (assembled && !fv_ptrmap_get(&v->parts, from))
        return fv_dv_illegal(v, "`%s`: the value is assembled of no parts", fv_dv_text(v, x));
    if (d && d->fate == FV_FATE_PART)
        return fv_dv_illegal(v, "`%s`: the value has no memory of its own, it is a part of %%%s",
                             fv_dv_text(v, x), d->of->name);
    if (v->at->fate == FV_FATE_PART && fv_dv_memory(v, from) == v->at->of && x != v->at->def->place)
        return fv_dv_illegal(v, "`%s`: it is stored in what it reads", fv_dv_text(v, x));
    if (fv_is_group(v->at->value->def) && !check_read_of_group(v, x))
        return false;
    if (d && d->fate == FV_FATE_SUBSTITUTED && v->at->fate != FV_FATE_SUBSTITUTED)
        return fv_dv_illegal(v, "`%s`: the value is substituted, it has no memory",
                             fv_dv_text(v, x));
    if (guard &&
        (x->arg[b->rank]->type.elem != FV_BOOL || x->arg[b->rank + 1]->type.elem != x->type.elem))
        return fv_dv_illegal(v, "`%s`: condition or other value is of the wrong type",
                             fv_dv_text(v, x));
    /* if an axis is empty, the result is empty, too; relations may imply that where bounds do
     * not */
    bool empty = false;
    for (int i = 0; i < from->type->rank; i++)
        empty |= from->type->dims[i]->hi <= 0;
    if (!find_readable(v, x, dims, extent))
        return false;
    for (int i = 0; i < b->rank; i++) {
        const char *how;
        if (x->arg[i]->type.elem != FV_I64)
            return fv_dv_illegal(v, "`%s`: index %d is no i64", fv_dv_text(v, x), i);
        if (!guard && !empty && reaches_outside(v, x->arg[i], extent[i], &how))
            return fv_dv_illegal(v, "`%s`: index %d %s", fv_dv_text(v, x), i, how);
    }
    if (empty && !v->is_text)
        return true;
    const fv_defined *over = fv_dv_assembled_over(v, from);
    if (over && v->is_text && !fv_ptrmap_get(&v->made, over->value) && x != v->at->def->place &&
        !fv_dv_reaches_made(v, x, extent))
        return false;
    bool early = v->is_text && d && d->fate == FV_FATE_ASSEMBLED &&
                 !fv_ptrmap_get(&v->made, from) && x != v->at->def->place;
    return check_inside(v, x, extent) && (!early || fv_dv_reaches_made(v, x, extent));
}

/* ---- variables ---- */

/* The bit of a reduction variable; 0: there are more variables than bits. */
static uint64_t bit_of(fv_verifier *v, const fv_var *var) {
    int i = 0;
    while (i < v->nvars && v->vars[i] != var)
        i++;
    if (i == FV_DV_SETS)
        return 0;
    if (i == v->nvars)
        v->vars[v->nvars++] = var;
    return UINT64_C(1) << i;
}

static bool is_index(const fv_definition *d, const fv_var *var) {
    for (int i = 0; i < d->rank; i++)
        if (d->index[i] == var)
            return true;
    return false;
}

/* Checks that each reduction whose bits depend on its order has one after the step `order`, and
 * that no reduction has one before it. */
static bool check_order(fv_verifier *v, const fv_expr *x) {
    bool open = x->u.red.order == FV_ORDER_OPEN;
    if (!fv_step_comes(v->d->after, "order"))
        return !open || !fv_x_is_ordered(x) ||
               fv_dv_illegal(v, "`%s`: in no order", fv_dv_text(v, x));
    return open || fv_dv_illegal(v, "`%s`: in an order, and the step \"order\" is to come",
                                 fv_dv_text(v, x));
}

/* Checks each node once, arguments first. *free: bits of the reduction variables that are free in
 * x. */
static bool check_node(fv_verifier *v, const fv_expr *x, uint64_t *free) {
    uint64_t *known = fv_ptrmap_get(&v->free, x), part;
    if (known) {
        *free = *known;
        return true;
    }
    *free = 0;
    for (int i = 0; i < x->n; i++) {
        if (!check_node(v, x->arg[i], &part))
            return false;
        *free |= part;
    }
    const char *problem = fv_x_problem(v->a, x);
    if (problem || x->type.lanes != 1)
        return fv_dv_illegal(v, "`%s`: %s", fv_dv_text(v, x),
                             problem ? problem : "vectors are for kernels");
    if (x->op == FV_X_VAR && !is_index(v->at->def, x->u.var)) {
        if (!x->u.var->dim)
            return fv_dv_illegal(v, "'%s' is no index variable", x->u.var->name);
        *free |= bit_of(v, x->u.var);
    }
    if (x->op == FV_X_REDUCE && !check_order(v, x))
        return false;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++) {
        const fv_var *var = x->u.red.vars[i];
        if (is_index(v->at->def, var))
            return fv_dv_illegal(v, "`%s`: '%s' indexes the result as well", fv_dv_text(v, x),
                                 var->name);
        *free &= ~bit_of(v, var);
    }
    if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && !check_read(v, x))
        return false;
    known = FV_NEW(v->a, uint64_t, 1);
    *known = *free;
    *fv_ptrmap_at(&v->free, x) = known;
    return true;
}

/* Checks that no reduction is nested in another one over the same variable. */
static bool check_nesting(fv_verifier *v, const fv_expr *x, uint64_t running, fv_ptrmap *seen) {
    uint64_t *with = fv_ptrmap_get(seen, x);
    if (with && (running & ~*with) == 0)
        return true;
    if (!with)
        *fv_ptrmap_at(seen, x) = with = FV_NEW(v->a, uint64_t, 1);
    *with |= running;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++) {
        uint64_t bit = bit_of(v, x->u.red.vars[i]);
        if (running & bit)
            return fv_dv_illegal(v, "`%s`: '%s' runs already", fv_dv_text(v, x),
                                 x->u.red.vars[i]->name);
        running |= bit;
    }
    for (int i = 0; i < x->n; i++)
        if (!check_nesting(v, x->arg[i], running, seen))
            return false;
    return true;
}

bool fv_dv_expr(fv_verifier *v, const fv_expr *x) {
    uint64_t free;
    v->free = fv_ptrmap_in(v->a);
    v->nvars = 0;
    if (!check_node(v, x, &free))
        return false;
    for (int i = 0; i < v->nvars; i++)
        if (free >> i & 1)
            return fv_dv_illegal(v, "'%s' is used outside of the reduction over it",
                                 v->vars[i]->name);
    fv_ptrmap seen = fv_ptrmap_in(v->a);
    return check_nesting(v, x, 0, &seen);
}
