/* extend.c - the step extend: the elements that fv.Extend appends to an input of the model are
 * written in the input's memory.
 *
 *     room = fv.Extend(past, new), axis 1, start p:
 *     new[i, j] is stored at past[i, j + p], and room is past
 *
 * The kernel of new stores there if it does not read that memory and if new needs no memory of its
 * own; else a kernel copies new there. Kernels that read room or new read past instead. No kernel
 * reads an element that it writes: the elements of past that the model reads have indices below p
 * (backend/lowering/ports.c). */
#include "backend/lowering/define.h"
#include "backend/lowering/loop_body.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/steps/larger.h"
#include "backend/steps/steps.h"
#include "ir/base/limits.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"
#include "ir/graph/infer.h"
#include "ir/graph/state.h"

typedef struct moved { /* a value whose elements are stored in the memory of another value */
    fv_storage *home;
    int axis; /* the axis along which the elements are appended */
    /* the index along `axis` in `home` at which the elements begin; NULL: no index changes */
    const fv_dim *start;
} moved;

typedef struct mover {
    fv_lowerer *l;
    fv_ptrmap moved; /* storage -> where it is stored */
} mover;

/* ---- conditions ---- */

/* Is v read through its definition only, not as memory or through a view, and added to an input
 * once? */
static bool is_private(fv_lowerer *l, const fv_value *v) {
    int added = 0;
    for (int i = 0; i < v->nuses; i++)
        added += fv_op_is(v->uses[i].op, FV_OP_fv_Extend) && v->uses[i].index == 1;
    return added == 1 && fv_is_private(l, v);
}

/* Can the kernel of v write in the memory of the input? v must have a kernel, which does not read
 * that memory, and be private. Not if the kernel has both sums and elementary functions, because
 * its passes may keep values in the row of its result, which must be its own memory (keep.c). */
static bool is_written_there(fv_lowerer *l, const fv_value *v, fv_storage *s,
                             const fv_storage *memory) {
    return v->kind == FV_VALUE_RESULT && s->fate == FV_FATE_MEMORY && s->def && is_private(l, v) &&
           !fv_x_has(s->def->body, FV_HAS_MATH | FV_HAS_REDUCE) &&
           !fv_storage_is_read_by(l, memory, s->def);
}

/* ---- where elements are stored ---- */

/* Changes *s and the index to the memory in which the element is stored, and returns true; false:
 * it is stored in the memory of *s itself. */
static bool locate(const mover *m, fv_storage **s, fv_expr **index) {
    const moved *at;
    bool any = false;
    while ((at = fv_ptrmap_get(&m->moved, *s))) {
        if (at->start)
            index[at->axis] =
                fv_x_bin(m->l->exprs, FV_X_ADD, index[at->axis], fv_x_dim(m->l->exprs, at->start));
        *s = at->home;
        any = true;
    }
    return any;
}

static fv_expr *relocate(fv_x_rewriter *w, fv_expr *x, fv_expr **args) {
    const mover *m = w->user;
    fv_storage *s = fv_storage_loaded(m->l, x);
    return s && locate(m, &s, args)
               ? fv_x_load_like(w->arena, x, fv_value_buf(w->arena, s->value), args, args)
               : NULL;
}

static void settle(mover *m, fv_storage *s) {
    fv_expr *index[FV_MAX_RANK];
    fv_storage *home = s;
    fv_x_rewriter w = {.arena = m->l->exprs,
                       .memo = fv_ptrmap_in(m->l->current.scratch),
                       .after = relocate,
                       .user = m};
    s->def->body = fv_x_rewrite(&w, s->def->body);
    for (int i = 0; i < s->def->rank; i++)
        index[i] = fv_x_var(m->l->exprs, s->def->index[i]);
    if (locate(m, &home, index))
        s->def->place = fv_x_load(m->l->exprs, fv_value_buf(m->l->exprs, home->value), index);
}

/* ---- the step ---- */

/* Is op the fv.Extend of a state of the model, whose memory the caller gives? A kernel computes any
 * other fv.Extend. */
static bool is_state(fv_lowerer *l, const fv_op *op) {
    const fv_op *ret = l->func->body->last;
    for (int i = 0; fv_op_is(op, FV_OP_fv_Extend) && i < ret->nin; i++)
        if (ret->in[i] == op->out[0] && l->host.out_types[i] != ret->in[i]->type)
            return true;
    return false;
}

/* Makes an op with a kernel of its own write a state of unchanged size in the memory of its
 * operand, which nothing else reads. False after a diagnostic. */
static bool write_in_place(fv_lowerer *l) {
    const fv_op *ret = l->func->body->last;
    int axis;
    for (int i = 0; l->func->capacity && i < ret->nin; i++) {
        fv_op *op = l->func->capacity[i] ? ret->in[i]->def : NULL;
        if (!op || !op->def->kernel)
            continue;
        if (!fv_state_writer(l->func, i, &axis)) /* a text may have another op, an error */
            return false;
        fv_takes(l, op->out[0], FV_WHY_written_in_place, fv_v(op->in[0]));
        fv_storage *s = fv_storage_of(l, op->out[0]);
        s->fate = FV_FATE_ASSEMBLED;
        s->of = fv_storage_of(l, op->in[0]);
    }
    return true;
}

static fv_value *copy(fv_lowerer *l, fv_op *op) {
    const char *name = fv_printf(l->exprs, "%s.copy", op->in[1]->name);
    fv_op *c =
        fv_op_new(op->block, op, fv_op_def(FV_OP_fv_Copy), 1, &op->in[1], 1, &name, op->origin);
    if (!fv_op_infer(c) || !fv_define_op(l, c))
        return NULL;
    fv_declines(l, op->in[1], FV_WHY_added_copied, fv_v(op->out[0]));
    fv_op_set_in(op, 1, c->out[0]);
    return c->out[0];
}

static void move(mover *m, fv_storage *s, fv_storage *home, fv_fate fate, int axis,
                 const fv_dim *start) {
    moved *at = FV_NEW(m->l->exprs, moved, 1);
    *at = (moved){home, axis, start};
    *fv_ptrmap_at(&m->moved, s) = at;
    s->fate = fate;
    s->of = home;
}

static bool extend(mover *m, fv_op *op) {
    fv_lowerer *l = m->l;
    fv_storage *past = fv_storage_of(l, op->in[0]), *room = fv_storage_of(l, op->out[0]);
    fv_storage *added = fv_storage_of(l, op->in[1]);
    const fv_dim *start = fv_op_find_attr(op, "start")->u.dims[0];
    if (!is_written_there(l, op->in[1], added, past)) {
        fv_value *v = copy(l, op);
        if (!v)
            return false;
        added = fv_storage_of(l, v);
    }
    fv_takes(l, op->out[0], FV_WHY_extends, fv_v(op->in[0]), fv_v(op->in[1]));
    move(m, added, past, FV_FATE_PART, (int)fv_op_int(op, "axis"), start);
    move(m, room, past, FV_FATE_ASSEMBLED, 0, NULL);
    return true;
}

bool fv_step_extend(fv_lowerer *l) {
    fv_place_rows(l);
    if (!write_in_place(l))
        return false;
    mover m = {.l = l, .moved = fv_ptrmap_in(l->current.scratch)};
    bool any = false;
    for (fv_op *op = l->func->body->first; op; op = op->next) {
        if (!is_state(l, op))
            continue;
        if (!extend(&m, op))
            return false;
        any = true;
    }
    for (fv_op *op = any ? l->func->body->first : NULL; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && s->def && s->fate != FV_FATE_ASSEMBLED)
                settle(&m, s);
        }
    return true;
}
