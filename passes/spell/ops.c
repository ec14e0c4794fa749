/* ops.c - operators of the standard before the op that is written, and its attributes. */
#include <stdarg.h>
#include <stdio.h>

#include "ir/base/text.h"
#include "passes/spell/spell.h"

fv_op *fv_spell_ops(fv_speller *s, const fv_opdef *def, int nin, fv_value *const *in, int nattrs,
                    const fv_attr *attrs, int nout, const fv_type *const *types) {
    fv_rewriter *w = &s->w;
    const char *outs[FV_MAX_OUT],
        *stem = w->at->nout && w->at->out[0] ? w->at->out[0]->name : def->name;
    for (int i = 0; i < nin && !w->failed; i++)
        w->failed = !in[i] && fv_opdef_operand(def->in, FV_MAX_IN, i)->arity != FV_OPTIONAL_OPERAND;
    if (w->failed)
        return NULL;
    for (int i = 0; i < nout; i++)
        outs[i] = types[i] ? stem : NULL;
    fv_op *op = fv_op_new(w->at->block, w->at, def, nin, in, nout, outs, w->at->origin);
    for (int i = 0; i < nattrs; i++)
        if (attrs[i].name)
            fv_op_attr(op, &attrs[i]);
    for (int i = 0; i < nout; i++)
        if (op->out[i])
            op->out[i]->type = types[i];
    return op;
}

fv_value *fv_spell_def(fv_speller *s, const fv_opdef *def, const fv_type *type, int nin,
                       fv_value *const *in, int nattrs, const fv_attr *attrs) {
    fv_op *op = fv_spell_ops(s, def, nin, in, nattrs, attrs, 1, &type);
    return op ? op->out[0] : NULL;
}

fv_value *fv_spell_op(fv_speller *s, fv_op_id id, const fv_type *type, int nin, fv_value *const *in,
                      int nattrs, const fv_attr *attrs) {
    return fv_spell_def(s, fv_op_def(id), type, nin, in, nattrs, attrs);
}

bool fv_spell_result(fv_speller *s, int i, fv_value *v) {
    fv_w_result(&s->w, i, v);
    return !s->w.failed;
}

const fv_type *fv_spell_type(fv_speller *s, fv_elem e, int rank, const fv_dim *const *dims) {
    return fv_tensor_type(s->w.module->arena, e, rank, dims);
}

fv_value *fv_spell_cast(fv_speller *s, fv_value *x, fv_elem to) {
    if (!x || x->type->elem == to)
        return x;
    fv_attr a = fv_attr_int(s->w.module, "to", to);
    return fv_spell_op(s, FV_OP_Cast, fv_spell_type(s, to, x->type->rank, x->type->dims), 1, &x, 1,
                       &a);
}

fv_value *fv_spell_reshape(fv_speller *s, fv_value *x, const fv_type *type, const int64_t *shape) {
    fv_value *in[2] = {x, fv_const_ints(s->w.module, "shape", type->rank, shape)};
    return fv_spell_op(s, FV_OP_Reshape, type, 2, in, 0, NULL);
}

const fv_dim *const *fv_spell_attr(const fv_op *op, const char *name, int *n) {
    const fv_attr *a = fv_op_find_attr(op, name);
    if (n)
        *n = a->n;
    return a->u.dims;
}

bool fv_spell_refuse(const fv_op *op, const char *format, ...) {
    fv_text t = {.arena = fv_op_module(op)->arena};
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    fv_text_printf(&t, "%s%s%s has no spelling in the standard's operators: %s", op->def->domain,
                   *op->def->domain ? "." : "", op->def->name, why);
    return fv_op_error(op, "%s; --passes= writes the operators that the model has", t.s);
}
