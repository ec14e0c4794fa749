/* grouped.c - see grouped.h. */
#include "backend/steps/grouped.h"

#include "backend/fuse/reading.h"
#include "backend/lowering/storage.h"
#include "ir/definition/bits.h"

fv_grouped *fv_grouped_of(fv_lowerer *l, fv_storage *s) {
    if (!s->grouped)
        s->grouped = FV_NEW(l->exprs, fv_grouped, 1);
    return s->grouped;
}

bool fv_is_costly_reshape(fv_lowerer *l, const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_Reshape) && fv_grouped_of(l, fv_storage_of(l, op->out[0]))->costly;
}

fv_why fv_memory_reason(fv_lowerer *l, const fv_value *v, const fv_op **because) {
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = *because = v->uses[i].op;
        if (use->def == &fv_return_def)
            return FV_WHY_returned;
        if (fv_op_is(use, FV_OP_fv_Extend) && v->uses[i].index == 1)
            return FV_WHY_added;
        if (fv_op_is(use, FV_OP_fv_Bind))
            return FV_WHY_gives_dims;
        if (use->def == &fv_if_def)
            return FV_WHY_decides;
        if (use->def == &fv_else_def || use->def == &fv_endif_def)
            return FV_WHY_branch_gives;
        if (use->def == &fv_loop_def || use->def == &fv_endloop_def)
            return FV_WHY_loop_state;
        if (fv_is_costly_reshape(l, use))
            return FV_WHY_seen_reshaped;
        if (use->def->kernel && !use->nout)
            return FV_WHY_read_by_own_kernel;
        for (int k = 0; k < use->nout; k++)
            if (use->out[k] && !fv_storage_of(l, use->out[k])->def)
                return FV_WHY_read_by_own_kernel;
    }
    *because = NULL;
    return v->nuses == 0 ? FV_WHY_unused : FV_WHY_none;
}

bool fv_must_have_memory(fv_lowerer *l, const fv_value *v) {
    const fv_op *because;
    return fv_memory_reason(l, v, &because) != FV_WHY_none;
}

int fv_distinct_users(const fv_value *v) {
    int n = 0;
    for (int i = 0; i < v->nuses; i++) {
        int k = 0;
        while (k < i && v->uses[k].op != v->uses[i].op)
            k++;
        n += k == i;
    }
    return n;
}

bool fv_is_elementwise_use(fv_lowerer *l, const fv_op *op, const fv_value *v) {
    const fv_definition *d = op->nout == 1 ? fv_storage_of(l, op->out[0])->def : NULL;
    if (!d)
        return false;
    const fv_row_axes none = {0};
    fv_reading r = fv_reading_of(l, d, v, &none);
    return r.identity && !r.in_reduction && !fv_work_of(l, d).reductions;
}

bool fv_is_costly_work(const fv_work *w) {
    return w->math || w->arithmetic > FV_CHEAP;
}
