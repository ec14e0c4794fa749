/* lower.c - lowers a module to a program: definitions, groups, schedules, memory plan, host
 * program. */
#include "backend/lower.h"

#include <assert.h>
#include <string.h>

#include "backend/consumer/consumer.h"
#include "backend/fuse/form.h"
#include "backend/lowering/branches.h"
#include "backend/lowering/contents.h"
#include "backend/lowering/define.h"
#include "backend/lowering/gate.h"
#include "backend/lowering/host_dims.h"
#include "backend/lowering/loop_body.h"
#include "backend/lowering/marks.h"
#include "backend/lowering/names.h"
#include "backend/lowering/ports.h"
#include "backend/lowering/state.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/weights.h"
#include "backend/lowering/why.h"
#include "backend/memory/plan.h"
#include "backend/program.h"
#include "backend/schedule/common/choice.h"
#include "backend/schedule/schedule.h"
#include "backend/share.h"
#include "backend/steps/order.h"
#include "backend/steps/steps.h"
#include "ir/base/clock.h"
#include "ir/definition/definitions_verify.h"
#include "ir/definition/step_names.h"
#include "ir/expr/unique.h"
#include "ir/expr/visit.h"
#include "ir/graph/bounds.h"
#include "ir/graph/infer.h"
#include "ir/kernel/clone.h"

static const char *program_name(fv_arena *a, const char *name) {
    const char *r = fv_safe_name(a, name && *name ? name : "model");
    return *r >= '0' && *r <= '9' ? fv_printf(a, "m%s", r) : r;
}

/* ---- symbols ---- */

static void know(fv_ptrmap *known, const fv_dim *d) {
    if (d->kind == FV_DIM_SYMBOL)
        *fv_ptrmap_at(known, d) = (void *)d;
    for (int i = 0; i < d->n; i++)
        know(known, d->arg[i]);
}

static void know_type(fv_ptrmap *known, const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        know(known, t->dims[i]);
}

/* A symbol of d that is not known; NULL: all are known. */
static const fv_dim *unknown_in(const fv_ptrmap *known, const fv_dim *d) {
    const fv_dim *found = d->kind == FV_DIM_SYMBOL && !fv_ptrmap_get(known, d) ? d : NULL;
    for (int i = 0; i < d->n && !found; i++)
        found = unknown_in(known, d->arg[i]);
    return found;
}

/* Are all symbols of these dims known? A text may lack the op that binds a symbol; in an imported
 * model, passes bind them all. False after a diagnostic. */
static bool are_known(const fv_ptrmap *known, const fv_op *op, int n, const fv_dim *const *dims) {
    const fv_dim *d = NULL;
    for (int i = 0; i < n && !d; i++)
        d = unknown_in(known, dims[i]);
    if (!d)
        return true;
    (void)fv_op_error(op, "nothing above gives '%s' a value", d->name);
    return !fv_op_module(op)->source.is_written &&
           fv_error(fv_op_module(op)->session, "internal error: a dim has no value, see above");
}

static bool knows_type(const fv_ptrmap *known, const fv_op *op, const fv_type *t) {
    return t->kind != FV_TENSOR || are_known(known, op, t->rank, t->dims);
}

/* Are the dims of a view known? */
static bool knows_view(const fv_ptrmap *known, const fv_op *op, const fv_buf *b) {
    for (int i = 0; i < b->rank; i++)
        if (b->extent[i]->op == FV_X_DIM && !are_known(known, op, 1, &b->extent[i]->u.dim))
            return false;
    return true;
}

/* Are all symbols known that occur in a node of an expression: in dims, extents of variables and
 * shapes of loaded values? */
static bool knows_node(const fv_ptrmap *known, const fv_op *op, const fv_expr *x) {
    if (x->op == FV_X_DIM && !are_known(known, op, 1, &x->u.dim))
        return false;
    for (int i = 0; x->op == FV_X_REDUCE && i < x->u.red.nvars; i++)
        if (!are_known(known, op, 1, &x->u.red.vars[i]->dim))
            return false;
    const fv_value *from = x->op == FV_X_LOAD || x->op == FV_X_GUARD ? x->u.buf->value : NULL;
    return !from || (knows_type(known, op, from->type) && knows_view(known, op, x->u.buf));
}

/* Are the symbols of a definition in a text known? Definitions that steps make from ops use the
 * symbols of these ops. */
static bool knows_definition(fv_lowerer *l, const fv_ptrmap *known, const fv_defined *d) {
    if (!d || !d->def)
        return true;
    const fv_expr *x, *const roots[] = {d->def->body, d->def->place};
    for (int i = 0; i < d->def->rank; i++)
        if (!are_known(known, d->value->def, 1, &d->def->index[i]->dim))
            return false;
    fv_x_visitor v = fv_x_visit(l->current.scratch, roots[0]);
    for (int i = 0; i < 2 && roots[i]; i++)
        for (fv_x_visit_also(&v, roots[i]); (x = fv_x_next(&v));)
            if (!knows_node(known, d->value->def, x))
                return false;
    return true;
}

static bool knows_its_dims(fv_ptrmap *known, const fv_op *op) {
    const fv_attr *bound = NULL;
    bool binds = fv_op_binds(op) || op->def == &fv_endif_def || op->def == &fv_loop_def ||
                 op->def == &fv_endloop_def;
    for (int i = 0; i < op->nattrs; i++)
        if (binds && !strcmp(op->attrs[i].name, "symbols"))
            bound = &op->attrs[i];
        else if (op->attrs[i].kind == FV_ATTR_DIMS &&
                 !are_known(known, op, op->attrs[i].n, op->attrs[i].u.dims))
            return false;
    for (int i = 0; bound && i < bound->n; i++)
        know(known, bound->u.dims[i]);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !knows_type(known, op, op->out[i]->type))
            return false;
    return true;
}

/* Are all symbols of the function bound before they are used? The caller gives those in dims of
 * inputs. */
static bool symbols_are_known(fv_lowerer *l) {
    fv_ptrmap known = fv_ptrmap_in(l->current.scratch);
    const fv_region *r = l->func->body;
    const fv_definitions *d = l->module->definitions;
    fv_ptrmap defined = fv_ptrmap_in(l->current.scratch);
    bool ok = true;
    for (int i = 0; d && i < d->n; i++)
        *fv_ptrmap_at(&defined, d->all[i].value) = &d->all[i];
    for (int i = 0; i < r->nparams; i++) {
        know_type(&known, r->params[i]->type);
        if (d && d->in[i])
            know_type(&known, d->in[i]);
    }
    for (const fv_op *op = r->first; ok && op; op = op->next) {
        ok = knows_its_dims(&known, op);
        for (int i = 0; ok && i < op->nout; i++)
            ok = !op->out[i] || knows_definition(l, &known, fv_ptrmap_get(&defined, op->out[i]));
    }
    for (int i = 0; d && ok && i < r->last->nin; i++)
        ok = !d->out[i] || knows_type(&known, r->last, d->out[i]);
    return ok;
}

/* ---- steps ---- */

static const struct {
    const char *name;
    bool (*run)(fv_lowerer *l);
    bool naive;
} steps[] = {
#define STEP(id, naive, leaves) {#id, fv_step_##id, naive},
#define WHY(id, step, verdict, sentence, condition)
#include "ir/definition/steps.def"
#undef STEP
#undef WHY
};
enum { NSTEPS = sizeof steps / sizeof *steps };

bool fv_step_is_naive(const char *step) {
    for (int i = 0; i < NSTEPS; i++)
        if (steps[i].naive && !strcmp(steps[i].name, step))
            return true;
    return false;
}

static fv_definitions *state_after(fv_lowerer *l, fv_arena *a, const char *step) {
    fv_to_come next = {fv_step_comes(step, "group"), fv_step_comes(step, "attend"),
                       fv_step_comes(step, "concat")};
    return fv_lowerer_state(l, a, step, next);
}

static bool broke(fv_lowerer *l, const char *step, const char *what) {
    return fv_error(l->session, "internal error: step '%s' of lowering broke %s, see above", step,
                    what);
}

static bool look_after(fv_lowerer *l, const char *step) {
    const fv_lower_options *o = l->options;
    bool verify = o->verify;
#ifndef NDEBUG
    verify = true;
#endif
    bool look = o->watch && o->watch->look;
    fv_arena *a = look ? l->arena : l->current.scratch;
    fv_definitions *d = look || verify ? state_after(l, a, step) : NULL;
    if (look)
        o->watch->look(o->watch->user, step, l->module, d);
    if (!verify)
        return true;
    if (!fv_definitions_verify(l->module, d, step))
        return false;
    if (!fv_forms_verify(l))
        return broke(l, step, "a form");
    return strcmp(step, "order") || fv_orders_verify(l) || broke(l, step, "an order");
}

/* Defines the recurrence of each op that computes in steps and whose recurrence the text of
 * definitions does not state. False after a diagnostic. */
static bool recur_all(fv_lowerer *l) {
    bool ok = true;
    for (fv_op *op = l->func->body->first; op; op = op->next)
        if (op->def->recur && !fv_ptrmap_get(&l->known.recurrences, op))
            ok &= fv_define_op(l, op);
    return ok;
}

static void renew_scratch(fv_lowerer *l) {
    fv_arena_free(l->current.scratch);
    l->current.scratch = fv_arena_new(l->session);
}

static bool run_step(fv_lowerer *l, int i) {
    const fv_watch *watch = l->options->watch;
    struct timespec mark = {0};
    if (watch && watch->progress.begins)
        watch->progress.begins(watch->progress.user, fv_step_name_at(i)->name);
    fv_lap(&mark);
    bool ok = steps[i].run(l);
    if (watch && watch->took)
        watch->took(watch->user, fv_step_name_at(i)->name, fv_lap(&mark));
    return ok;
}

static bool run_steps(fv_lowerer *l) {
    const fv_definitions *d = l->module->definitions;
    if (!fv_flatten_regions(l) || !fv_marks_are_legal(l) || !symbols_are_known(l))
        return false;
    if (d)
        fv_lowerer_resume(l, d);
    if (d && !(fv_check_ports(l) && recur_all(l)))
        return false;
    l->current.after = d ? d->after : NULL;
    if (d && !fv_check_copies(l))
        return false;
    if (d && !fv_step_comes(d->after, "form") && !fv_forms_complete(l))
        return false;
    for (int i = 0; i < NSTEPS; i++) {
        const char *step = steps[i].name;
        if ((d && !fv_step_comes(d->after, step)) || (l->options->naive && !steps[i].naive) ||
            fv_is_left_out(l->options, step))
            continue;
        if (!steps[i].naive && !fv_may(l, fv_step_name_at(i)->name, NULL))
            continue;
        if (!run_step(l, i))
            return false;
        l->current.after = step;
        if (!look_after(l, step))
            return false;
        renew_scratch(l);
    }
    return true;
}

/* Frees the arena of expressions, of which the program may have nodes, as constants; and what the
 * program keeps, unless it was copied. */
static void free_others(void *lowerer) {
    const fv_lowerer *l = lowerer;
    fv_arena_free(l->exprs);
    fv_arena_free(l->host.kept);
}

static void take_random_limits(fv_lowerer *l, uint64_t seed) {
    fv_speed *s = FV_NEW(l->arena, fv_speed, 1);
    *s = fv_speed_random(seed);
    l->speed = s;
    l->target = fv_target_random(l->arena, l->target, seed);
}

static fv_lowerer *begin(fv_module *m, const fv_lower_options *o) {
    /* `a` is created after the others, so that it is freed first */
    fv_arena *exprs = fv_x_arena_new(m->session), *kept = fv_arena_new(m->session),
             *a = fv_arena_new(m->session);
    fv_lowerer *l = FV_NEW(a, fv_lowerer, 1);
    fv_arena_at_free(a, free_others, l);
    *l = (fv_lowerer){.session = m->session,
                      .module = m,
                      .func = m->funcs,
                      .arena = a,
                      .host.kept = kept,
                      .exprs = exprs,
                      .current.scratch = fv_arena_new(m->session),
                      .options = o,
                      .current.naive = o->naive,
                      .target = o->target,
                      .speed = &fv_speed_usual,
                      .known.storage = fv_ptrmap_in(a),
                      .known.origins = fv_ptrmap_in(a),
                      .known.indexing = fv_ptrmap_in(a),
                      .host.symbols = fv_ptrmap_in(a),
                      .added.panels = fv_ptrmap_in(a),
                      .known.recurrences = fv_ptrmap_in(a),
                      .added.layouts = fv_ptrmap_in(a),
                      .added.contents = fv_ptrmap_in(a),
                      .added.copies = fv_ptrmap_in(a),
                      .added.padded = fv_ptrmap_in(a),
                      .tuning.found = fv_ptrmap_in(a),
                      .tuning.refused = fv_ptrmap_in(a)};
    if (o->random_limits)
        take_random_limits(l, o->random_limits);
    fv_reasons_begin(l);
    return l;
}

bool fv_lower_definitions(fv_module *m, const fv_lower_options *o,
                          bool (*put)(void *user, const fv_module *m, const fv_definitions *d),
                          void *user) {
    fv_lowerer *l = begin(m, o);
    bool ok = fv_module_bound(m) && run_steps(l) &&
              put(user, m, state_after(l, l->arena, l->current.after));
    fv_close_ports(l);
    fv_arena_free(l->current.scratch);
    fv_arena_free(l->arena);
    return ok;
}

/* The program in memory of its own; frees the memory of lowering. Large constants are in `kept`
 * already; contents of others may be in the memory that is freed. */
static fv_program *compacted(fv_lowerer *l) {
    fv_arena *kept = l->host.kept;
    fv_program *p = fv_program_clone(kept, l->program);
    for (int i = 0; i < p->memory.nconstants; i++) {
        fv_constant *c = &p->memory.constants[i];
        const void *data = fv_constant_is_pending(c) ? NULL : fv_constant_data(c);
        if (data && fv_lowering_has(l, data))
            c->contents =
                fv_contents_at(kept, memcpy(fv_alloc_aligned(kept, c->bytes + 1, FV_BUFFER_ALIGN),
                                            data, c->bytes));
    }
    l->host.kept = NULL;
    fv_arena_free(l->arena);
    return p;
}

fv_program *fv_lower(fv_module *m, const fv_lower_options *o) {
    fv_lowerer *l = begin(m, o);
    fv_arena *a = l->arena;
    l->program = FV_NEW(a, fv_program, 1);
    l->program->arena = a;
    l->program->symbols.table = m->dims;
    l->program->memory.least_alive = -1;
    l->program->target = o->target;
    l->program->name = program_name(a, o->name ? o->name : m->name);
    l->program->source.hash = m->source.hash ? m->source.hash : "";
    l->program->source.producer = "fovea " FV_VERSION;
    l->current.weights = fv_weights_of(m);
    if (o->weights != FV_WEIGHTS_LEFT_OUT)
        fv_arena_expect(l->host.kept, (size_t)l->current.weights);
    bool ok = fv_module_bound(m) && run_steps(l);
    for (fv_op *op = m->funcs->body->first; ok && op; op = op->next) {
        ok = fv_schedule_op(l, op);
        renew_scratch(l);
    }
    if (ok) {
        fv_p_symbols(l);
        fv_plan_buffers(l);
        fv_share_kernels(l);
        fv_reasons_end(l);
        ok = fv_choices_end(l) && fv_write_program(l);
    }
    fv_close_ports(l);
    fv_arena_free(l->current.scratch);
    if (ok)
        return o->saves & FV_SAVES_LOWERING ? compacted(l) : l->program;
    fv_arena_free(a);
    return NULL;
}
