/* spare.c - the step spare: definitions of values without elements load nothing
 * (backend/axes/empty.h). */
#include "backend/axes/empty.h"
#include "backend/fuse/form.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"

static void spare(fv_lowerer *l, fv_storage *s) {
    fv_definition *d = fv_spare_empty(l, s->def);
    if (d == s->def)
        return;
    if (d->form.kind)
        fv_update_form(l, d);
    s->def = d;
    (void)fv_takes(l, s->value, FV_WHY_spares);
}

bool fv_step_spare(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && fv_storage_has_kernel(s))
                spare(l, s);
        }
    return true;
}
