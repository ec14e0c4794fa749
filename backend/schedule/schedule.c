/* schedule.c - makes the kernels that compute the results of an op. */
#include "backend/schedule/schedule.h"

#include "backend/lowering/branches.h"
#include "backend/lowering/gate.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/weights.h"
#include "backend/lowering/why.h"
#include "backend/schedule/attend/attention.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/operands/custom.h"
#include "backend/schedule/operands/value.h"
#include "backend/schedule/recur/recur.h"
#include "backend/schedule/together.h"
#include "ir/definition/definitions.h"

static bool makes_kernel(fv_lowerer *l, const fv_op *op) {
    bool makes = op->def->kernel || fv_ptrmap_get(&l->known.recurrences, op);
    for (int i = 0; i < op->nout && !makes; i++)
        makes = op->out[i] && fv_storage_has_kernel(fv_storage_of(l, op->out[i]));
    return makes;
}

/* Returns how deeply reductions are nested in x, whose nodes may be shared. */
static intptr_t depth_of(const fv_expr *x, fv_ptrmap *known) {
    intptr_t depth = (intptr_t)fv_ptrmap_get(known, x);
    if (depth)
        return depth - 1;
    for (int i = 0; i < x->n; i++) {
        intptr_t inner = depth_of(x->arg[i], known);
        depth = inner > depth ? inner : depth;
    }
    depth += x->op == FV_X_REDUCE;
    *fv_ptrmap_at(known, x) = (void *)(depth + 1);
    return depth;
}

/* Are reductions nested at least three deep, as in attention that was fused? Serial loops would
 * compute the inner sums again for each term of the outer ones, which could take hours. */
static bool is_too_deep(fv_lowerer *l, const fv_op *op) {
    fv_ptrmap known = fv_ptrmap_in(l->arena);
    for (int i = 0; i < op->nout; i++) {
        const fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
        if (s && s->def && depth_of(s->def->body, &known) > 2)
            return true;
    }
    return false;
}

/* Returns the result of op for which the tuning requests serial loops; NULL: none. */
static const fv_value *wants_naive(fv_lowerer *l, const fv_op *op) {
    for (int i = 0; l->options->tuning && i < op->nout; i++)
        if (op->out[i] && makes_kernel(l, op) && fv_wants_naive(l, op->out[i]))
            return op->out[i];
    return NULL;
}

static bool is_naive(fv_lowerer *l, const fv_op *op) {
    const fv_value *v = wants_naive(l, op);
    if (v && is_too_deep(l, op))
        fv_refuse_naive(
            l, v, "serial loops would take its inner sums again for each term of the outer ones");
    if (v)
        return !is_too_deep(l, op);
    if (l->options->naive || !l->options->gate)
        return l->options->naive;
    return makes_kernel(l, op) && !is_too_deep(l, op) && !fv_may(l, "schedule", op);
}

bool fv_schedule_op(fv_lowerer *l, fv_op *op) {
    if (op->def == &fv_return_def)
        return true;
    l->current.naive = is_naive(l, op);
    if (op->def->has_effect && !op->def->kernel) {
        fv_add_statement(l, op);
        if (op->def == &fv_loop_def || op->def == &fv_endloop_def)
            fv_weights_pass(l, op);
        /* the results of an endif, a loop or an endloop: no kernel of their own writes them */
        for (int i = 0; i < op->nout; i++)
            if (op->out[i])
                fv_takes(l, op->out[i],
                         op->def == &fv_endif_def ? FV_WHY_branches_give : FV_WHY_loop_writes);
        return true;
    }
    if (op->def->kernel)
        return fv_schedule_custom(l, op);
    fv_recurrence *r = fv_ptrmap_get(&l->known.recurrences, op);
    if (r) {
        fv_schedule_recurrence(l, r);
        return true;
    }
    if (fv_is_group(op) && !l->current.naive &&
        (fv_schedule_kept(l, op) || fv_schedule_together(l, op)))
        return true;
    for (int i = 0; i < op->nout; i++) {
        fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
        if (!s || !fv_storage_has_kernel(s))
            continue;
        if (fv_is_group(op))
            fv_schedule_alone(l, s, op);
        else
            fv_schedule_value(l, s, op);
    }
    return true;
}
