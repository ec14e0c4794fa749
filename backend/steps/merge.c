/* merge.c - the step merge: merges axes that are always indexed together, and removes axes of one
 * element (backend/axes/merge.h). Results that one kernel computes together are merged together, so
 * that the axes that they share keep the same variables. */
#include "backend/axes/merge.h"

#include "backend/fuse/form.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/expr/unique.h"
#include "ir/expr/visit.h"

/* Does one of the definitions load the value of `made` with other axes than `made` has? */
static bool is_read_otherwise(fv_lowerer *l, int n, fv_definition *const *all,
                              const fv_definition *made) {
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < made->rank; i++)
        extent[i] = fv_x_dim(l->exprs, made->index[i]->dim);
    const fv_buf *own =
        fv_buf_seen(l->exprs, fv_value_buf(l->exprs, made->value), made->rank, extent);
    fv_x_visitor v = fv_x_visit(l->arena, NULL);
    const fv_expr *x;
    for (int i = 0; i < n; i++)
        for (fv_x_visit_also(&v, all[i]->body); (x = fv_x_next(&v));)
            if ((x->op == FV_X_LOAD || x->op == FV_X_GUARD) && x->u.buf->value == made->value &&
                x->u.buf != own)
                return true;
    return false;
}

/* Whether the axes may be merged. Not in a group that a text has formed in another way than the
 * step `join` would, so that one result loads another one with other axes. */
static bool may_merge(fv_lowerer *l, int n, fv_definition *const *merged) {
    bool may = true;
    for (int i = 0; i < n && n > 1 && may; i++)
        may = !is_read_otherwise(l, n, merged, merged[i]);
    return may;
}

/* Merges the axes of n definitions that one kernel computes. */
static void merge(fv_lowerer *l, int n, fv_storage *const *of) {
    fv_definition *all[FV_MAX_OUT] = {0}, *merged[FV_MAX_OUT];
    for (int i = 0; i < n; i++)
        all[i] = of[i]->def;
    (void)fv_merge_group(l, n, all, merged);
    if (!may_merge(l, n, merged))
        return;
    for (int i = 0; i < n; i++) {
        if (merged[i]->rank != all[i]->rank)
            (void)fv_takes(l, of[i]->value, FV_WHY_merges, fv_n(all[i]->rank),
                           fv_n(merged[i]->rank));
        fv_update_form_axes(l, merged[i]);
        of[i]->def = merged[i];
    }
}

bool fv_step_merge(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next) {
        fv_storage *of[FV_MAX_OUT];
        int n = 0;
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                of[n++] = s;
        }
        for (int i = 0; i < n && !fv_is_group(op); i++)
            merge(l, 1, &of[i]);
        if (n && fv_is_group(op))
            merge(l, n, of);
    }
    return true;
}
