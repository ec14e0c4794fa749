/* larger.c - stores a value within a larger one. */
#include "backend/steps/larger.h"

#include "backend/fuse/form.h"
#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/unique.h"

bool fv_is_private(fv_lowerer *l, const fv_value *v) {
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = v->uses[i].op;
        if (fv_reads_memory(use))
            return false;
        for (int k = 0; k < use->nout; k++)
            if (use->out[k] && fv_storage_of(l, use->out[k])->fate == FV_FATE_VIEW)
                return false;
    }
    return true;
}

fv_op *fv_add_like(fv_lowerer *l, const fv_storage *s, fv_op *next, const char *name,
                   const char *kernel, int nin, fv_value **in, const fv_dim *const *extent) {
    int rank = s->def->rank;
    const fv_dim *dims[FV_MAX_RANK];
    const fv_origin *origin = fv_storage_origin(l, s->value);
    fv_op *op = fv_op_new(next->block, next, &fv_define_def, nin, in, 1, &name, origin);
    fv_op_set_string(op, "op", kernel);
    for (int i = 0; i < rank; i++)
        dims[fv_memory_axis(rank, s->inner, i)] = extent[i];
    op->out[0]->type = fv_tensor_type(l->module->arena, s->value->type->elem, rank, dims);
    *fv_ptrmap_at(&l->known.origins, op->out[0]) = (void *)(uintptr_t)origin;
    fv_storage_of(l, op->out[0])->inner = s->inner;
    return op;
}

fv_buf *fv_buf_in_memory(fv_lowerer *l, const fv_storage *s) {
    fv_buf *b = fv_value_buf(l->exprs, s->value);
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < b->rank; i++)
        extent[i] = b->extent[fv_memory_axis(b->rank, s->inner, i)];
    return s->inner < 0 ? b : fv_buf_seen(l->exprs, b, b->rank, extent);
}

void fv_store_within(fv_lowerer *l, fv_storage *s, fv_storage *whole, fv_buf *buf,
                     const int64_t *at) {
    fv_expr *index[FV_MAX_RANK];
    for (int i = 0; i < s->def->rank; i++)
        index[i] = fv_x_bin(l->exprs, FV_X_ADD, fv_x_var(l->exprs, s->def->index[i]),
                            fv_x_int(l->exprs, at[i]));
    s->def->place = fv_x_load(l->exprs, buf, index);
    if (s->def->form.kind != FV_FORM_CONTRACT)
        fv_update_form(l, s->def); /* in the larger value, fewer axes may be merged */
    s->fate = FV_FATE_PART;
    s->of = whole;
}

void fv_each_kernel(fv_lowerer *l, void (*with)(void *user, fv_storage *s), void *user) {
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                with(user, s);
        }
}
