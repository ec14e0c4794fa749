/* ports.c - types of inputs and outputs as callers see them. A program stores an element of 4 or 2
 * bits of a value that it computes in a byte, while callers pass such elements packed. So a packed
 * parameter becomes its bytes, followed by an fv.Unpack, and a packed result is the result of an
 * fv.Pack. A state with a capacity is stored in the memory of its input: see below. The module is
 * restored when lowering is done. */
#include "backend/lowering/ports.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/state.h"

static bool is_packed(const fv_type *t) {
    return t->kind == FV_TENSOR && fv_elem_is_packed(t->elem);
}

static const fv_type *bytes_type(fv_module *m, const fv_type *t) {
    const fv_dim *n = fv_dim_ceildiv(m->dims, fv_dim_product(m->dims, t->rank, t->dims),
                                     fv_dim_const(m->dims, 8 / fv_elem_bits(t->elem)));
    return fv_tensor_type(m->arena, FV_U8, 1, &n);
}

static bool unpack(fv_lowerer *l, fv_value *p) {
    fv_module *m = l->module;
    const fv_type *t = p->type;
    const char *name = p->name;
    fv_op *op = fv_op_new(p->block, p->block->first, fv_op_def(FV_OP_fv_Unpack), 1, &p, 1, &name,
                          fv_origin_of(m, p->name));
    fv_op_set_int(op, "to", t->elem);
    fv_op_set_dims(op, "dims", t->rank, t->dims);
    p->type = bytes_type(m, t);
    if (!fv_op_infer(op))
        return false;
    fv_replace_uses(p, op->out[0]);
    fv_op_set_in(op, 0, p);
    return true;
}

static bool pack(fv_lowerer *l, fv_op *ret, int i) {
    const char *name = ret->in[i]->name;
    fv_op *op = fv_op_new(ret->block, ret, fv_op_def(FV_OP_fv_Pack), 1, &ret->in[i], 1, &name,
                          fv_origin_of(l->module, name));
    if (!fv_op_infer(op))
        return false;
    fv_op_set_in(ret, i, op->out[0]);
    return true;
}

/* ---- states that are stored in the memory of an input ----
 *
 *   func @main(%past: f32[b, p, 8], ..) -> (%present state %past capacity cap) { .. %present =
 *     Concat(%past, %new) {axis = 1} .. }
 *
 * becomes a function of the memory, as in the text of definitions:
 *
 *   %past: f32[b, cap, 8];  %past.valid = fv.Slice(%past), its first p;  %present =
 *                           fv.Extend(%past, %new) {start = [p]}, which
 *   is returned;  %present.valid = fv.Slice(%present), its first p + 1
 *
 * Ops that used past or present use a Slice, which only changes indices. The step `extend` stores
 * present in the memory of past. A scatter into past uses all elements of both. A TensorScatter is
 * replaced by fv.WriteRows, which has a kernel of its own; other scatters have one already. */

/* A slice of the memory `room` with the elements that callers see, of type t. */
static fv_value *valid(fv_lowerer *l, fv_op *before, fv_value *room, const fv_type *t,
                       const fv_origin *origin) {
    fv_dims *table = l->module->dims;
    const char *name = fv_printf(l->arena, "%s.valid", room->name);
    fv_op *op =
        fv_op_new(l->func->body, before, fv_op_def(FV_OP_fv_Slice), 1, &room, 1, &name, origin);
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++) {
        start[i] = fv_dim_const(table, 0);
        step[i] = fv_dim_const(table, 1);
    }
    fv_op_set_dims(op, "start", t->rank, start);
    fv_op_set_dims(op, "step", t->rank, step);
    fv_op_set_dims(op, "dims", t->rank, t->dims);
    /* a check at the start of the run ensures that the memory has the elements of type t */
    op->out[0]->type = t;
    return op->out[0];
}

/* The value that is appended to the state: the second operand of the Concat, or a Concat of all
 * further operands. */
static fv_value *added(fv_lowerer *l, fv_op *concat, int axis) {
    if (concat->nin == 2)
        return concat->in[1];
    const char *name = fv_printf(l->arena, "%s.new", concat->out[0]->name);
    fv_op *op = fv_op_new(l->func->body, concat, concat->def, concat->nin - 1, concat->in + 1, 1,
                          &name, concat->origin);
    fv_op_set_int(op, "axis", axis);
    return fv_op_infer(op) ? op->out[0] : NULL;
}

static bool open_state(fv_lowerer *l, int i) {
    fv_module *m = l->module;
    fv_region *body = l->func->body;
    fv_value *past = body->params[l->func->states[i]->index], *present = body->last->in[i];
    int axis;
    fv_op *concat = fv_state_writer(l->func, i, &axis);
    if (concat && fv_op_is(concat, FV_OP_TensorScatter))
        concat->def = fv_op_def(FV_OP_fv_WriteRows);
    /* an op that writes into the memory: all elements are valid before and after it */
    if (concat && !fv_op_is(concat, FV_OP_Concat))
        return true;
    fv_value *new = concat ? added(l, concat, axis) : NULL;
    if (!new)
        return false;
    const fv_type *t = past->type;
    const fv_dim **dims = FV_NEW(m->arena, const fv_dim *, t->rank + 1), *start = t->dims[axis];
    memcpy(dims, t->dims, (size_t)t->rank * sizeof *dims);
    dims[axis] = l->func->capacity[i];
    past->type = fv_tensor_type(m->arena, t->elem, t->rank, dims);
    fv_value *old = valid(l, body->first, past, t, fv_origin_of(m, past->name));
    fv_value *all = valid(l, concat->next, present, present->type, concat->origin);
    fv_replace_uses(past, old);
    fv_op_set_in(old->def, 0, past);
    fv_replace_uses(present, all);
    fv_op_set_in(all->def, 0, present);
    fv_op_set_in(body->last, i, present);
    fv_op_set_in(concat, 0, past);
    fv_op_set_in(concat, 1, new);
    for (; concat->nin > 2; concat->nin--)
        fv_op_set_in(concat, concat->nin - 1, NULL);
    concat->def = fv_op_def(FV_OP_fv_Extend);
    fv_op_set_int(concat, "axis", axis);
    fv_op_set_dims(concat, "start", 1, &start);
    present->type = past->type; /* of the whole memory; the Concat had fewer elements */
    if (!all->nuses)
        fv_op_erase(all->def);
    if (!old->nuses)
        fv_op_erase(old->def);
    return fv_op_infer(concat);
}

static bool open_states(fv_lowerer *l) {
    const fv_func *f = l->func;
    for (int i = 0; f->capacity && i < f->body->last->nin; i++)
        if (f->capacity[i] && !open_state(l, i))
            return false;
    return true;
}

/* Undoes open_state, except that Concat(past, a, b) remains Concat(past, Concat(a, b)). */
static void close_state(fv_lowerer *l, int i) {
    fv_region *body = l->func->body;
    fv_op *extend = body->last->in[i]->def;
    if (extend && fv_op_is(extend, FV_OP_fv_WriteRows))
        extend->def = fv_op_def(FV_OP_TensorScatter);
    if (!extend || !fv_op_is(extend, FV_OP_fv_Extend))
        return;
    fv_value *both[] = {extend->in[0], extend->out[0]};
    extend->def = fv_op_def(FV_OP_Concat);
    fv_op_drop_attr(extend, "start");
    both[0]->type = l->host.in_types[both[0]->index];
    both[1]->type = l->host.out_types[i];
    for (int k = 0; k < 2; k++)
        for (int n = both[k]->nuses; n-- > 0;) {
            fv_op *slice = both[k]->uses[n].op;
            if (!fv_op_is(slice, FV_OP_fv_Slice))
                continue;
            fv_replace_uses(slice->out[0], both[k]);
            fv_op_erase(slice);
            break; /* an input has one state only */
        }
}

/* Can callers pass a value of this type? It must be an array of real numbers, even if it is an
 * input that the model does not use. False after a diagnostic. */
static bool can_be_passed(fv_lowerer *l, const char *what, const char *name, const fv_type *t) {
    bool complex = t->elem == FV_C64 || t->elem == FV_C128; /* no operator reads complex numbers */
    if (t->kind == FV_TENSOR && t->elem != FV_STRING && !complex)
        return true;
    return fv_error(l->session,
                    "%s '%s' is %s; what is passed to a program has to be a tensor of real numbers",
                    what, name, fv_type_str(l->arena, t));
}

bool fv_check_ports(fv_lowerer *l) {
    const fv_region *r = l->func->body;
    bool ok = true;
    for (int i = 0; i < r->nparams && ok; i++)
        ok = can_be_passed(l, "input", r->params[i]->name, r->params[i]->type);
    for (int i = 0; i < r->last->nin && ok; i++)
        ok = can_be_passed(l, "output", r->last->in[i]->name, r->last->in[i]->type);
    return ok;
}

bool fv_open_ports(fv_lowerer *l) {
    fv_region *r = l->func->body;
    if (!fv_check_ports(l))
        return false;
    l->host.in_types = FV_NEW(l->arena, const fv_type *, r->nparams + 1);
    l->host.out_types = FV_NEW(l->arena, const fv_type *, r->last->nin + 1);
    for (int i = 0; i < r->nparams; i++)
        l->host.in_types[i] = r->params[i]->type;
    for (int i = 0; i < r->last->nin; i++)
        l->host.out_types[i] = r->last->in[i]->type;
    if (!open_states(l))
        return false;
    for (int i = 0; i < r->nparams; i++) {
        if (is_packed(r->params[i]->type) && !unpack(l, r->params[i]))
            return false;
    }
    for (int i = 0; i < r->last->nin; i++) {
        if (is_packed(r->last->in[i]->type) && !pack(l, r->last, i))
            return false;
    }
    return true;
}

void fv_close_ports(fv_lowerer *l) {
    fv_region *r = l->func->body;
    if (l->module->definitions) /* the text that was read contains the opened ports */
        return;
    for (int i = 0; l->host.out_types && i < r->last->nin; i++) {
        fv_op *op = r->last->in[i]->def;
        if (op && (fv_op_is(op, FV_OP_fv_Pack) || fv_op_is(op, FV_OP_fv_Copy)) &&
            op->out[0]->nuses == 1) {
            fv_op_set_in(r->last, i, op->in[0]);
            fv_op_erase(op);
            i--; /* result i is looked at again: it may have been copied before it was packed */
        }
    }
    for (int i = 0; l->host.out_types && l->func->capacity && i < r->last->nin; i++)
        if (l->func->capacity[i])
            close_state(l, i);
    for (int i = 0; l->host.in_types && i < r->nparams; i++) {
        fv_value *p = r->params[i];
        if (p->type == l->host.in_types[i])
            continue;
        fv_op *op = p->nuses ? p->uses[0].op : NULL;
        p->type = l->host.in_types[i];
        /* the fv.Unpack may have been replaced by an op with several results */
        if (!op || !fv_op_is(op, FV_OP_fv_Unpack) || !op->out[0])
            continue;
        fv_replace_uses(op->out[0], p);
        fv_op_erase(op);
    }
}
