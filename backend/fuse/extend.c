/* extend.c - what is added to an input of the model is written in its memory.
 *
 *     room = fv.Extend(past, new), axis 1, start p:
 *     new[i, j] lies at past[i, j + p], and room is past
 *
 * The kernel of new stores there, if it reads nothing of that memory, and if nobody has to see new
 * in memory of its own; else it is copied there by a kernel of its own. Whoever reads room or new
 * reads past. No kernel reads what it writes, and what it writes was not there before: past is
 * asked below p only (backend/ports.c). */
#include "backend/lowering/define.h"
#include "backend/lowering/steps.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/turns.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/expr/unique.h"
#include "ir/graph/infer.h"
#include "ir/graph/state.h"

typedef struct moved { /* a value whose elements lie in the memory of another */
    fv_storage *home;
    int axis;            /* along which they begin */
    const fv_dim *start; /* there; NULL: at the same indices */
} moved;

typedef struct mover {
    fv_lowerer *l;
    fv_ptrmap moved; /* storage -> moved */
    fv_ptrmap memo;
} mover;

/* ---- may a kernel write there? ---- */

static bool reads(fv_lowerer *l, const fv_expr *x, const fv_storage *memory, fv_ptrmap *seen) {
    if (*fv_ptrmap_at(seen, x))
        return false;
    *fv_ptrmap_at(seen, x) = (void *)(uintptr_t)x;
    const fv_storage *s = fv_storage_loaded(l, x);
    bool found = s && fv_storage_home(fv_storage_root((fv_storage *)(uintptr_t)s)) == memory;
    for (int i = 0; i < x->n && !found; i++)
        found = reads(l, x->arg[i], memory, seen);
    return found;
}

/* What a row keeps on its way it keeps where the result lies, and only there (keep.c). */
static bool may_keep(const fv_expr *x, bool *math, bool *reduces) {
    *math |= fv_expr_op_is_math((fv_expr_op)x->op);
    *reduces |= x->op == FV_X_REDUCE;
    for (int i = 0; i < x->n && !(*math && *reduces); i++)
        may_keep(x->arg[i], math, reduces);
    return *math && *reduces;
}

/* Is it read by definitions alone, in no other shape, and added once? */
static bool is_private(fv_lowerer *l, const fv_value *v) {
    int added = 0;
    for (int i = 0; i < v->nuses; i++) {
        const fv_op *use = v->uses[i].op;
        added += fv_op_is(use, FV_OP_fv_Extend) && v->uses[i].index == 1;
        if (fv_reads_memory(use))
            return false;
        for (int k = 0; k < use->nout; k++)
            if (use->out[k] && fv_storage_of(l, use->out[k])->fate == FV_FATE_VIEW)
                return false;
    }
    return added == 1;
}

static bool is_written_there(fv_lowerer *l, const fv_value *v, fv_storage *s,
                             const fv_storage *memory) {
    bool math = false, reduces = false;
    fv_ptrmap seen = fv_ptrmap_in(l->exprs);
    return v->kind == FV_VALUE_RESULT && s->fate == FV_FATE_MEMORY && s->def && is_private(l, v) &&
           !may_keep(s->def->body, &math, &reduces) && !reads(l, s->def->body, memory, &seen);
}

/* ---- where elements lie ---- */

/* The indices of an element in the memory where it is; false: it lies in its own. */
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

static fv_expr *relocate(mover *m, fv_expr *x) {
    fv_arena *a = m->l->exprs;
    fv_expr *args[FV_MAX_RANK + 2], *y = x->n ? fv_ptrmap_get(&m->memo, x) : NULL;
    if (y || (!x->n && x->op != FV_X_LOAD))
        return y ? y : x;
    for (int i = 0; i < x->n; i++)
        args[i] = relocate(m, x->arg[i]);
    fv_storage *s = fv_storage_loaded(m->l, x);
    if (s && locate(m, &s, args)) {
        fv_buf *b = fv_value_buf(a, s->value);
        y = x->op == FV_X_LOAD ? fv_x_load(a, b, args)
                               : fv_x_guard(a, b, args, args[b->rank], args[b->rank + 1]);
    } else
        y = fv_x_with_args(a, x, args);
    *fv_ptrmap_at(&m->memo, x) = y;
    return y;
}

static void settle(mover *m, fv_storage *s) {
    fv_expr *index[FV_MAX_RANK];
    fv_storage *home = s;
    m->memo = fv_ptrmap_in(m->l->exprs);
    s->def->body = relocate(m, s->def->body);
    for (int i = 0; i < s->def->rank; i++)
        index[i] = fv_x_var(m->l->exprs, s->def->index[i]);
    if (locate(m, &home, index))
        s->def->place = fv_x_load(m->l->exprs, fv_value_buf(m->l->exprs, home->value), index);
}

/* ---- the step ---- */

/* Is it the state of an input, which callers give the memory of? Another one is a kernel as any. */
static bool is_state(fv_lowerer *l, const fv_op *op) {
    const fv_op *ret = l->func->body->last;
    for (int i = 0; fv_op_is(op, FV_OP_fv_Extend) && i < ret->nin; i++)
        if (ret->in[i] == op->out[0] && l->out_types[i] != ret->in[i]->type)
            return true;
    return false;
}

/* States as large as they were: the kernel of their op writes in the memory of its operand, which
 * nothing else reads. */
static bool write_in_place(fv_lowerer *l) {
    const fv_op *ret = l->func->body->last;
    int axis;
    for (int i = 0; l->func->capacity && i < ret->nin; i++) {
        fv_op *op = l->func->capacity[i] ? ret->in[i]->def : NULL;
        if (!op || !op->def->kernel)
            continue;
        if (!fv_state_writer(l->func, i, &axis)) /* a text may have any op there */
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
    mover m = {.l = l, .moved = fv_ptrmap_in(l->exprs)};
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
