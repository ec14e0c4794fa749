/* custom.c - schedules custom operators (ir/definition/custom.h): each kernel that they build
 * becomes a launch. */
#include "backend/schedule/operands/custom.h"

#include "backend/lowering/names.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/definition/custom.h"

static const fv_schedule own = {.kind = FV_SCHEDULE_custom};

bool fv_schedule_custom(fv_lowerer *l, fv_op *op) {
    fv_custom c;
    /* naive lowering uses no vectors */
    const fv_target *t = l->current.naive ? fv_target_find("generic") : l->target;
    const fv_storage *s = op->nout && op->out[0] ? fv_storage_of(l, op->out[0]) : NULL;
    bool in_place = s && s->fate == FV_FATE_ASSEMBLED && s->of == fv_storage_of(l, op->in[0]);
    if (!fv_custom_build(&c, l->module, l->arena, t, &l->added.panels, op, in_place))
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_takes(l, op->out[i], FV_WHY_own_kernel, fv_s(op->def->name));
    for (int i = 0; i < c.nkernels; i++) {
        fv_custom_kernel *k = &c.kernels[i];
        k->kernel->name = fv_printf(l->arena, "%s_%d", fv_safe_name(l->arena, k->kernel->name),
                                    l->host.counter++);
        k->kernel->schedule = &own;
        k->kernel->formula = op->def->doc;
        k->kernel->origin = fv_origin_str(l->arena, op->origin);
        fv_step step = {.kind = FV_STEP_LAUNCH,
                        .launch = {.kernel = k->kernel,
                                   .nargs = k->nargs,
                                   .ndims = k->ndims,
                                   .args = k->args,
                                   .dims = k->dims,
                                   .op = op,
                                   .origin = op->origin}};
        FV_PUSH(l->arena, l->host.steps, l->host.nsteps, l->host.cap_steps, step);
    }
    return true;
}
