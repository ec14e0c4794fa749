/* lower.c - the way from a module to a program: define, group, schedule, plan, write. */
#include "backend/lower.h"

#include <assert.h>
#include <string.h>

#include "backend/axes/data_layout.h"
#include "backend/fuse/attention.h"
#include "backend/fuse/concat_in_place.h"
#include "backend/fuse/group.h"
#include "backend/lowering/define.h"
#include "backend/lowering/host_dims.h"
#include "backend/lowering/names.h"
#include "backend/lowering/state.h"
#include "backend/lowering/storage.h"
#include "backend/memory/plan.h"
#include "backend/ports.h"
#include "backend/program.h"
#include "backend/schedule/schedule.h"
#include "backend/share.h"
#include "ir/definition/definitions_verify.h"
#include "ir/graph/bounds.h"
#include "ir/graph/infer.h"

static bool define_all(fv_lowerer *l) {
    bool ok = true;
    for (fv_op *op = l->func->body->first; op; op = op->next)
        ok &= fv_define_op(l, op);
    return ok;
}

/* Are all dims that depend on data told by the type `by`? */
static bool dims_are_told(const fv_dim *d, const fv_type *by) {
    bool told = d->kind != FV_DIM_SYMBOL || !d->from_data;
    for (int i = 0; i < by->rank && !told; i++)
        told = fv_p_mentions(by->dims[i], d);
    for (int i = 0; i < d->n && told; i++)
        told = dims_are_told(d->arg[i], by);
    return told;
}

static bool is_told(const fv_type *t, const fv_type *by) {
    for (int i = 0; i < t->rank; i++)
        if (!dims_are_told(t->dims[i], by))
            return false;
    return true;
}

/* Results that are no memory of their own -- a parameter, a constant, one that is returned twice --
 * are copied; and a view whose dims may not be known yet when its memory is written. */
static bool copy_results(fv_lowerer *l) {
    fv_op *ret = l->func->body->last;
    for (int i = 0; i < ret->nin; i++) {
        fv_storage *s = fv_storage_root(fv_storage_of(l, ret->in[i]));
        bool taken = s->value->kind != FV_VALUE_RESULT || !is_told(ret->in[i]->type, s->value->type);
        for (int k = 0; k < i && !taken; k++)
            taken = fv_storage_root(fv_storage_of(l, ret->in[k])) == s;
        if (taken && !fv_copy_result(l, ret, i))
            return false;
    }
    return true;
}

static const char *program_name(fv_arena *a, const char *name) {
    const char *r = fv_safe_name(a, name && *name ? name : "model");
    return *r >= '0' && *r <= '9' ? fv_printf(a, "m%s", r) : r;
}

static int64_t bytes_of_constants(const fv_module *m) {
    int64_t n = 0;
    for (int i = 0; i < m->nconsts; i++)
        n += m->consts[i]->nuses ? (int64_t)m->consts[i]->tensor->bytes : 0;
    return n;
}

/* ---- symbols ---- */

static void know(fv_ptrmap *known, const fv_dim *d) {
    if (d->kind == FV_DIM_SYMBOL)
        *fv_ptrmap_at(known, d) = (void *)d;
    for (int i = 0; i < d->n; i++)
        know(known, d->arg[i]);
}

/* A symbol of d that is none of those, or NULL. */
static const fv_dim *unknown_in(const fv_ptrmap *known, const fv_dim *d) {
    const fv_dim *found = d->kind == FV_DIM_SYMBOL && !fv_ptrmap_get(known, d) ? d : NULL;
    for (int i = 0; i < d->n && !found; i++)
        found = unknown_in(known, d->arg[i]);
    return found;
}

static bool are_known(const fv_ptrmap *known, const fv_op *op, int n, const fv_dim *const *dims) {
    for (int i = 0; i < n; i++) {
        const fv_dim *d = unknown_in(known, dims[i]);
        if (d)
            return fv_op_error(op, "nothing above gives '%s' a value", d->name);
    }
    return true;
}

static bool knows_its_dims(fv_ptrmap *known, const fv_op *op) {
    const fv_attr *bound = NULL;
    bool binds = fv_op_is(op, FV_OP_fv_Bind) || fv_op_is(op, FV_OP_fv_Let);
    for (int i = 0; i < op->nattrs; i++)
        if (binds && !strcmp(op->attrs[i].name, "symbols"))
            bound = &op->attrs[i];
        else if (op->attrs[i].kind == FV_ATTR_DIMS && !are_known(known, op, op->attrs[i].n, op->attrs[i].u.dims))
            return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->type->kind == FV_TENSOR &&
            !are_known(known, op, op->out[i]->type->rank, op->out[i]->type->dims))
            return false;
    for (int i = 0; bound && i < bound->n; i++)
        know(known, bound->u.dims[i]);
    return true;
}

/* The caller gives the symbols of the inputs' dims; others, which text may name, are bound before they are used. */
static bool symbols_are_known(fv_lowerer *l) {
    fv_ptrmap known = fv_ptrmap_in(l->arena);
    const fv_region *r = l->func->body;
    bool ok = true;
    for (int i = 0; i < r->nparams; i++)
        for (int k = 0; k < r->params[i]->type->rank; k++)
            know(&known, r->params[i]->type->dims[k]);
    for (const fv_op *op = r->first; ok && op; op = op->next)
        ok = knows_its_dims(&known, op);
    return ok;
}

/* ---- steps ---- */

static bool define(fv_lowerer *l) { return fv_open_ports(l) && define_all(l); }

static bool group(fv_lowerer *l) {
    fv_group(l);
    return true;
}

static bool attend(fv_lowerer *l) {
    fv_fuse_attention(l);
    return true;
}

/* Name, function, and whether it is also done where each op is alone. */
#define STEPS(STEP)                                                                                               \
    STEP(define, define, true) STEP(group, group, false) STEP(attend, attend, false)                              \
    STEP(results, copy_results, true) STEP(concat, fv_concat_in_place, false) STEP(layout, fv_choose_data_layout, false)

static const struct {
    const char *name;
    bool (*run)(fv_lowerer *l);
    bool naive;
} steps[] = {
#define STEP(id, run, naive) {#id, run, naive},
    STEPS(STEP)
#undef STEP
};
enum { NSTEPS = sizeof steps / sizeof *steps };

const char *const *fv_lower_steps(void) {
#define STEP(id, run, naive) #id,
    static const char *const names[] = {STEPS(STEP) NULL};
#undef STEP
    return names;
}

/* Is that step behind the one called `after`? */
static bool comes(const char *after, const char *step) {
    int i = 0;
    while (i < NSTEPS && strcmp(steps[i].name, step))
        i++;
    while (i > 0 && strcmp(steps[i - 1].name, after))
        i--;
    return i > 0;
}

static fv_definitions *state_after(fv_lowerer *l, const char *step) {
    fv_to_come next = {comes(step, "group"), comes(step, "attend"), comes(step, "concat")};
    return fv_lowerer_state(l, step, next);
}

static bool look_after(fv_lowerer *l, int step) {
    const fv_lower_options *o = l->options;
    bool verify = o->verify;
#ifndef NDEBUG
    verify = true;
#endif
    fv_definitions *d = o->watch || verify ? state_after(l, steps[step].name) : NULL;
    if (o->watch)
        o->watch->look(o->watch->user, steps[step].name, l->module, d);
    return !verify || fv_definitions_verify(l->module, d, steps[step].name);
}

/* Which step comes next; -1 after a diagnostic. */
static int first_step(fv_lowerer *l) {
    const fv_definitions *d = l->module->definitions;
    if (!d)
        return 0;
    for (int i = 0; i < NSTEPS; i++)
        if (!strcmp(steps[i].name, d->after)) {
            fv_lowerer_resume(l, d);
            return i + 1;
        }
    const char *near = fv_nearest(d->after, fv_lower_steps());
    return fv_error(l->session, "holds definitions after \"%s\", which is no step of lowering; the nearest is \"%s\"", d->after,
                    near ? near : steps[NSTEPS - 1].name) - 1;
}

static bool run_steps(fv_lowerer *l) {
    int first = first_step(l);
    if (first < 0)
        return false;
    l->after = l->module->definitions ? l->module->definitions->after : NULL;
    for (int i = first; i < NSTEPS; i++) {
        if (l->options->naive && !steps[i].naive)
            continue;
        if (!steps[i].run(l) || !look_after(l, i))
            return false;
        l->after = steps[i].name;
    }
    return true;
}

static fv_lowerer *begin(fv_module *m, const fv_lower_options *o) {
    fv_arena *a = fv_arena_new(m->session);
    fv_lowerer *l = FV_NEW(a, fv_lowerer, 1);
    *l = (fv_lowerer){.session = m->session, .module = m, .func = m->funcs, .arena = a,
                      .options = o, .target = o->target, .storage = fv_ptrmap_in(a),
                      .origins = fv_ptrmap_in(a), .indexing = fv_ptrmap_in(a), .symbols = fv_ptrmap_in(a),
                      .panels = fv_ptrmap_in(a)};
    return l;
}

bool fv_lower_definitions(fv_module *m, const fv_lower_options *o,
                          bool (*put)(void *user, const fv_module *m, const fv_definitions *d), void *user) {
    fv_lowerer *l = begin(m, o);
    bool ok = fv_module_bound(m) && symbols_are_known(l) && run_steps(l) && put(user, m, state_after(l, l->after));
    fv_close_ports(l);
    fv_arena_free(l->arena);
    return ok;
}

fv_program *fv_lower(fv_module *m, const fv_lower_options *o) {
    fv_lowerer *l = begin(m, o);
    fv_arena *a = l->arena;
    l->program = FV_NEW(a, fv_program, 1);
    l->program->arena = a;
    l->program->dims_table = m->dims;
    l->program->target = o->target;
    l->program->name = program_name(a, o->name ? o->name : m->name);
    l->program->source_hash = m->source_hash ? m->source_hash : "";
    l->program->producer = "fovea " FV_VERSION;
    l->weights = bytes_of_constants(m);
    bool ok = fv_module_bound(m) && symbols_are_known(l) && run_steps(l);
    for (fv_op *op = m->funcs->body->first; ok && op; op = op->next)
        ok = fv_schedule_op(l, op);
    if (ok) {
        fv_p_symbols(l);
        fv_plan_buffers(l);
        fv_share_kernels(l);
        ok = fv_write_program(l);
    }
    fv_close_ports(l);
    if (ok)
        return l->program;
    fv_arena_free(a);
    return NULL;
}
