/* split.c - the step split: splits an axis that one factor of a product uses in groups into two
 * (backend/axes/split.h). The axes of results that one kernel computes together are not split. */
#include "backend/axes/split.h"

#include "backend/fuse/form.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"
#include "ir/definition/definitions.h"

static void split(fv_lowerer *l, fv_storage *s) {
    fv_definition *d = fv_split_axes(l, s->def);
    if (d->rank == s->def->rank)
        return;
    (void)fv_takes(l, s->value, FV_WHY_splits, fv_n(s->def->rank), fv_n(d->rank));
    fv_update_form_axes(l, d);
    s->def = d;
}

bool fv_step_split(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout && !fv_is_group(op); i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                split(l, s);
        }
    return true;
}
