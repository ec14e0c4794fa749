/* stage_apply.c - makes a graph the part of one stage: ops of other stages are removed, and what
 * they compute is received. */
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "passes/shard/parts.h"
#include "passes/shard/stage_marks.h"

/* ---- marks ---- */

fv_stage_marks *fv_stage_marks_new(fv_module *m) {
    fv_stage_marks *all = FV_NEW(m->arena, fv_stage_marks, 1);
    *all = (fv_stage_marks){m->arena, fv_ptrmap_in(m->arena)};
    return all;
}

fv_stage_mark *fv_stage_mark_new(fv_stage_marks *all, const fv_op *op) {
    fv_stage_mark *mark = FV_NEW(all->arena, fv_stage_mark, 1);
    *fv_ptrmap_at(&all->of, op) = mark;
    return mark;
}

fv_stage_mark *fv_stage_mark_of(const fv_stage_marks *all, const fv_op *op) {
    return fv_ptrmap_get(&all->of, op);
}

bool fv_stage_is_free(const fv_stage_marks *all, const fv_op *op) {
    const fv_stage_mark *mark = fv_stage_mark_of(all, op);
    return mark && mark->free;
}

/* The op of the body that contains the op. */
static const fv_op *op_of_body(const fv_op *op) {
    while (op->block->parent)
        op = op->block->parent;
    return op;
}

bool fv_stage_is_sent(const fv_stage_marks *all, const fv_value *v, int stage) {
    if (fv_stage_is_free(all, v->def) || fv_stage_mark_of(all, v->def)->stage >= stage)
        return false;
    for (int k = 0; k < v->nuses; k++) {
        const fv_stage_mark *user = fv_stage_mark_of(all, op_of_body(v->uses[k].op));
        if (user && user->stage == stage && !user->free)
            return true;
    }
    return false;
}

bool fv_stage_has_state(const fv_stage_plan *plan, int i, int *stage) {
    for (int k = 0; k < plan->nstates; k++)
        if (plan->states[k].output == i) {
            *stage = plan->states[k].stage;
            return true;
        }
    return false;
}

bool fv_stage_is_sent_as_output(const fv_stage_marks *all, const fv_stage_plan *plan,
                                const fv_module *m, int i, int stage) {
    const fv_op *end = m->funcs->body->last;
    const fv_value *v = end->in[i];
    int of_state;
    if (v->kind != FV_VALUE_RESULT || fv_stage_is_free(all, v->def) ||
        fv_stage_has_state(plan, i, &of_state) || fv_stage_mark_of(all, v->def)->stage == stage ||
        fv_stage_is_sent(all, v, stage))
        return false;
    for (int k = 0; k < i; k++)
        if (end->in[k] == v && !fv_stage_has_state(plan, k, &of_state))
            return false;
    return true;
}

/* ---- the part of a stage ---- */

typedef struct part {
    fv_module *m;
    const fv_stage_plan *plan;
    int stage, lane, ranks;
    fv_op *first; /* what is received before this op; the ops of the graph follow */
} part;

/* Ops that were added when the graph was cut among ranks belong to the stage of the op before. */
static void mark_added(const part *p) {
    fv_op *end = p->m->funcs->body->last;
    int stage = 0;
    for (fv_op *op = p->m->funcs->body->first; op != end; op = op->next) {
        const fv_stage_mark *known = fv_stage_mark_of(p->plan->marks, op);
        if (!known)
            fv_stage_mark_new(p->plan->marks, op)->stage = stage;
        else
            stage = known->stage;
    }
}

/* All ranks of a stage exchange data among each other only. */
static void group_gathers(const part *p) {
    for (fv_op *op = p->m->funcs->body->first; op; op = op->next)
        if (fv_op_is(op, FV_OP_fv_AllGather)) {
            fv_op_set_int(op, "first", p->stage * p->ranks);
            fv_op_set_int(op, "of", p->plan->stages * p->ranks);
        }
}

static bool send(const part *p, fv_op *before, fv_value *v, int to) {
    fv_op *op = fv_op_new(p->m->funcs->body, before, fv_op_def(FV_OP_fv_Send), 1, &v, 0, NULL,
                          v->def->origin);
    fv_op_set_int(op, "to", to * p->ranks + p->lane);
    fv_op_set_int(op, "ranks", p->plan->stages * p->ranks);
    fv_stage_mark_new(p->plan->marks, op)->stage = p->stage;
    return fv_op_infer(op);
}

static fv_value *receive(const part *p, fv_op *before, const fv_value *v) {
    const char *name = fv_printf(p->m->arena, "%s.received", v->name);
    fv_attr type = fv_attr_elem(p->m, "type", v->type->elem);
    type.u.type = v->type;
    fv_op *op = fv_op_new(p->m->funcs->body, before, fv_op_def(FV_OP_fv_Receive), 0, NULL, 1, &name,
                          v->def->origin);
    fv_op_set_int(op, "from", fv_stage_mark_of(p->plan->marks, v->def)->stage * p->ranks + p->lane);
    fv_op_set_int(op, "ranks", p->plan->stages * p->ranks);
    fv_op_attr(op, &type);
    fv_stage_mark_new(p->plan->marks, op)->stage = p->stage;
    return fv_op_infer(op) ? op->out[0] : NULL;
}

/* Makes the ops of this stage read what was received. */
static void read_received(const part *p, fv_value *v, fv_value *received) {
    for (int k = v->nuses - 1; k >= 0; k--) {
        const fv_use use = v->uses[k];
        const fv_stage_mark *user = fv_stage_mark_of(p->plan->marks, op_of_body(use.op));
        if (!user || user->stage == p->stage) /* the return has no mark */
            fv_op_set_in(use.op, use.index, received);
    }
}

/* Sends and receives what crosses the borders of stages. What a stage receives comes first, in the
 * order of the stages that send, and each of these sends in the order of its ops: so no two stages
 * wait for each other. */
static bool exchange(part *p) {
    const fv_stage_marks *marks = p->plan->marks;
    fv_op *end = p->m->funcs->body->last, *next;
    for (fv_op *op = p->first; op != end; op = next) {
        const fv_stage_mark *mark = fv_stage_mark_of(marks, op);
        next = op->next;
        for (int i = 0; i < op->nout; i++) {
            fv_value *v = op->out[i];
            if (!v || mark->free)
                continue;
            for (int t = mark->stage + 1; mark->stage == p->stage && t < p->plan->stages; t++)
                if (fv_stage_is_sent(marks, v, t) && !send(p, next, v, t))
                    return false;
            if (mark->stage < p->stage && fv_stage_is_sent(marks, v, p->stage)) {
                fv_value *received = receive(p, p->first, v);
                if (!received)
                    return false;
                read_received(p, v, received);
            }
        }
    }
    return true;
}

/* Which values results of the graph are sent as, before anything is changed: for each result, the
 * stage that sends it, or -1, and the stages that receive it. */
typedef struct outputs {
    int *from;
    bool *to; /* for result i and stage t: to[i * stages + t] */
    fv_value **values;
} outputs;

static outputs find_outputs(const part *p) {
    const fv_op *end = p->m->funcs->body->last;
    int stages = p->plan->stages;
    outputs o = {FV_NEW(p->m->arena, int, end->nin + 1),
                 FV_NEW(p->m->arena, bool, (size_t)end->nin *(size_t)stages + 1),
                 FV_NEW(p->m->arena, fv_value *, end->nin + 1)};
    for (int i = 0; i < end->nin; i++) {
        o.from[i] = -1;
        o.values[i] = end->in[i];
        for (int t = 0; t < stages; t++)
            if (fv_stage_is_sent_as_output(p->plan->marks, p->plan, p->m, i, t)) {
                o.to[i * stages + t] = true;
                o.from[i] = fv_stage_mark_of(p->plan->marks, end->in[i]->def)->stage;
            }
    }
    return o;
}

/* All stages get the outputs, one after the other in the same order, after all else. */
static bool exchange_outputs(const part *p, const outputs *o) {
    fv_op *end = p->m->funcs->body->last;
    int stages = p->plan->stages;
    for (int i = 0; i < end->nin; i++) {
        for (int t = 0; t < stages && o->from[i] == p->stage; t++)
            if (o->to[i * stages + t] && !send(p, end, o->values[i], t))
                return false;
        if (!o->to[i * stages + p->stage])
            continue;
        fv_value *v = o->values[i], *received = receive(p, end, v);
        if (!received)
            return false;
        for (int k = 0; k < end->nin; k++)
            if (end->in[k] == v)
                fv_op_set_in(end, k, received);
    }
    return true;
}

static bool is_of_other_stage(const part *p, int output) {
    int stage;
    return fv_stage_has_state(p->plan, output, &stage) && stage != p->stage;
}

/* Removes the results that are states of other stages; their parameters are removed later, when
 * nothing reads them. */
static void drop_results(const part *p) {
    fv_func *f = p->m->funcs;
    fv_op *end = f->body->last;
    fv_value **results = FV_NEW(p->m->arena, fv_value *, end->nin + 1);
    const char **names = FV_NEW(p->m->arena, const char *, end->nin + 1);
    const fv_value **states = FV_NEW(p->m->arena, const fv_value *, end->nin + 1);
    const fv_dim **capacity = FV_NEW(p->m->arena, const fv_dim *, end->nin + 1);
    int n = 0;
    for (int i = 0; i < end->nin; i++) {
        if (is_of_other_stage(p, i))
            continue;
        results[n] = end->in[i];
        names[n] = f->result_names ? f->result_names[i] : end->in[i]->name;
        states[n] = f->states ? f->states[i] : NULL;
        capacity[n++] = f->capacity ? f->capacity[i] : NULL;
    }
    f->result_names = names;
    f->states = f->states ? states : NULL;
    f->capacity = f->capacity ? capacity : NULL;
    fv_region_return(f->body, n, results);
}

static void drop_params(const part *p) {
    fv_region *body = p->m->funcs->body;
    fv_value **params = FV_NEW(p->m->arena, fv_value *, body->nparams + 1);
    int n = 0;
    for (int i = 0; i < body->nparams; i++) {
        bool other = false;
        for (int k = 0; k < p->plan->nstates; k++)
            other |= p->plan->states[k].input == i && p->plan->states[k].stage != p->stage;
        if (!other)
            params[n++] = body->params[i];
    }
    fv_region_set_params(body, n, params);
}

/* Removes the ops of other stages, and those that other stages repeat and this one does not
 * need. */
static void drop_ops(const part *p) {
    for (fv_op *op = p->m->funcs->body->last->prev, *before; op; op = before) {
        const fv_stage_mark *mark = fv_stage_mark_of(p->plan->marks, op);
        bool used = false;
        before = op->prev;
        for (int i = 0; i < op->nout; i++)
            used |= op->out[i] && op->out[i]->nuses;
        if (mark->free ? !used : mark->stage != p->stage)
            fv_op_erase(op);
    }
}

bool fv_stages_apply(fv_module *m, const fv_stage_plan *plan, int stage, int lane, int ranks) {
    part p = {m, plan, stage, lane, ranks, m->funcs->body->first};
    if (plan->stages == 1)
        return true;
    mark_added(&p);
    group_gathers(&p);
    const outputs o = find_outputs(&p);
    /* a stage that receives an output has it from the beginning, if its ops read it, too */
    if (!exchange(&p) || !exchange_outputs(&p, &o))
        return false;
    drop_results(&p);
    drop_ops(&p);
    drop_params(&p);
    return true;
}
