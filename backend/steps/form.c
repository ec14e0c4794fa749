/* form.c - the step form: records in each definition that a kernel computes which form it has, such
 * as a contraction (backend/fuse/form.c finds it). */
#include "backend/fuse/form.h"

#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"
#include "ir/definition/form_text.h"

static void set_form(fv_lowerer *l, fv_storage *s) {
    fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
    *d = *s->def;
    d->form = fv_find_form(l, d);
    s->def = d;
    (void)fv_takes(l, s->value, FV_WHY_form_found, fv_s(fv_form_text(l->arena, d)));
}

bool fv_step_form(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && s->def && fv_storage_has_kernel(s))
                set_form(l, s);
        }
    return true;
}
