/* value.c - builds the kernel of a value by the first schedule that applies to it. */
#include "backend/schedule/operands/value.h"

#include <assert.h>

#include "backend/axes/empty.h"
#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/lowering/why.h"
#include "backend/schedule/common/scheduler.h"
#include "backend/schedule/rows/map.h"

static const struct {
    const fv_scheduler *schedule;
    bool of_operands;
} all[] = {
#define SCHEDULE(id, of_operands) {&fv_schedule_##id, of_operands},
#include "backend/schedule/schedules.def"
#undef SCHEDULE
};

/* Builds the kernel of s, after the kernels of its operands. */
static void make(fv_lowerer *l, fv_storage *s, fv_op *op) {
    void *plan = NULL;
    size_t i = 0;
    FV_HOLDS(fv_arena_session(l->arena),
             !l->current.noperands && "they belong to the kernel that is placed");
    while ((s->operand && !all[i].of_operands) || !(plan = all[i].schedule->choose(l, s))) {
        i++;
        FV_HOLDS(fv_arena_session(l->arena),
                 i < sizeof all / sizeof *all && "the last one takes all");
    }
    if (all[i].schedule->place)
        all[i].schedule->place(l, op, plan);
    fv_schedule_operands(l, op);
    all[i].schedule->emit(l, s, op, plan);
}

void fv_schedule_operands(fv_lowerer *l, fv_op *op) {
    fv_storage **operands = l->current.operands;
    int n = l->current.noperands;
    l->current.operands = NULL;
    l->current.noperands = l->current.cap_operands = 0;
    for (int k = 0; k < n; k++)
        make(l, operands[k], op);
}

void fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op) {
    if (l->current.naive) {
        fv_schedule_naive(l, s, op);
        fv_takes(l, s->value, FV_WHY_naive);
        return;
    }
    make(l, s, op);
}

void fv_schedule_alone(fv_lowerer *l, fv_storage *s, fv_op *op) {
    if (!l->current.naive)
        s->def = fv_merge_axes(l, fv_split_axes(l, fv_spare_empty(l, s->def)));
    fv_schedule_value(l, s, op);
}
