/* value.c - builds the kernel of a value by the first schedule that applies to it. */
#include "backend/schedule/operands/value.h"

#include <assert.h>

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

static bool is_empty(const fv_definition *d) {
    for (int i = 0; i < d->rank; i++)
        if (d->index[i]->dim->hi <= 0)
            return true;
    return false;
}

/* Builds the kernel of s, after the kernels of its operands. */
static void make(fv_lowerer *l, fv_storage *s, fv_op *op) {
    void *plan = NULL;
    size_t i = 0;
    FV_HOLDS(fv_arena_session(l->arena),
             !l->noperands && "they belong to the kernel that is placed");
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
    fv_storage **operands = l->operands;
    int n = l->noperands;
    l->operands = NULL;
    l->noperands = l->cap_operands = 0;
    for (int k = 0; k < n; k++)
        make(l, operands[k], op);
}

/* Replaces the definition of a value without elements by 0. Otherwise, operands that do not vary
 * along the empty axis might be read before the loop over it, or packed. */
void fv_spare_empty(fv_lowerer *l, fv_storage *s) {
    if (is_empty(s->def))
        s->def->body = fv_x_zero(l->exprs, (fv_elem)s->def->body->type.elem);
}

void fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op) {
    if (l->naive) {
        fv_schedule_naive(l, s, op);
        fv_takes(l, s->value, FV_WHY_naive);
        return;
    }
    fv_spare_empty(l, s);
    s->def = fv_merge_axes(l, fv_split_axes(l, s->def));
    make(l, s, op);
}
