/* plan.c - plans the memory: in which buffer each value is stored, and its lifetime. placement.c
 * computes offsets in the workspace. A value whose size depends on data is allocated by the
 * caller's allocator when it is computed. */
#include "backend/memory/plan.h"

#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/lowering/branches.h"
#include "backend/lowering/contents.h"
#include "backend/lowering/gate.h"
#include "backend/lowering/host_dims.h"
#include "backend/lowering/loop_body.h"
#include "backend/lowering/loops.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "backend/memory/arrange.h"
#include "backend/memory/overlap.h"
#include "backend/memory/placement.h"
#include "backend/memory/reuse.h"
#include "backend/memory/trial.h"
#include "ir/base/limits.h"
#include "ir/kernel/build.h"

static void touch(fv_lowerer *l, fv_value *v, int step) {
    fv_storage *s = fv_storage_root(fv_storage_of(l, v));
    if (s->first < 0)
        s->first = step;
    if (step > s->last)
        s->last = step;
}

/* Finds the first and last step that uses the memory of each value. */
static void find_lifetimes(fv_lowerer *l) {
    for (size_t i = 0; i < l->known.storage.cap; i++)
        if (l->known.storage.keys[i]) {
            fv_storage *s = l->known.storage.values[i];
            s->first = s->last = -1;
        }
    for (int i = 0, n; i < l->host.nsteps; i++) {
        fv_value *const *values = fv_step_values(&l->host.steps[i], &n);
        for (int k = 0; k < n; k++)
            touch(l, values[k], i);
    }
    fv_hold_through_loops(l);
    fv_hold_through_marks(l);
}

fv_expr *fv_bytes_of(fv_lowerer *l, const fv_type *t) {
    fv_arena *a = l->arena;
    fv_expr *x = fv_x_int(a, fv_elem_storage_bytes(t->elem));
    bool empty = false;
    for (int i = 0; i < t->rank; i++) {
        fv_expr *n = fv_p_dim(l, t->dims[i]);
        x = fv_x_bin(a, FV_X_MULSAT, x,
                     t->dims[i]->lo < 0 ? fv_x_bin(a, FV_X_MAX, n, fv_x_int(a, 0)) : n);
        empty |= t->dims[i]->hi <= 0;
    }
    return empty ? fv_x_int(a, 0) : x;
}

static fv_buf *new_buffer(fv_lowerer *l, const char *name, fv_buf_role role, const fv_type *t) {
    fv_expr *extent[FV_MAX_RANK];
    for (int i = 0; i < t->rank; i++)
        extent[i] = fv_p_dim(l, t->dims[i]);
    fv_buf *b = fv_buf_new(l->arena, name, role, t->elem, t->rank, extent);
    fv_p_add_buffer(l, b);
    return b;
}

static void place_constant(fv_lowerer *l, fv_storage *s) {
    fv_program *p = l->program;
    s->buf = new_buffer(l, s->value->name, FV_BUF_CONST, s->value->type);
    s->buf->index = p->memory.nconstants;
    fv_constant c = {.name = s->value->name, .buf = s->buf};
    c.contents = fv_contents_of(l, s->value->tensor, &c.bytes);
    FV_PUSH(l->arena, p->memory.constants, p->memory.nconstants, l->host.cap_constants, c);
}

static fv_storage *returned(fv_lowerer *l, int i) {
    return fv_storage_root(fv_storage_of(l, l->func->body->last->in[i]));
}

/* Records which other values a buffer contains, for people who read the program. */
static void name_what_is_held(fv_lowerer *l) {
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL, *home = s;
            home = home ? fv_storage_home(home) : NULL;
            fv_buf *b = home && home != s ? fv_storage_root(home)->buf : NULL;
            int cap = b ? b->sharing.nparts : 0;
            if (b)
                FV_PUSH(l->arena, b->sharing.parts, b->sharing.nparts, cap, s->value->name);
        }
}

static void name_what_was_there(fv_lowerer *l, const fv_storage *s) {
    int cap = 0;
    for (const fv_storage *x = s->over; x; x = x->over)
        FV_PUSH(l->arena, s->buf->sharing.over, s->buf->sharing.nover, cap, x->value->name);
}

/* The axis along which result i, a state, has spare capacity. */
static int along(const fv_lowerer *l, int i) {
    const fv_value *v = l->func->body->last->in[i];
    const fv_type *t = v->type;
    int axis = 0;
    if (fv_op_is(v->def, FV_OP_fv_Extend))
        return (int)fv_op_int(v->def, "axis");
    while (axis < t->rank - 1 && t->dims[axis] != l->func->capacity[i])
        axis++;
    return axis;
}

/* ---- which values share memory ---- */

static void share_memory(fv_lowerer *l, bool reuses) {
    find_lifetimes(l);
    while (reuses && fv_spare_copy(l))
        find_lifetimes(l);
    if (reuses)
        fv_reuse_memory(l);
    fv_join_branches(l);
}

static bool is_in_workspace(fv_lowerer *l, const fv_storage *s) {
    const fv_type *t = s->value->type;
    bool outside = s->value->kind != FV_VALUE_RESULT || fv_any_from_data(t->rank, t->dims);
    for (int i = 0; i < l->func->body->last->nin && !outside; i++)
        outside = returned(l, i) == s;
    return !outside;
}

/* The bytes of the workspace with the present order of steps, as fv_placed_bytes says. */
static int64_t try_order(fv_lowerer *l, bool reuses, int64_t enough) {
    fv_trial *trial = fv_trial_begin(l);
    fv_ptrmap seen = fv_ptrmap_in(l->arena);
    fv_storage **work = NULL;
    int nwork = 0, cap = 0;
    share_memory(l, reuses);
    for (int i = 0, n; i < l->host.nsteps; i++) {
        fv_value *const *values = fv_step_values(&l->host.steps[i], &n);
        for (int k = 0; k < n; k++) {
            fv_storage *s = fv_storage_root(fv_storage_of(l, values[k]));
            if (fv_ptrmap_get(&seen, s) || !is_in_workspace(l, s))
                continue;
            *fv_ptrmap_at(&seen, s) = s;
            FV_PUSH(l->arena, work, nwork, cap, s);
        }
    }
    int64_t bytes = fv_placed_bytes(l, work, nwork, enough);
    fv_trial_end(trial);
    return bytes;
}

static fv_step *copied_steps(const fv_lowerer *l) {
    fv_step *copy = FV_NEW(l->arena, fv_step, l->host.nsteps + 1);
    memcpy(copy, l->host.steps, (size_t)l->host.nsteps * sizeof *copy);
    return copy;
}

/* Arranges the launches. Takes the old order again unless the workspace is smaller: arranging
 * estimates what shares memory, and does not know where buffers are placed. */
static void arrange(fv_lowerer *l, bool reuses) {
    const fv_step *old = copied_steps(l);
    find_lifetimes(l);
    if (!fv_arrange_steps(l, reuses, &l->program->memory))
        return;
    const fv_step *arranged = copied_steps(l);
    const size_t bytes = (size_t)l->host.nsteps * sizeof *old;
    int64_t new_bytes = try_order(l, reuses, INT64_MAX);
    memcpy(l->host.steps, old, bytes);
    if (new_bytes >= 0 && new_bytes < try_order(l, reuses, new_bytes))
        memcpy(l->host.steps, arranged, bytes);
}

/* ---- buffers ---- */

/* Makes a buffer for each value that owns memory which a step uses; other values are views of
 * it. */
void fv_plan_buffers(fv_lowerer *l) {
    fv_region *body = l->func->body;
    const bool reuses = !l->options->naive && fv_may(l, "memory", NULL);
    fv_join_states(l);
    if (!l->options->naive && !fv_saves_in_run(l->options))
        fv_overlap_exchanges(l);
    if (!l->options->naive && fv_saves_in_run(l->options))
        arrange(l, reuses);
    share_memory(l, reuses);
    for (int i = 0; i < body->nparams; i++) {
        fv_storage *s = fv_storage_of(l, body->params[i]);
        s->buf = new_buffer(l, s->value->name, FV_BUF_INPUT, s->value->type);
        s->buf->index = i;
    }
    for (int i = 0; i < body->last->nin; i++) {
        fv_storage *s = returned(l, i), *home = fv_storage_home(s);
        /* the memory of an input, in which the result is stored, too */
        if (home->value->kind == FV_VALUE_PARAM) {
            s->buf = home->buf;
            s->buf->output = 1 + i;
            s->buf->along = along(l, i);
            continue;
        }
        /* the extents of the result's own type, because the dims of the value that it views may
         * become known later */
        s->buf = new_buffer(l, s->value->name, FV_BUF_OUTPUT, body->last->in[i]->type);
        s->buf->index = i;
        name_what_was_there(l, s);
    }
    fv_storage **work = NULL;
    int nwork = 0, cap = 0;
    for (int i = 0, n; i < l->host.nsteps; i++) {
        fv_value *const *values = fv_step_values(&l->host.steps[i], &n);
        for (int k = 0; k < n; k++) {
            fv_storage *s = fv_storage_root(fv_storage_of(l, values[k]));
            if (s->buf)
                continue;
            if (s->value->kind == FV_VALUE_CONST) {
                place_constant(l, s);
                continue;
            }
            bool heap = fv_any_from_data(s->value->type->rank, s->value->type->dims);
            s->buf =
                new_buffer(l, s->value->name, heap ? FV_BUF_HEAP : FV_BUF_WORK, s->value->type);
            s->buf->bytes = fv_bytes_of(l, s->value->type);
            name_what_was_there(l, s);
            if (heap)
                fv_takes(l, s->value, FV_WHY_allocated);
            else
                FV_PUSH(l->arena, work, nwork, cap, s);
            l->program->memory.uses_allocator |= heap;
        }
    }
    name_what_is_held(l);
    fv_place_buffers(l, work, nwork);
}
