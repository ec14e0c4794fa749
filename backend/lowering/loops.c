/* loops.c - loops of the host program around the launches of a recurrence. They extend the
 * lifetimes of the memory that is used in them. */
#include "backend/lowering/loops.h"

#include "backend/lowering/storage.h"

void fv_begin_loop(fv_lowerer *l, const fv_dim *iteration, const fv_dim *times) {
    fv_step s = {.kind = FV_STEP_LOOP, .iteration = iteration, .times = times};
    FV_PUSH(l->arena, l->host.steps, l->host.nsteps, l->host.cap_steps, s);
}

void fv_end_loop(fv_lowerer *l) {
    fv_step s = {.kind = FV_STEP_END};
    FV_PUSH(l->arena, l->host.steps, l->host.nsteps, l->host.cap_steps, s);
}

/* Extends the lifetimes of values that the loop uses: from before the loop until after it. */
static void hold(fv_lowerer *l, int begin, int end) {
    fv_value **held = NULL;
    int nheld = 0, cap = 0, n;
    for (int i = begin + 1; i < end; i++) {
        fv_value *const *values = fv_step_values(&l->host.steps[i], &n);
        for (int k = 0; k < n; k++) {
            fv_storage *s = fv_storage_root(fv_storage_of(l, values[k]));
            if (s->first > begin)
                s->first = begin;
            if (s->last < end)
                s->last = end;
            FV_PUSH(l->arena, held, nheld, cap, values[k]);
        }
    }
    l->host.steps[begin].values = l->host.steps[end].values = held;
    l->host.steps[begin].nvalues = l->host.steps[end].nvalues = nheld;
}

void fv_hold_through_loops(fv_lowerer *l) {
    for (int i = 0, begin = 0; i < l->host.nsteps; i++) {
        if (l->host.steps[i].kind == FV_STEP_LOOP)
            begin = i;
        else if (l->host.steps[i].kind == FV_STEP_END)
            hold(l, begin, i);
    }
}
