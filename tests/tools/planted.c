/* planted.c - faults of passes, steps of lowering, schedules and the memory plan, which are linked
 * into a command for tests in place of the correct functions. FV_PLANTED selects one. The test of
 * `opt --bisect` finds those named after a pass or a step: "share", "join", ...;
 * tests/tools/planted.sh checks that wrong forms, orders, layouts and places in the workspace are
 * detected. */
#include <stdlib.h>
#include <string.h>

#include "backend/lowering/lowering.h"
#include "backend/lowering/storage.h"
#include "backend/schedule/contract/lay_out.h"
#include "ir/definition/definition.h"
#include "ir/expr/rewrite.h"
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

/* ---- forms and orders that do not fit their definitions: "FAULT after STEP" ---- */

static fv_expr *with_order(fv_x_rewriter *r, fv_expr *x, fv_expr **args) {
    const fv_expr *sum = fv_x_with_args(r->arena, x, args);
    const fv_order *order = r->user;
    return fv_x_is_ordered(x) ? fv_x_reduce_in(r->arena, sum, *order, *order == FV_ORDER_CHAINS)
                              : NULL;
}

static fv_expr *in_order(fv_lowerer *l, fv_expr *x, fv_order order) {
    fv_x_rewriter r = {.arena = l->exprs, .after = with_order, .user = &order};
    return fv_x_rewrite(&r, x);
}

/* d with that fault; what d has already is no fault. */
static void plant_in(fv_lowerer *l, const char *fault, fv_definition *d) {
    fv_form *f = &d->form;
    if (!strncmp(fault, "form ", 5))
        f->kind = fv_form_find(fault + 5);
    else if (!strcmp(fault, "rows"))
        f->rows ^= 1;
    else if (!strcmp(fault, "columns"))
        f->columns ^= 1;
    else if (!strcmp(fault, "each"))
        f->each = !f->each;
    else if (!strcmp(fault, "order chain"))
        d->body = in_order(l, d->body, FV_ORDER_CHAIN);
    else if (!strcmp(fault, "order chains"))
        d->body = in_order(l, d->body, FV_ORDER_CHAINS);
    else if (!strcmp(fault, "order parts"))
        d->body = in_order(l, d->body, FV_ORDER_PARTS);
}

/* The fault that FV_PLANTED says is to happen after that step; NULL: none. */
static const char *fault_after(fv_lowerer *l, const char *step) {
    const char *planted = getenv("FV_PLANTED"), *at = planted ? strstr(planted, " after ") : NULL;
    return at && !strcmp(at + strlen(" after "), step)
               ? fv_printf(l->arena, "%.*s", (int)(at - planted), planted)
               : NULL;
}

static void plant_after(fv_lowerer *l, const char *step) {
    const char *fault = fault_after(l, step);
    for (fv_op *op = l->func->body->first; op && fault; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (!s || !s->def || !fv_storage_has_kernel(s))
                continue;
            fv_definition *d = FV_NEW(l->exprs, fv_definition, 1);
            *d = *s->def;
            s->def = d;
            plant_in(l, fault, d);
        }
}

#define STEP(id)                                                                                   \
    bool __real_fv_step_##id(fv_lowerer *l);                                                       \
    bool __wrap_fv_step_##id(fv_lowerer *l);                                                       \
    bool __wrap_fv_step_##id(fv_lowerer *l) {                                                      \
        bool ok = __real_fv_step_##id(l);                                                          \
        if (ok && is_planted(#id))                                                                 \
            bend_last(l);                                                                          \
        if (ok)                                                                                    \
            plant_after(l, #id);                                                                   \
        return ok;                                                                                 \
    }
STEP(group)
STEP(attend)
STEP(fold)
STEP(concat)
STEP(layout)
STEP(form)
STEP(order)
STEP(join)
STEP(split)
STEP(merge)

/* ---- schedules, and memory ---- */

void __real_fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op);
void __wrap_fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op);
void __wrap_fv_schedule_value(fv_lowerer *l, fv_storage *s, fv_op *op) {
    if (is_planted("schedule") && !l->current.naive && is_float(s) && !strcmp(s->value->name, "y"))
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

/* The last buffer is where the first one is. */
void __real_fv_place_buffers(fv_lowerer *l, fv_storage **list, int n);
void __wrap_fv_place_buffers(fv_lowerer *l, fv_storage **list, int n);
void __wrap_fv_place_buffers(fv_lowerer *l, fv_storage **list, int n) {
    __real_fv_place_buffers(l, list, n);
    if (is_planted("place") && n)
        list[n - 1]->buf->offset = list[0]->buf->offset;
}

/* ---- layouts: constants are not where the kernel reads them ---- */

/* Gives all levels with a stride the stride that follows from those inside. */
static void pack_again(fv_layout *l) {
    for (int i = 0; i < l->nlevels; i++)
        if (l->level[i].stride)
            l->level[i].stride = FV_STRIDE_PACKED;
    if (!fv_layout_pack(l))
        abort();
}

/* panels: j/width k j%width */
static void plant_in_layout(fv_laid_out *to) {
    fv_layout *l = &to->layout;
    fv_layout_level *last = &l->level[l->nlevels - 1], before = last[-1];
    if (is_planted("layout order")) {
        last[-1] = *last;
        *last = before;
        pack_again(l);
    } else if (is_planted("layout stride"))
        last[-1].stride--;
    else if (is_planted("layout bits"))
        l->bits /= 2;
    else if (is_planted("layout width")) {
        l->level[0].divisor /= 2;
        last->modulus /= 2;
        pack_again(l);
    }
}

bool __real_fv_lay_out_make(fv_lowerer *l, fv_laid_out *to, fv_value *as);
bool __wrap_fv_lay_out_make(fv_lowerer *l, fv_laid_out *to, fv_value *as);
bool __wrap_fv_lay_out_make(fv_lowerer *l, fv_laid_out *to, fv_value *as) {
    if (to->layout.level[0].stride && to->layout.level[to->layout.nlevels - 1].stride)
        plant_in_layout(to);
    else if (is_planted("layout companion")) /* scales: all elements along the sum are one */
        to->npieces = 0;
    return __real_fv_lay_out_make(l, to, as);
}
