/* schedule.c - which schedule builds the kernel of a value: the first that takes it. */
#include "backend/schedule/schedule.h"

#include <assert.h>

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/lowering/branches.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/schedule/custom.h"
#include "backend/schedule/map.h"
#include "backend/schedule/scheduler.h"

static const struct {
    const fv_scheduler *schedule;
    bool of_operands;
} all[] = {
#define SCHEDULE(id, of_operands) {&fv_schedule_##id, of_operands},
#include "backend/schedule/schedules.def"
#undef SCHEDULE
};

static bool is_empty(const fv_definition *d) {
    for (int i = 0; i < d->rank; i++)
        if (d->index[i]->dim->hi <= 0)
            return true;
    return false;
}

/* The kernel of s, behind those of its operands. */
static void make(fv_lowerer *l, fv_storage *s, fv_op *op) {
    void *plan = NULL;
    size_t i = 0;
    assert(!l->noperands && "they belong to the kernel that is placed");
    while ((s->operand && !all[i].of_operands) || !(plan = all[i].schedule->choose(l, s))) {
        i++;
        assert(i < sizeof all / sizeof *all && "the last one takes all");
    }
    if (all[i].schedule->place)
        all[i].schedule->place(l, op, plan);
    fv_storage **operands = l->operands;
    int n = l->noperands;
    l->operands = NULL;
    l->noperands = l->cap_operands = 0;
    for (int k = 0; k < n; k++)
        make(l, operands[k], op);
    all[i].schedule->emit(l, s, op, plan);
}

static void schedule(fv_lowerer *l, fv_storage *s, fv_op *op) {
    if (is_empty(s->def)) /* what does not run along the empty axis would be read before its loop, or packed */
        s->def->body = fv_x_zero(l->exprs, (fv_elem)s->def->body->type.elem);
    s->def = fv_merge_axes(l, fv_split_axes(l, s->def));
    make(l, s, op);
}

bool fv_schedule_op(fv_lowerer *l, fv_op *op) {
    if (op->def == &fv_return_def)
        return true;
    if (op->def->has_effect) {
        fv_add_statement(l, op);
        for (int i = 0; i < op->nout; i++) /* of an endif */
            if (op->out[i])
                fv_takes(l, op->out[i], FV_WHY_branches_give);
        return true;
    }
    if (op->def->kernel)
        return fv_schedule_custom(l, op);
    for (int i = 0; i < op->nout; i++) {
        fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
        if (!s || !fv_storage_has_kernel(s))
            continue;
        if (l->options->naive) {
            fv_schedule_naive(l, s, op);
            fv_takes(l, s->value, FV_WHY_naive);
        } else
            schedule(l, s, op);
    }
    return true;
}
