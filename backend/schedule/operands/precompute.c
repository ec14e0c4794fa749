/* precompute.c - operands that are computed by kernels of their own, before the kernel that reads
 * them. */
#include "backend/schedule/operands/precompute.h"

#include "backend/lowering/storage.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"

const char *fv_operand_name(const fv_expr *x, const fv_definition *d) {
    for (int i = 0; i < x->n; i++) /* finds the first load in depth-first order */
        if (fv_x_has_load(x->arg[i])) {
            x = x->arg[i];
            i = -1;
        }
    if (x->op == FV_X_LOAD || x->op == FV_X_GUARD)
        return ((const fv_value *)x->u.buf->value)->name;
    return d ? d->value->name : NULL;
}

fv_value *fv_new_value(fv_lowerer *l, const char *name, fv_elem e, int n, fv_var *const *index) {
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < n; i++)
        dims[i] = index[i]->dim;
    fv_value *v = FV_NEW(l->exprs, fv_value, 1);
    v->name = name;
    v->type = fv_tensor_type(l->exprs, e, n, dims);
    return v;
}

void fv_define_operand(fv_lowerer *l, fv_op *op, fv_value *v, fv_var *const *index, fv_expr *x,
                       const fv_definition *of) {
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    v->kind = FV_VALUE_RESULT;
    v->def = op;
    d->value = v;
    d->rank = v->type->rank;
    d->index = FV_NEW(l->exprs, fv_var *, d->rank + 1);
    fv_expr *to[FV_MAX_RANK];
    for (int i = 0; i < d->rank; i++) {
        d->index[i] = fv_index_var(l->exprs, index[i]->name, index[i]->dim);
        to[i] = fv_x_var(l->exprs, d->index[i]);
    }
    d->body = fv_x_replace_vars(l->exprs, x, d->rank, index, to);
    fv_storage_of(l, v)->def = d;
    fv_storage_of(l, v)->operand = true;
    *fv_ptrmap_at(&l->known.origins, v) = (void *)fv_storage_origin(l, of->value);
    fv_storage *s = fv_storage_of(l, v);
    FV_PUSH(l->arena, l->current.operands, l->current.noperands, l->current.cap_operands, s);
}

fv_value *fv_precompute(fv_lowerer *l, fv_op *op, const fv_definition *d, const char *what, int n,
                        fv_var *const *index, fv_expr *x) {
    fv_value *v = fv_new_value(l, fv_printf(l->exprs, "%s.%s", fv_operand_name(x, d), what),
                               (fv_elem)x->type.elem, n, index);
    fv_define_operand(l, op, v, index, x, d);
    return v;
}
