/* state.c - see state.h. */
#include "backend/lowering/state.h"

#include <string.h>

#include "backend/lowering/storage.h"
#include "ir/base/limits.h"
#include "ir/definition/recurrence.h"
#include "ir/expr/rewrite.h"
#include "ir/expr/unique.h"

/* Records which nodes of the value's origin check an index. */
static void note_checks(fv_lowerer *l, fv_arena *a, fv_defined *d) {
    const char **nodes = FV_NEW(a, const char *, d->origin->n + 1);
    for (int i = 0; i < d->origin->n; i++)
        if (fv_ptrmap_get(&l->known.indexing, fv_intern(l->session, d->origin->nodes[i])))
            nodes[d->nchecks++] = d->origin->nodes[i];
    d->checks = nodes;
}

/* The types that callers see, if they differ from those of the values; NULL elsewhere. */
static const fv_type **outside(fv_arena *a, int n, fv_value *const *values,
                               const fv_type *const *types) {
    const fv_type **r = FV_NEW(a, const fv_type *, n + 1);
    for (int i = 0; i < n; i++)
        r[i] = types[i] == values[i]->type ? NULL : types[i];
    return r;
}

fv_definitions *fv_lowerer_state(fv_lowerer *l, fv_arena *a, const char *after, fv_to_come next) {
    fv_definitions *state = FV_NEW(a, fv_definitions, 1);
    const fv_region *body = l->func->body;
    state->after = fv_intern(l->session, after);
    for (const fv_op *op = body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (!s || (!s->def && s->fate == FV_FATE_MEMORY))
                continue;
            fv_defined d = {.value = s->value,
                            .fate = s->fate,
                            .def = s->def,
                            .last = s->inner,
                            .origin = fv_storage_origin(l, s->value)};
            /* the step `attend` needs the definitions of views, and the step `concat` may store a
             * substituted value as a part after all */
            if (d.fate == FV_FATE_ASSEMBLED || (d.fate == FV_FATE_VIEW && !next.attend) ||
                (d.fate == FV_FATE_SUBSTITUTED && !next.concat))
                d.def = NULL;
            if (d.fate == FV_FATE_VIEW)
                d.of = fv_storage_root(s)->value;
            if (d.fate == FV_FATE_PART ||
                (d.fate == FV_FATE_ASSEMBLED && s->of && s->of->value->kind == FV_VALUE_PARAM))
                d.of = fv_storage_home(s)->value;
            d.asked = d.fate == FV_FATE_MEMORY && ((fv_op_is(op, FV_OP_fv_Reshape) && next.group) ||
                                                   (fv_op_is(op, FV_OP_Concat) && next.concat));
            note_checks(l, a, &d);
            FV_PUSH(a, state->all, state->n, state->cap, d);
        }
    for (const fv_op *op = body->first; op; op = op->next) {
        fv_recurrence *r = fv_ptrmap_get(&l->known.recurrences, op);
        if (r)
            FV_PUSH(a, state->recurrences, state->nrecurrences, state->cap_recurrences, r);
    }
    state->in = outside(a, body->nparams, body->params, l->host.in_types);
    state->out = outside(a, body->last->nin, body->last->in, l->host.out_types);
    return state;
}

/* ---- resuming from definitions ---- */

static void take_over(fv_lowerer *l, const fv_defined *d) {
    fv_storage *s = fv_storage_of(l, d->value);
    fv_ptrmap memo = fv_ptrmap_in(l->current.scratch);
    if (d->def) {
        s->def = FV_NEW(l->exprs, fv_definition, 1);
        *s->def = *d->def;
        s->def->body = fv_x_import(l->exprs, d->def->body, &memo);
        s->def->place = d->def->place ? fv_x_import(l->exprs, d->def->place, &memo) : NULL;
    }
    s->inner = d->last;
    s->fate = d->fate;
    s->of = d->of ? fv_storage_of(l, d->of) : NULL;
    for (int i = 0; i < d->nchecks; i++)
        *fv_ptrmap_at(&l->known.indexing, fv_intern(l->session, d->checks[i])) = d->value->def;
}

static const fv_type **port_types(fv_lowerer *l, int n, fv_value *const *values,
                                  const fv_type *const *types) {
    const fv_type **r = FV_NEW(l->arena, const fv_type *, n + 1);
    for (int i = 0; i < n; i++)
        r[i] = types && types[i] ? types[i] : values[i]->type;
    return r;
}

typedef struct importer {
    fv_arena *arena;
    fv_ptrmap memo;
} importer;

static fv_expr *import(void *user, fv_expr *x) {
    importer *m = user;
    return fv_x_import(m->arena, x, &m->memo);
}

static void take_recurrence(fv_lowerer *l, const fv_recurrence *r) {
    importer m = {l->exprs, fv_ptrmap_in(l->current.scratch)};
    fv_recurrence *own = FV_NEW(l->exprs, fv_recurrence, 1);
    *own = *r;
    for (int i = 0; i < own->nelements; i++) {
        int rank = own->elements[i].value->type->rank;
        fv_expr **at = FV_NEW(l->exprs, fv_expr *, rank + 1);
        memcpy(at, own->elements[i].at, (size_t)rank * sizeof *at);
        own->elements[i].at = at;
    }
    fv_recurrence_rewrite(own, import, &m);
    *fv_ptrmap_at(&l->known.recurrences, r->op) = own;
}

void fv_lowerer_resume(fv_lowerer *l, const fv_definitions *d) {
    const fv_region *body = l->func->body;
    for (int i = 0; i < d->n; i++)
        take_over(l, &d->all[i]);
    for (int i = 0; i < d->nrecurrences; i++)
        take_recurrence(l, d->recurrences[i]);
    l->host.in_types = port_types(l, body->nparams, body->params, d->in);
    l->host.out_types = port_types(l, body->last->nin, body->last->in, d->out);
}
