/* attend_kept.c - attention whose weights have other readers: a group of two results.
 *
 *     w[.., i, j] = weight(score(i, j), ..)
 *     y[.., i, d] = sum j: weight(score(i, j), ..) * v[j, d]
 *
 * The kernel is that of y alone, which also stores w: the weights of a block are in the memory of
 * the task when they are multiplied with values. */
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/attend/attention.h"
#include "backend/schedule/operands/value.h"
#include "ir/definition/definitions.h"
#include "ir/expr/unique.h"

/* Is w the weights of the attention y, with an element for each query and key? */
static bool are_weights(fv_lowerer *l, const fv_definition *w, const fv_definition *y,
                        const fv_attention *at) {
    fv_var *key = NULL;
    for (int i = 0; i < w->rank; i++) {
        if (fv_definition_axis(y, w->index[i]) < y->rank)
            continue;
        if (key || w->index[i]->dim != at->key->dim)
            return false;
        key = w->index[i];
    }
    for (int i = 0; i < y->rank; i++)
        if ((i == at->column) == (fv_definition_axis(w, y->index[i]) < w->rank))
            return false;
    return key && w->body == fv_weights_along(l->exprs, at, key);
}

static bool is_attended(fv_lowerer *l, const fv_definition *w, const fv_definition *y) {
    fv_attention at;
    return fv_is_attended(l, y, &at) && fv_x_is_one_chain(at.score) &&
           at.sum->u.red.order != FV_ORDER_CHAINS && are_weights(l, w, y, &at);
}

bool fv_is_attended_with(fv_lowerer *l, const fv_definition *weights, const fv_definition *result) {
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL; /* the caller records the reasons */
    bool attended = is_attended(l, weights, result);
    l->reasons = reasons;
    return attended;
}

bool fv_schedule_kept(fv_lowerer *l, fv_op *op) {
    fv_storage *of[2];
    for (int i = 0; i < op->nout; i++)
        if (i < 2)
            of[i] = fv_storage_of(l, op->out[i]);
    if (op->nout != 2 || !fv_is_attended_with(l, of[0]->def, of[1]->def))
        return false;
    void *plan = fv_schedule_attend.choose(l, of[1]);
    if (!plan)
        return false;
    fv_attend_keeps(plan, of[0]->def);
    fv_schedule_attend.place(l, op, plan);
    fv_schedule_operands(l, op);
    fv_schedule_attend.emit(l, of[1], op, plan);
    return true;
}
