/* define.c - the step define: gives each op the definitions of its results. */
#include "backend/lowering/define.h"
#include "backend/lowering/branches.h"
#include "backend/lowering/ports.h"
#include "backend/steps/steps.h"
#include "backend/steps/winograd.h"

static bool define_all(fv_lowerer *l) {
    bool ok = true;
    int depth = 0;
    for (fv_op *op = l->func->body->first; op; op = op->next) {
        depth += fv_mark_depth(op);
        /* assumptions in a branch or a loop hold only in runs that execute the branch or loop */
        if (depth)
            l->module->within = (struct fv_within){op->block, op};
        ok &= fv_define_op(l, op);
        l->module->within = (struct fv_within){0};
    }
    return ok;
}

bool fv_step_define(fv_lowerer *l) {
    return fv_choose_winograd(l) && fv_open_ports(l) && define_all(l);
}
