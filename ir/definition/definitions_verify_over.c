/* definitions_verify_over.c - verifies results that are stored in the memory of an input. */
#include "ir/definition/definitions_verify_over.h"

#include "ir/definition/definitions_verify_places.h"
#include "ir/dim/text.h"
#include "ir/graph/state.h"

/* ---- inputs in whose memory a result is stored ---- */

/* The type of port i as callers see it, if its memory is larger than that; NULL: callers see all of
 * the memory, or the elements are packed. */
static const fv_type *valid_type(const fv_type *const *types, int i) {
    return types && types[i] && !fv_elem_is_packed(types[i]->elem) ? types[i] : NULL;
}

/* The number of the result that an fv.Extend stores in the memory of a parameter, or will store
 * there; -1: there is none. */
int fv_dv_result_over(const fv_verifier *v, const fv_value *param) {
    const fv_op *ret = v->m->funcs->body->last;
    for (int i = 0; i < ret->nin; i++) {
        const fv_op *op = valid_type(v->d->out, i) ? ret->in[i]->def : NULL;
        if (op && fv_op_is(op, FV_OP_fv_Extend) && op->in[0] == param)
            return i;
    }
    return -1;
}

/* The result that is assembled in the memory of this parameter, so that its parts are stored there;
 * NULL: there is none. */
const fv_defined *fv_dv_assembled_over(const fv_verifier *v, const fv_value *x) {
    int i = x->kind == FV_VALUE_PARAM ? fv_dv_result_over(v, x) : -1;
    const fv_defined *d = i < 0 ? NULL : fv_ptrmap_get(&v->defined, v->m->funcs->body->last->in[i]);
    return d && d->fate == FV_FATE_ASSEMBLED && d->of == x ? d : NULL;
}

/* Is the value written by a custom kernel into the memory of an input? */
bool fv_dv_is_written(const fv_defined *d) {
    return d->fate == FV_FATE_ASSEMBLED && d->of && d->value->def->def->kernel;
}

/* The number of elements along `axis` that may be read from a value: for a state with spare
 * capacity, the number that callers see, but fv.Extend itself may read all of the memory; for a
 * value with space between its rows, the number in a row. */
const fv_dim *fv_dv_readable(const fv_verifier *v, const fv_value *from, int axis) {
    const fv_op *ret = v->m->funcs->body->last;
    for (int i = 0; i < ret->nin; i++) /* the value becomes result i, which extends a state */
        if (ret->in[i] == from && valid_type(v->d->out, i))
            return v->d->out[i]->dims[axis];
    int i = from->kind == FV_VALUE_PARAM && !fv_op_is(v->at->value->def, FV_OP_fv_Extend)
                ? fv_dv_result_over(v, from)
                : -1;
    const fv_defined *apart = i < 0 ? fv_dv_rows_apart(v, from) : NULL;
    if (i < 0)
        return (apart ? apart->value->type : from->type)->dims[axis];
    const fv_type *t =
        fv_dv_assembled_over(v, from) ? v->d->out[i] : valid_type(v->d->in, from->index);
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

bool fv_dv_ports(fv_verifier *v, const fv_op *ret) {
    const fv_func *f = v->m->funcs;
    for (int i = 0; i < ret->nin; i++) {
        const char *problem = valid_type(v->d->out, i) ? over_problem(v, ret, i) : NULL;
        if (problem)
            return fv_op_error(ret, "result %d, %%%s, has a valid part: %s", i, ret->in[i]->name,
                               problem);
    }
    const fv_region *body = v->m->funcs->body;
    for (int i = 0; i < body->nparams; i++)
        if (valid_type(v->d->in, i) && fv_dv_result_over(v, body->params[i]) < 0)
            return fv_op_error(ret, "%%%s has a valid part, and nothing is added to it",
                               body->params[i]->name);
    for (int i = 0; f->states && f->capacity && i < ret->nin; i++)
        if (f->states[i] && f->capacity[i] && !valid_type(v->d->out, i) && !is_in_place(v, ret, i))
            return fv_op_error(
                ret, "result %d, %%%s, has a capacity, and is not stored in the memory of %%%s", i,
                ret->in[i]->name, f->states[i]->name);
    return true;
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

/* A value that is a view of input p, or whose definition loads elements of p; NULL: there is
 * none. */
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
 * together what callers see of the result; or a custom kernel updates the input, which nothing else
 * reads. */
bool fv_dv_over(fv_verifier *v) {
    const fv_value *x = v->at->value, *p = v->at->of;
    if (x->def->def->kernel)
        return check_written(v);
    const fv_dim *parts = fv_ptrmap_get(&v->parts, p);
    int i = p->kind == FV_VALUE_PARAM ? fv_dv_result_over(v, p) : -1;
    if (i < 0 || v->m->funcs->body->last->in[i] != x)
        return fv_dv_illegal(
            v, "it is assembled over %%%s, and is not its state, with a valid part of both",
            p->name);
    for (int k = 0; k < v->d->n; k++)
        if (v->d->all[k].of == p && v->d->all[k].fate == FV_FATE_PART &&
            !fv_ptrmap_get(&v->made, v->d->all[k].value))
            return fv_dv_illegal(v, "it is assembled above its part %%%s",
                                 v->d->all[k].value->name);
    const fv_dim *before = fv_dv_elements(v, v->d->in[p->index]),
                 *all = fv_dv_elements(v, v->d->out[i]);
    return (parts && fv_dv_are_as_many(v, fv_dim_add(v->m->dims, before, parts), all)) ||
           fv_dv_illegal(v, "%%%s has %s elements and its parts %s, it has %s", p->name,
                         fv_dim_str(v->a, before), parts ? fv_dim_str(v->a, parts) : "none",
                         fv_dim_str(v->a, all));
}
