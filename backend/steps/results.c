/* results.c - the step results: makes sure that each result of the model has memory of its own. */
#include "backend/lowering/branches.h"
#include "backend/lowering/define.h"
#include "backend/lowering/loop_body.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/steps.h"
#include "ir/graph/infer.h"

/* Copies results that have no memory of their own: a parameter, a constant, a value that is
 * returned twice; also a view whose dims may not be known yet when its memory is written, and a
 * result of a branch or loop whose dims are known only after it. Then copies results of branches,
 * and states of loops, that need memory of their own. */
bool fv_step_results(fv_lowerer *l) {
    fv_op *ret = l->func->body->last;
    for (int i = 0; i < ret->nin; i++) {
        fv_storage *s = fv_storage_root(fv_storage_of(l, ret->in[i]));
        fv_why taken = s->value->kind != FV_VALUE_RESULT ? FV_WHY_result_given
                       : !fv_type_is_known_from(ret->in[i]->type, s->value->type)
                           ? FV_WHY_result_dims
                       : fv_has_late_dims(s->value) ? FV_WHY_result_late
                                                    : FV_WHY_none;
        for (int k = 0; k < i && !taken; k++)
            taken = fv_storage_root(fv_storage_of(l, ret->in[k])) == s ? FV_WHY_result_twice
                                                                       : FV_WHY_none;
        if (taken && !fv_copy_result(l, ret, i))
            return false;
        if (taken)
            fv_declines(l, ret->in[i], taken, fv_v(s->value));
    }
    return fv_copy_branch_results(l) && fv_copy_states(l);
}
