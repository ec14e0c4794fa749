/* choose.c - how a plan cuts each contraction of a graph, and whether that was asked for. */
#include <string.h>

#include "ir/base/text.h"
#include "passes/shard/labels.h"

const char *const fv_shard_side_names[] = {
    [FV_SHARD_WHOLE] = "whole",    [FV_SHARD_COLUMNS] = "columns", [FV_SHARD_ROWS] = "rows",
    [FV_SHARD_LEFT] = "left rows", [FV_SHARD_BATCH] = "batch",     NULL};
const char *const fv_shard_collective_names[] = {[FV_SHARD_NONE] = "none",
                                                 [FV_SHARD_ALL_REDUCE] = "all-reduce",
                                                 [FV_SHARD_ALL_GATHER] = "all-gather",
                                                 NULL};

const char *fv_shard_node(fv_arena *a, const fv_op *op) {
    return op->origin->n ? fv_origin_str(a, op->origin) : op->out[0]->name;
}

/* ---- what was found ---- */

static bool is_in(int n, fv_value *const *list, const fv_value *v) {
    for (int i = 0; i < n; i++)
        if (list[i] == v)
            return true;
    return false;
}

bool fv_shard_is_contraction(const fv_op *op) {
    fv_shard_labels l;
    return !fv_op_is(op, FV_OP_fv_Gather) && fv_shard_labels_of(op, &l);
}

/* The side of an axis of the result: an axis of the left factor alone is one of rows, an axis of
 * other factors alone one of columns. */
static fv_shard_side side_of(const fv_op *op, int axis) {
    fv_shard_labels l;
    int at = axis - op->out[0]->type->rank;
    bool left, right = false;
    if (fv_op_is(op, FV_OP_fv_MatMul) || !fv_shard_labels_of(op, &l))
        return at == -1 ? FV_SHARD_COLUMNS : at == -2 ? FV_SHARD_LEFT : FV_SHARD_BATCH;
    left = fv_shard_label_axis(op, &l, 0, l.out[axis]) >= 0;
    for (int i = 1; i < op->nin; i++)
        right |= fv_shard_label_axis(op, &l, i, l.out[axis]) >= 0;
    return left && right ? FV_SHARD_BATCH : left ? FV_SHARD_LEFT : FV_SHARD_COLUMNS;
}

/* How the cut cuts the contraction, in *out; false: not at all. */
static bool is_cut(const fv_shard_axes *cut, const fv_op *op, fv_shard_choice *out) {
    int axis = fv_shard_axis_of(cut, op->out[0]);
    if (axis >= 0) {
        out->side = side_of(op, axis);
        out->collective =
            is_in(cut->noutputs, cut->outputs, op->out[0]) ? FV_SHARD_ALL_GATHER : FV_SHARD_NONE;
    } else if (fv_shard_is_cut(cut, op)) {
        out->side = FV_SHARD_ROWS;
        out->collective = FV_SHARD_ALL_REDUCE;
    } else {
        return false;
    }
    return true;
}

static fv_shard_choice choice_of(const fv_module *m, const fv_shard_plan *plan, const fv_op *op) {
    fv_shard_choice c = {fv_shard_node(m->arena, op), FV_SHARD_WHOLE, FV_SHARD_NONE};
    for (int i = 0; i < plan->found->n; i++)
        if (is_cut(&plan->found->cuts[i], op, &c))
            break;
    return c;
}

void fv_shard_describe(const fv_module *m, fv_shard_plan *out) {
    int n = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        n += fv_shard_is_contraction(op);
    fv_shard_choice *list = FV_NEW(m->arena, fv_shard_choice, n + 1);
    out->nchoices = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next)
        if (fv_shard_is_contraction(op))
            list[out->nchoices++] = choice_of(m, out, op);
    out->choices = list;
}

/* ---- what was asked for ---- */

/* The first contraction after `op` of the node; NULL: there is none. */
static fv_op *next_of_node(fv_module *m, const fv_op *op, const char *node) {
    fv_op *next = op ? op->next : m->funcs->body->first;
    while (next && !(fv_shard_is_contraction(next) && !strcmp(fv_shard_node(m->arena, next), node)))
        next = next->next;
    return next;
}

bool fv_shard_find_choices(fv_module *m, const fv_shard_request *r, fv_ptrmap *out) {
    for (int i = 0; i < r->n; i++) {
        const char *node = r->choices[i].node;
        int before = 0;
        fv_op *op = next_of_node(m, NULL, node);
        if (!op)
            return fv_error(m->session, "the plan has node '%s', which is no contraction", node);
        for (; op && fv_ptrmap_get(out, op); before++)
            op = next_of_node(m, op, node);
        if (!op)
            return fv_error(m->session,
                            "the plan has node '%s' %d times, which has %d contraction%s", node,
                            before + 1, before, before == 1 ? "" : "s");
        *fv_ptrmap_at(out, op) = (void *)(uintptr_t)&r->choices[i];
    }
    return true;
}

static bool meets(const fv_op *op, const fv_shard_choice *want, const fv_shard_choice *is) {
    if (want->side == FV_SHARD_WHOLE && is->side == FV_SHARD_WHOLE)
        return true;
    if (want->side != is->side)
        return fv_op_error(op,
                           "the plan has axis '%s', and the cuts of the other nodes make it '%s'",
                           fv_shard_side_names[want->side], fv_shard_side_names[is->side]);
    return want->collective == FV_SHARD_ANY || want->collective == is->collective ||
           fv_op_error(op, "the plan has axis '%s' with collective '%s', which needs '%s'",
                       fv_shard_side_names[want->side], fv_shard_collective_names[want->collective],
                       fv_shard_collective_names[is->collective]);
}

bool fv_shard_meets(const fv_module *m, const fv_shard_plan *plan, const fv_ptrmap *choices) {
    int i = 0;
    for (const fv_op *op = m->funcs->body->first; op; op = op->next) {
        if (!fv_shard_is_contraction(op))
            continue;
        const fv_shard_choice *want = fv_ptrmap_get(choices, op), *is = &plan->choices[i++];
        if (want && plan->ranks > 1 && !meets(op, want, is))
            return false;
    }
    return true;
}
