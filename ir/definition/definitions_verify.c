/* definitions_verify.c - verifies definitions between two steps of lowering. */
#include "ir/definition/definitions_verify_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ir/catalogue/op.h"
#include "ir/definition/view.h"
#include "ir/dim/text.h"
#include "ir/expr/check.h"
#include "ir/graph/bounds.h"
#include "ir/graph/state.h"
#include "ir/kernel/printer.h"

enum { ENOUGH = 8 }; /* number of errors after which the verifier stops */

/* ---- messages ---- */

int fv_dv_last(const fv_verifier *v, const fv_value *x) {
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    return d ? d->last : -1;
}

bool fv_dv_illegal(fv_verifier *v, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    v->errors++;
    return fv_error(v->session, "illegal definition of %%%s: %s", v->at->value->name, text);
}

/* Prints the axes with which b represents its value, if they are not the value's own. */
static void put_view(void *user, fv_text *t, const fv_buf *b) {
    const fv_verifier *v = user;
    const fv_dim *dims[FV_MAX_RANK];
    fv_buf_dims(v->m->dims, b, dims);
    if (b->value && ((const fv_value *)b->value)->type->kind == FV_TENSOR)
        fv_view_put(t, ((const fv_value *)b->value)->type, fv_dv_last(v, b->value), b->rank, dims);
}

const char *fv_dv_text(fv_verifier *v, const fv_expr *x) {
    fv_text t = {.arena = v->a};
    fv_kprinter p;
    fv_kprinter_init(&p, &t, false);
    p.values = true;
    p.view.put = put_view;
    p.view.user = v;
    p.end = 200;
    fv_kp_expr(&p, x);
    return t.s;
}

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

/* Is the index out of range for some element and some sizes within the bounds of all dims? Reported
 * only where it is certain: an index that is a sum of variables with constant factors takes its
 * least and greatest values for every size. */
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
        *how = fv_printf(v->a, "goes to %s, the axis has %s", fv_dim_str(v->a, most),
                         fv_dim_str(v->a, extent));
    else
        return false;
    return true;
}

/* Does x contain a dim that only the run knows? */
static bool has_data_dims(const fv_expr *x, fv_ptrmap *seen) {
    bool found = x->op == FV_X_DIM && x->u.dim->from_data;
    if (found || !x->n || *fv_ptrmap_at(seen, x))
        return found;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    for (int i = 0; i < x->n && !found; i++)
        found = has_data_dims(x->arg[i], seen);
    return found;
}

/* Checks that index x is within the axis of d elements. Indices that bounds of dims prove to be
 * outside were refused before. An index that is loaded from data must be tested before it is used.
 * For other indices a missing proof is accepted if the definitions were made from a graph, since
 * operators know relations between sizes that are not stated; in a text it gives a warning. */
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
        return fv_dv_illegal(v, "`%s`: nothing says that index %d is inside of an axis of %s",
                             fv_dv_text(v, x), bare, fv_dim_str(v->a, extent[bare]));
    if (v->is_text)
        fv_warning(v->session,
                   "definition of %%%s: `%s`: nothing says that index %d is inside of an axis of "
                   "%s; no run asks",
                   v->at->value->name, fv_dv_text(v, x), at, fv_dim_str(v->a, extent[at]));
    return true;
}

/* The value in whose memory x is stored: x itself, or the value of which it is a view. */
static const fv_value *memory_of(const fv_verifier *v, const fv_value *x) {
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    return d && d->fate == FV_FATE_VIEW ? d->of : x;
}

/* ---- inputs in whose memory a result is stored ---- */

/* The type of port i as callers see it, if its memory is larger than that; NULL: callers see all of
 * the memory, or the elements are packed. */
static const fv_type *valid_type(const fv_type *const *types, int i) {
    return types && types[i] && !fv_elem_is_packed(types[i]->elem) ? types[i] : NULL;
}

/* The number of the result that is stored in the memory of a parameter, or will be; -1: there is
 * none. */
static int result_over(const fv_verifier *v, const fv_value *param) {
    const fv_op *ret = v->m->funcs->body->last;
    for (int i = 0; i < ret->nin; i++) {
        const fv_op *op = valid_type(v->d->out, i) ? ret->in[i]->def : NULL;
        if (op && fv_op_is(op, FV_OP_fv_Extend) && op->in[0] == param)
            return i;
    }
    return -1;
}

/* The result that is assembled in the memory of this parameter, so that its parts are stored
 * there. */
static const fv_defined *assembled_over(const fv_verifier *v, const fv_value *x) {
    int i = x->kind == FV_VALUE_PARAM ? result_over(v, x) : -1;
    const fv_defined *d = i < 0 ? NULL : fv_ptrmap_get(&v->defined, v->m->funcs->body->last->in[i]);
    return d && d->fate == FV_FATE_ASSEMBLED && d->of == x ? d : NULL;
}

/* Is the value written by a custom kernel into the memory of an input? */
static bool is_written(const fv_defined *d) {
    return d->fate == FV_FATE_ASSEMBLED && d->of && d->value->def->def->kernel;
}

/* The number of elements along `axis` that may be read from a value: for a state with spare
 * capacity, the number that callers see; fv.Extend itself may read all of the memory. */
static const fv_dim *readable(const fv_verifier *v, const fv_value *from, int axis) {
    const fv_op *ret = v->m->funcs->body->last;
    for (int i = 0; i < ret->nin; i++) /* the value becomes result i, which extends a state */
        if (ret->in[i] == from && valid_type(v->d->out, i))
            return v->d->out[i]->dims[axis];
    int i = from->kind == FV_VALUE_PARAM && !fv_op_is(v->at->value->def, FV_OP_fv_Extend)
                ? result_over(v, from)
                : -1;
    if (i < 0)
        return from->type->dims[axis];
    const fv_type *t = assembled_over(v, from) ? v->d->out[i] : valid_type(v->d->in, from->index);
    return t ? t->dims[axis] : from->type->dims[axis];
}

/* What is wrong with result i, of which callers see only a part of its memory; NULL: nothing. */
static const char *over_problem(fv_verifier *v, const fv_op *ret, int i) {
    const fv_func *f = v->m->funcs;
    const fv_value *x = ret->in[i];
    const fv_op *op = x->def;
    if (!op || !fv_op_is(op, FV_OP_fv_Extend) || op->in[0]->kind != FV_VALUE_PARAM || !f->states ||
        f->states[i] != op->in[0])
        return "it is no fv.Extend of the input that it is the state of";
    const fv_value *p = op->in[0];
    const fv_type *in = valid_type(v->d->in, p->index), *out = v->d->out[i];
    int axis = (int)fv_op_int(op, "axis");
    if (!in || in->kind != FV_TENSOR || in->elem != p->type->elem || out->elem != in->elem ||
        in->rank != p->type->rank || out->rank != in->rank)
        return "the input has no valid part of that type and rank";
    for (int k = 0; k < in->rank; k++)
        if (k != axis && (in->dims[k] != p->type->dims[k] || out->dims[k] != in->dims[k]))
            return fv_printf(v->a, "on axis %d, too, not all of the memory is valid", k);
    const fv_dim *room = p->type->dims[axis], *start = fv_op_find_attr(op, "start")->u.dims[0];
    if ((room->kind != FV_DIM_SYMBOL && !fv_dim_is_const(room)) || room->from_data)
        return fv_printf(v->a, "its capacity, %s, is neither a number nor a symbol",
                         fv_dim_str(v->a, room));
    if (!f->capacity || f->capacity[i] != room)
        return fv_printf(v->a, "the capacity that is declared is not %s", fv_dim_str(v->a, room));
    if (start != in->dims[axis] ||
        out->dims[axis] != fv_dim_add(v->m->dims, start, op->in[1]->type->dims[axis]))
        return "what is added does not begin where the input ends, or does not end where the "
               "result does";
    if (x->nuses > 1 && !fv_step_comes(v->d->after, "extend"))
        for (int k = 0; k < x->nuses; k++)
            if (x->uses[k].op == ret && x->uses[k].index != i)
                return "it is another result as well";
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    if (!fv_step_comes(v->d->after, "extend") && (!d || d->fate != FV_FATE_ASSEMBLED || d->of != p))
        return fv_printf(v->a, "it is not assembled over %%%s, and this is after \"%s\"", p->name,
                         v->d->after);
    return NULL;
}

/* Is result i, which has a capacity, stored in the memory of its state's input, or can it still
 * be? */
static bool is_in_place(const fv_verifier *v, const fv_op *ret, int i) {
    const fv_func *f = v->m->funcs;
    const fv_defined *d = fv_ptrmap_get(&v->defined, ret->in[i]);
    const fv_op *op = ret->in[i]->def;
    if (!fv_step_comes(v->d->after, "extend"))
        return d && d->fate == FV_FATE_ASSEMBLED && d->of == f->states[i];
    return op && op->def->kernel;
}

static bool check_ports(fv_verifier *v, const fv_op *ret) {
    const fv_func *f = v->m->funcs;
    for (int i = 0; i < ret->nin; i++) {
        const char *problem = valid_type(v->d->out, i) ? over_problem(v, ret, i) : NULL;
        if (problem)
            return fv_op_error(ret, "result %d, %%%s, has a valid part: %s", i, ret->in[i]->name,
                               problem);
    }
    const fv_region *body = v->m->funcs->body;
    for (int i = 0; i < body->nparams; i++)
        if (valid_type(v->d->in, i) && result_over(v, body->params[i]) < 0)
            return fv_op_error(ret, "%%%s has a valid part, and nothing is added to it",
                               body->params[i]->name);
    for (int i = 0; f->states && f->capacity && i < ret->nin; i++)
        if (f->states[i] && f->capacity[i] && !valid_type(v->d->out, i) && !is_in_place(v, ret, i))
            return fv_op_error(
                ret, "result %d, %%%s, has a capacity, and does not lie in the memory of %%%s", i,
                ret->in[i]->name, f->states[i]->name);
    return true;
}

/* ---- groups ---- */

/* The value in whose memory x is stored: the whole if x is a part. */
static const fv_value *home_of(const fv_verifier *v, const fv_value *x) {
    const fv_defined *d = fv_ptrmap_get(&v->defined, x);
    return d && d->fate == FV_FATE_PART ? d->of : memory_of(v, x);
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

/* Checks one result of a group: its first axes are indexed by the shared variables, those of the
 * first result. */
static bool check_member(fv_verifier *v, const fv_definition *first) {
    const fv_definition *d = v->at->def;
    for (int i = 0; i < d->rank; i++) {
        int k = 0;
        while (k < v->shared.n && v->shared.all[k] != d->index[i])
            k++;
        if (k == v->shared.n && d != first && fv_definition_axis(first, d->index[i]) < first->rank)
            return fv_dv_illegal(v, "'%s' indexes %%%s as well, but not all results of the group",
                                 d->index[i]->name, first->value->name);
    }
    return true;
}

/* Checks a group: each result has memory, and their definitions agree on the shared axes. */
static bool check_group(fv_verifier *v, const fv_op *op) {
    fv_definition *all[FV_MAX_OUT];
    for (int i = 0; i < op->nout; i++) {
        const fv_defined *x = fv_ptrmap_get(&v->defined, op->out[i]);
        if (!x)
            return fv_op_error(op, "%%%s has no definition", op->out[i]->name);
        v->at = x;
        if (!x->def || (x->fate != FV_FATE_MEMORY && x->fate != FV_FATE_PART))
            return fv_dv_illegal(v, "it is one of several results, and no kernel writes it");
        all[i] = x->def;
    }
    v->shared.n = fv_group_shared(op->nout, all, v->shared.all);
    for (int i = 0; i < op->nout; i++) {
        v->at = fv_ptrmap_get(&v->defined, op->out[i]);
        if (!check_member(v, all[0]))
            return false;
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
static bool is_view(const fv_verifier *v, const fv_type *type, int n, const fv_dim *const *dims) {
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
    return is_view(v, from->type, rank, dims) ||
           fv_dv_illegal(v, "`%s`: nothing says that the view has as many elements as %s",
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
        may[i] = readable(v, from, fv_memory_axis(rank, last, i));
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
    bool assembled = d && d->fate == FV_FATE_ASSEMBLED && !is_written(d);
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
    if (v->at->fate == FV_FATE_PART && memory_of(v, from) == v->at->of && x != v->at->def->place)
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
    const fv_defined *over = assembled_over(v, from);
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

/* Checks that each reduction has an order after the step `order`, and none before it. */
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

/* ---- one value ---- */

/* Checks that the result's indices are those of its memory, possibly with other axes. */
static bool check_view_of_result(fv_verifier *v) {
    const fv_definition *d = v->at->def;
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < d->rank && i < FV_MAX_RANK; i++)
        dims[i] = d->index[i]->dim;
    return (d->rank <= FV_MAX_RANK &&
            (fv_view_is_own(v->at->value->type, v->at->last, d->rank, dims) ||
             is_view(v, v->at->value->type, d->rank, dims))) ||
           fv_dv_illegal(v, "nothing says that its indices are as many as the elements of %s",
                         fv_type_str(v->a, v->at->value->type));
}

static bool check_indices(fv_verifier *v) {
    const fv_definition *d = v->at->def;
    const fv_type *t = v->at->value->type;
    bool views = !fv_step_comes(v->d->after, "split");
    if (d->value != v->at->value || (!views && d->rank != t->rank))
        return fv_dv_illegal(v, "it has %d indices, the value %d axes", d->rank, t->rank);
    if (v->at->last >= t->rank)
        return fv_dv_illegal(v, "axis %d is last, of %d", v->at->last, t->rank);
    if (views && !check_view_of_result(v))
        return false;
    for (int i = 0; i < d->rank; i++) {
        int axis = fv_memory_axis(d->rank, v->at->last, i);
        if (!views && d->index[i]->dim != t->dims[axis])
            return fv_dv_illegal(v, "index '%s' runs to %s, the axis has %s", d->index[i]->name,
                                 fv_dim_str(v->a, d->index[i]->dim),
                                 fv_dim_str(v->a, t->dims[axis]));
        for (int k = 0; k < i; k++)
            if (d->index[k] == d->index[i])
                return fv_dv_illegal(v, "index '%s' is used for two axes", d->index[i]->name);
    }
    return true;
}

/* Are a and b equal? A text must state a relation that proves it; between steps, it is enough that
 * it is not refuted, since operators know more. */
static bool are_as_many(fv_verifier *v, const fv_dim *a, const fv_dim *b) {
    return v->is_text ? fv_module_equal(v->m, a, b)
                      : fv_dim_compare(v->m->dims, a, b) != FV_DIM_DIFFERENT;
}

static bool check_view(fv_verifier *v) {
    const fv_defined *x = v->at, *of = fv_ptrmap_get(&v->defined, x->of);
    const fv_type *a = x->value->type, *b = x->of->type;
    fv_dims *t = v->m->dims;
    if (x->of->kind != FV_VALUE_CONST && !fv_ptrmap_get(&v->made, x->of))
        return fv_dv_illegal(v, "it is a view of %%%s, which is not made before", x->of->name);
    if (result_over(v, x->of) >= 0)
        return fv_dv_illegal(v, "it is a view of %%%s, of which only a part is valid", x->of->name);
    if (of && of->fate != FV_FATE_MEMORY && of->fate != FV_FATE_ASSEMBLED)
        return fv_dv_illegal(v, "it is a view of %%%s, which has no memory of its own",
                             x->of->name);
    if (of && of->fate == FV_FATE_ASSEMBLED && !is_written(of) && !fv_ptrmap_get(&v->parts, x->of))
        return fv_dv_illegal(v, "it is a view of %%%s, which is assembled of no parts",
                             x->of->name);
    if (of && of->last >= 0)
        return fv_dv_illegal(v, "it is a view of %%%s, whose axes lie in another order in memory",
                             x->of->name);
    if (a->kind != FV_TENSOR || b->kind != FV_TENSOR || a->elem != b->elem ||
        !are_as_many(v, fv_dim_product(t, a->rank, a->dims), fv_dim_product(t, b->rank, b->dims)))
        return fv_dv_illegal(v, "it is %s, and a view of %s", fv_type_str(v->a, a),
                             fv_type_str(v->a, b));
    return true;
}

static const fv_dim *elements(fv_verifier *v, const fv_type *t) {
    return fv_dim_product(v->m->dims, t->rank, t->dims);
}

static bool loads_from(const fv_expr *x, const fv_value *p, fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    bool found = (x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value == p;
    for (int i = 0; i < x->n && !found; i++)
        found = loads_from(x->arg[i], p, seen);
    return found;
}

/* A value whose definition reads input p, or a result stored in its memory, directly or as a view;
 * NULL: there is none. */
static const fv_value *reader_of(const fv_verifier *v, const fv_value *p) {
    for (int i = 0; i < v->d->n; i++) {
        const fv_defined *x = &v->d->all[i];
        fv_ptrmap seen = fv_ptrmap_in(v->a);
        if ((x->fate == FV_FATE_VIEW && x->of == p) ||
            (x->def && loads_from(x->def->body, p, &seen)))
            return x->value;
    }
    return NULL;
}

/* Checks a custom kernel that writes into the memory of its first operand, which contains the whole
 * previous state. */
static bool check_written(fv_verifier *v) {
    const fv_func *f = v->m->funcs;
    const fv_op *ret = f->body->last;
    const fv_value *x = v->at->value, *p = v->at->of;
    const char *problem = "which is not its state, with a capacity";
    for (int i = 0, axis; f->states && f->capacity && i < ret->nin; i++)
        if (ret->in[i] == x && f->states[i] == p && f->capacity[i])
            problem = fv_state_not_written(f, i, &axis);
    const fv_value *reader = reader_of(v, p);
    if (!problem && reader)
        problem = fv_printf(v->a, "and %%%s reads the input", reader->name);
    return !problem || fv_dv_illegal(v, "it is assembled over %%%s by %s, %s", p->name,
                                     x->def->def->name, problem);
}

/* Checks a result assembled in the memory of an input: the input's elements and the parts are
 * together what callers see of the result. */
static bool check_over(fv_verifier *v) {
    const fv_value *x = v->at->value, *p = v->at->of;
    if (x->def->def->kernel)
        return check_written(v);
    const fv_dim *parts = fv_ptrmap_get(&v->parts, p);
    int i = p->kind == FV_VALUE_PARAM ? result_over(v, p) : -1;
    if (i < 0 || v->m->funcs->body->last->in[i] != x)
        return fv_dv_illegal(
            v, "it is assembled over %%%s, and is not its state, with a valid part of both",
            p->name);
    for (int k = 0; k < v->d->n; k++)
        if (v->d->all[k].of == p && v->d->all[k].fate == FV_FATE_PART &&
            !fv_ptrmap_get(&v->made, v->d->all[k].value))
            return fv_dv_illegal(v, "it is assembled above its part %%%s",
                                 v->d->all[k].value->name);
    const fv_dim *before = elements(v, v->d->in[p->index]), *all = elements(v, v->d->out[i]);
    return (parts && are_as_many(v, fv_dim_add(v->m->dims, before, parts), all)) ||
           fv_dv_illegal(v, "%%%s has %s elements and its parts %s, it has %s", p->name,
                         fv_dim_str(v->a, before), parts ? fv_dim_str(v->a, parts) : "none",
                         fv_dim_str(v->a, all));
}

/* Checks an assembled value: its parts are disjoint blocks with as many elements as the whole, so
 * they cover it. A value without parts is stored within another value and has no readers. */
static bool check_assembled(fv_verifier *v) {
    const fv_value *x = v->at->value;
    const fv_dim *parts = fv_ptrmap_get(&v->parts, x);
    if (v->at->of)
        return check_over(v);
    if (x->def->def == &fv_endloop_def)
        return fv_dv_rows(v, x->def);
    for (int i = 0; i < v->d->n; i++)
        if (v->d->all[i].of == x && v->d->all[i].fate == FV_FATE_PART &&
            !fv_ptrmap_get(&v->made, v->d->all[i].value))
            return fv_dv_illegal(v, "it is assembled above its part %%%s",
                                 v->d->all[i].value->name);
    return !parts || are_as_many(v, parts, elements(v, x->type)) ||
           fv_dv_illegal(v, "its parts have %s elements, it has %s", fv_dim_str(v->a, parts),
                         fv_dim_str(v->a, elements(v, x->type)));
}

static bool check_place(fv_verifier *v) {
    const fv_defined *x = v->at, *home = fv_ptrmap_get(&v->defined, x->of);
    const fv_expr *place = x->def->place;
    bool over = assembled_over(v, x->of) != NULL;
    if (!place || place->op != FV_X_LOAD || place->u.buf->value != x->of ||
        (!over && (!home || home->fate != FV_FATE_ASSEMBLED)))
        return fv_dv_illegal(v, "it is stored in a value that is not assembled of parts");
    if (x->of->type->elem != x->value->type->elem)
        return fv_dv_illegal(v, "it is %s, and stored in %s", fv_elem_name(x->value->type->elem),
                             fv_elem_name(x->of->type->elem));
    return fv_dv_expr(v, place) && fv_dv_block(v, over ? -1 : home->last, over);
}

static bool check_defined(fv_verifier *v, const fv_defined *x) {
    v->at = x;
    if (x->fate == FV_FATE_ASSEMBLED)
        return check_assembled(v);
    v->inside = x->def ? fv_inside_new(v->m, v->a, x->def) : NULL;
    if (x->fate == FV_FATE_VIEW && !check_view(v))
        return false;
    if (!x->def)
        return x->fate != FV_FATE_MEMORY || fv_dv_illegal(v, "there is no definition");
    fv_elem stored = x->value->type->elem, e = (fv_elem)x->def->body->type.elem;
    if (!check_indices(v) || !fv_dv_expr(v, x->def->body))
        return false;
    if (e != stored && e != fv_elem_arith(stored))
        return fv_dv_illegal(v, "it is %s, the value %s", fv_elem_name(e), fv_elem_name(stored));
    return x->fate != FV_FATE_PART || check_place(v);
}

/* ---- the module ---- */

static void count_part(fv_verifier *v, const fv_defined *x) {
    const fv_dim *before = fv_ptrmap_get(&v->parts, x->of), *n = elements(v, x->value->type);
    *fv_ptrmap_at(&v->parts, x->of) =
        (void *)(uintptr_t)(before ? fv_dim_add(v->m->dims, before, n) : n);
}

void fv_dv_note_made(fv_verifier *v, const fv_value *x) {
    *fv_ptrmap_at(&v->made, x) = (void *)(uintptr_t)x;
}

/* Is each result of an op without a kernel defined before it is needed? */
static bool check_result(fv_verifier *v, const fv_op *op, const fv_value *out) {
    const fv_defined *x = fv_ptrmap_get(&v->defined, out);
    if (x && op->def->kernel && !(x->fate == FV_FATE_ASSEMBLED && x->of && out == op->out[0]))
        return fv_op_error(op, "%%%s has a definition, and a kernel of its own", out->name);
    if (!x && !op->def->kernel && !op->def->recur && !op->def->has_effect)
        return fv_op_error(op, "%%%s has no definition", out->name);
    return !x || check_defined(v, x);
}

/* ---- ops ---- */

static fv_recurrence *recurrence_of(const fv_verifier *v, const fv_op *op) {
    for (int i = 0; i < v->d->nrecurrences; i++)
        if (v->d->recurrences[i]->op == op)
            return v->d->recurrences[i];
    return NULL;
}

/* Checks an op and its definitions; an error is reported for the definition that contains it, not
 * for its users. */
static bool check_op(fv_verifier *v, const fv_op *op) {
    fv_recurrence *r = recurrence_of(v, op);
    bool ok = (!fv_is_group(op) || check_group(v, op)) && (!r || fv_dv_recurrence(v, op, r));
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i])
            continue;
        ok = ok && check_result(v, op, op->out[i]);
        fv_dv_note_made(v, op->out[i]);
    }
    return ok;
}

/* Checks that a value that is returned, or read by an op that needs memory, is stored in memory,
 * with its axes in the order of its type. */
static bool check_uses(fv_verifier *v, const fv_op *op) {
    bool reads = fv_reads_memory(op);
    for (int i = 0; i < op->nin && reads; i++) {
        const fv_defined *x = op->in[i] ? fv_ptrmap_get(&v->defined, op->in[i]) : NULL;
        bool row = x && op->def == &fv_endloop_def && i && x->fate == FV_FATE_PART &&
                   x->of == op->out[i - 1];
        bool hollow =
            x && x->fate == FV_FATE_ASSEMBLED && !x->of && !fv_ptrmap_get(&v->parts, x->value);
        if (op->in[i] && op->in[i]->kind == FV_VALUE_PARAM && result_over(v, op->in[i]) >= 0)
            return fv_op_error(op, "reads %%%s, of which only a part is valid", op->in[i]->name);
        if (x && !row &&
            (hollow || x->fate == FV_FATE_SUBSTITUTED || x->fate == FV_FATE_PART || x->last >= 0))
            return fv_op_error(op, "reads %%%s, which is not in memory as its type says",
                               op->in[i]->name);
    }
    return true;
}

/* Checks that after the step `results` each result has memory of its own that a kernel writes. */
static bool check_results(fv_verifier *v, const fv_op *ret) {
    for (int i = 0; i < ret->nin && !fv_step_comes(v->d->after, "results"); i++) {
        const fv_value *x = ret->in[i], *memory = memory_of(v, x);
        if (memory->kind != FV_VALUE_RESULT || !fv_type_is_known_from(x->type, memory->type))
            return fv_op_error(
                ret, "result %d, %s%s, has no memory of its own, and this is after \"%s\"", i,
                x->kind == FV_VALUE_CONST ? "@" : "%", x->name, v->d->after);
        for (int k = 0; k < i; k++)
            if (memory_of(v, ret->in[k]) == memory)
                return fv_op_error(
                    ret, "results %d and %d lie in the same memory, and this is after \"%s\"", k, i,
                    v->d->after);
    }
    return true;
}

bool fv_definitions_verify(fv_module *m, const fv_definitions *d, const char *after) {
    if (!after && !fv_module_bound(m))
        return false;
    fv_arena *a = fv_arena_new(m->session);
    fv_verifier v = {.m = m,
                     .session = m->session,
                     .d = d,
                     .a = a,
                     .is_text = !after,
                     .defined = fv_ptrmap_in(a),
                     .parts = fv_ptrmap_in(a),
                     .made = fv_ptrmap_in(a)};
    const fv_region *body = m->funcs->body;
    for (int i = 0; i < d->n; i++)
        *fv_ptrmap_at(&v.defined, d->all[i].value) = (void *)(uintptr_t)&d->all[i];
    for (int i = 0; i < d->n; i++)
        if (d->all[i].fate == FV_FATE_PART)
            count_part(&v, &d->all[i]);
    for (int i = 0; i < body->nparams; i++)
        fv_dv_note_made(&v, body->params[i]);
    v.errors += !check_ports(&v, body->last);
    bool ports = v.errors == 0; /* after errors it is not known which elements may be read */
    for (const fv_op *op = body->first; ports && op && v.errors < ENOUGH; op = op->next)
        v.errors += !check_op(&v, op) || !check_uses(&v, op) ||
                    (op == body->last && !check_results(&v, op));
    if (v.errors && after)
        fv_error(m->session,
                 "internal error: step '%s' of lowering broke the definitions, see above", after);
    fv_arena_free(a);
    return v.errors == 0;
}
