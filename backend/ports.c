/* ports.c - types at the border. A program keeps an element of 4 or 2 bits in a byte; callers pass
 * and get them packed. So a packed parameter becomes its bytes with an fv.Unpack behind it, a packed
 * result is what an fv.Pack makes. The module is put back as it was when lowering is done. */
#include "backend/ports.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"

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

/* A caller passes arrays of numbers, also where nothing in the model reads them. */
static bool can_be_passed(fv_lowerer *l, const char *what, const char *name, const fv_type *t) {
    if (t->kind == FV_TENSOR && t->elem != FV_STRING)
        return true;
    return fv_error(l->session, "%s '%s' is %s; what is passed to a program has to be a tensor of numbers", what, name,
                    fv_type_str(l->arena, t));
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
    l->in_types = FV_NEW(l->arena, const fv_type *, r->nparams + 1);
    l->out_types = FV_NEW(l->arena, const fv_type *, r->last->nin + 1);
    for (int i = 0; i < r->nparams; i++) {
        l->in_types[i] = r->params[i]->type;
        if (is_packed(r->params[i]->type) && !unpack(l, r->params[i]))
            return false;
    }
    for (int i = 0; i < r->last->nin; i++) {
        l->out_types[i] = r->last->in[i]->type;
        if (is_packed(r->last->in[i]->type) && !pack(l, r->last, i))
            return false;
    }
    return true;
}

void fv_close_ports(fv_lowerer *l) {
    fv_region *r = l->func->body;
    if (l->module->definitions) /* it came with its ports open */
        return;
    for (int i = 0; l->out_types && i < r->last->nin; i++) {
        fv_op *op = r->last->in[i]->def;
        if (op && (fv_op_is(op, FV_OP_fv_Pack) || fv_op_is(op, FV_OP_fv_Copy)) && op->out[0]->nuses == 1) {
            fv_op_set_in(r->last, i, op->in[0]);
            fv_op_erase(op);
            i--; /* a copy of a packed result is two */
        }
    }
    for (int i = 0; l->in_types && i < r->nparams; i++) {
        fv_value *p = r->params[i];
        if (p->type == l->in_types[i])
            continue;
        fv_op *op = p->nuses ? p->uses[0].op : NULL;
        p->type = l->in_types[i];
        if (!op || !fv_op_is(op, FV_OP_fv_Unpack))
            continue;
        fv_replace_uses(op->out[0], p);
        fv_op_erase(op);
    }
}
