/* planted.c - faults of passes, of steps of lowering, of schedules and of the plan of memory, which
 * the test of `opt --bisect` links into the command in front of what they are faults of. FV_PLANTED
 * names the one that happens: "share", "join", ... */
#include <stdlib.h>
#include <string.h>

#include "backend/lowering/lowering.h"
#include "backend/lowering/storage.h"
#include "ir/definition/definition.h"
#include "passes/passes.h"

static bool is_planted(const char *name) {
    const char *planted = getenv("FV_PLANTED");
    return planted && !strcmp(planted, name);
}

/* ---- passes: what a pass does besides its changes is that of the pass ---- */

#define PASS(id)                                                                                   \
    bool __real_fv_pass_##id(fv_pass_run *r);                                                      \
    bool __wrap_fv_pass_##id(fv_pass_run *r);                                                      \
    bool __wrap_fv_pass_##id(fv_pass_run *r) {                                                     \
        bool ok = __real_fv_pass_##id(r);                                                          \
        if (is_planted(r->pass->name))                                                             \
            break_##id(r->module);                                                                 \
        return ok;                                                                                 \
    }

/* A constant is another one. */
static void break_fold_constants(fv_module *m) {
    for (int i = 0; i < m->nconsts; i++) {
        const fv_tensor *t = m->consts[i]->tensor;
        if (!m->consts[i]->nuses || t->elem != FV_F32 || t->count < 8)
            continue;
        float *data = (float *)(uintptr_t)t->data;
        data[0] += 3;
        return;
    }
}
PASS(fold_constants)

/* Two ops that are not equal become one. */
static void break_share(fv_module *m) {
    fv_op *first = NULL;
    for (fv_op *op = m->funcs->body->first; op; op = op->next) {
        if (strcmp(op->def->name, "Relu"))
            continue;
        if (first) {
            fv_replace_uses(op->out[0], first->out[0]);
            return;
        }
        first = op;
    }
}
PASS(share)

/* It crashes. */
static void break_simplify(fv_module *m) {
    (void)m;
    abort();
}
PASS(simplify)

/* What is read is made below: the verifier sees that. */
static void break_reduce_strength(fv_module *m) {
    fv_op *last = m->funcs->body->last->prev;
    fv_op_move_before(last, m->funcs->body->first);
}
PASS(reduce_strength)

/* ---- steps of lowering: the last value that has a kernel is a little more than it should be
 * ---- */

static void bend(fv_lowerer *l, fv_storage *s) {
    fv_expr *body = s->def->body;
    s->def->body = fv_x_bin(l->exprs, FV_X_ADD, body, fv_x_const(l->exprs, FV_F32, 0.25));
}

static bool is_float(const fv_storage *s) {
    return s->def && s->def->body->type.elem == FV_F32 && s->value->type->elem == FV_F32;
}

static void bend_last(fv_lowerer *l) {
    for (fv_op *op = l->func->body->last; op; op = op->prev)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && is_float(s) && fv_storage_has_kernel(s)) {
                bend(l, s);
                return;
            }
        }
}

#define STEP(id)                                                                                   \
    bool __real_fv_step_##id(fv_lowerer *l);                                                       \
    bool __wrap_fv_step_##id(fv_lowerer *l);                                                       \
    bool __wrap_fv_step_##id(fv_lowerer *l) {                                                      \
        bool ok = __real_fv_step_##id(l);                                                          \
        if (ok && is_planted(#id))                                                                 \
            bend_last(l);                                                                          \
        return ok;                                                                                 \
    }
STEP(group)
STEP(attend)
STEP(fold)
STEP(concat)
STEP(layout)
STEP(order)
STEP(join)
STEP(split)
STEP(merge)

/* ---- schedules, and memory ---- */

void __real_fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op);
void __wrap_fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op);
void __wrap_fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op) {
    if (is_planted("schedule") && !l->naive && is_float(s) && !strcmp(s->value->name, "y"))
        bend(l, s);
    __real_fv_schedule_value(l, s, op);
}

void __real_fv_reuse_memory(fv_lowerer *l);
void __wrap_fv_reuse_memory(fv_lowerer *l);
void __wrap_fv_reuse_memory(fv_lowerer *l) {
    if (is_planted("memory"))
        abort();
    __real_fv_reuse_memory(l);
}
