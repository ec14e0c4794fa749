/* weights.c - see weights.h. */
#include "backend/lowering/weights.h"

#include "ir/definition/recurrence.h"

int64_t fv_weights_of(const fv_module *m) {
    int64_t n = 0;
    for (int i = 0; i < m->nconsts; i++)
        n += m->consts[i]->nuses ? (int64_t)m->consts[i]->tensor->bytes : 0;
    return n;
}

/* Bytes of the constants that op reads and that are not in `seen`, to which they are added. */
static int64_t add_constants(const fv_op *op, fv_ptrmap *seen) {
    int64_t bytes = 0;
    for (int i = 0; i < op->nin; i++) {
        const fv_value *v = op->in[i];
        if (!v || v->kind != FV_VALUE_CONST || fv_ptrmap_get(seen, v))
            continue;
        *fv_ptrmap_at(seen, v) = (void *)(uintptr_t)v;
        bytes += (int64_t)v->tensor->bytes;
    }
    return bytes;
}

/* The `loop` mark of the innermost loop around op; NULL: op is in none. */
static const fv_op *loop_around(const fv_op *op) {
    int ended = 0;
    for (op = op->prev; op; op = op->prev)
        if (op->def == &fv_endloop_def)
            ended++;
        else if (op->def == &fv_loop_def && ended-- == 0)
            return op;
    return NULL;
}

void fv_weights_pass(fv_lowerer *l, const fv_op *mark) {
    fv_ptrmap seen = fv_ptrmap_in(l->arena);
    const fv_op *loop = mark->def == &fv_loop_def ? mark : loop_around(fv_loop_begin(mark));
    if (!loop) {
        l->current.weights = fv_weights_of(l->module);
        return;
    }
    l->current.weights = 0;
    for (const fv_op *end = fv_loop_end(loop); loop != end; loop = loop->next)
        l->current.weights += add_constants(loop, &seen);
}

int64_t fv_weights_between(const fv_lowerer *l, const fv_op *op) {
    const fv_recurrence *r = fv_ptrmap_get(&l->known.recurrences, op);
    fv_ptrmap seen = fv_ptrmap_in(l->arena);
    return r && !fv_dim_is_one(r->t->dim) ? add_constants(op, &seen) : l->current.weights;
}
