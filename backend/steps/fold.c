/* fold.c - the step fold: makes attention skip the keys that a mask hides
 * (backend/fuse/fold_mask.c). */
#include "backend/fuse/attention.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"

bool fv_step_fold(fv_lowerer *l) {
    fv_ptrmap tables = fv_ptrmap_in(l->current.scratch);
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (!s || !s->def || !fv_storage_has_kernel(s))
                continue;
            int mark = fv_why_mark(l);
            fv_why_settle(l, mark, fv_fold_mask(l, s, &tables, false));
        }
    return true;
}
