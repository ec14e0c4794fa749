/* definitions_verify.c - verifies definitions between two steps of lowering. */
#include "ir/definition/definitions_verify.h"

#include "ir/catalogue/op.h"
#include "ir/definition/definitions_verify_expr.h"
#include "ir/definition/definitions_verify_over.h"
#include "ir/definition/definitions_verify_places.h"
#include "ir/definition/definitions_verify_recurrence.h"
#include "ir/definition/view.h"
#include "ir/dim/text.h"
#include "ir/graph/bounds.h"

enum { ENOUGH = 8 }; /* number of errors after which the verifier stops */

/* ---- groups ---- */

/* Checks one result of a group: an index variable that it has in common with the first result must
 * be one of all results. */
static bool check_member(fv_verifier *v, const fv_definition *first) {
    const fv_definition *d = v->at->def;
    for (int i = 0; i < d->rank; i++) {
        int k = 0;
        while (k < v->shared.n && v->shared.all[k] != d->index[i])
            k++;
        if (k == v->shared.n && d != first && fv_definition_axis(first, d->index[i]) < first->rank)
            return fv_dv_illegal(v, "'%s' indexes %%%s as well, but not all results of the group",
                                 d->index[i]->name, first->value->name);
    }
    return true;
}

/* Checks a group: each result has memory, and their definitions agree on the shared axes. */
static bool check_group(fv_verifier *v, const fv_op *op) {
    fv_definition *all[FV_MAX_OUT];
    for (int i = 0; i < op->nout; i++) {
        const fv_defined *x = fv_ptrmap_get(&v->defined, op->out[i]);
        if (!x)
            return fv_op_error(op, "%%%s has no definition", op->out[i]->name);
        v->at = x;
        if (!x->def || (x->fate != FV_FATE_MEMORY && x->fate != FV_FATE_PART))
            return fv_dv_illegal(v, "it is one of several results, and no kernel writes it");
        all[i] = x->def;
    }
    v->shared.n = fv_group_shared(op->nout, all, v->shared.all);
    for (int i = 0; i < op->nout; i++) {
        v->at = fv_ptrmap_get(&v->defined, op->out[i]);
        if (!check_member(v, all[0]))
            return false;
    }
    return true;
}

/* ---- one value ---- */

/* Checks that the result's index variables run along the axes of its memory, or of a view with as
 * many elements. */
static bool check_view_of_result(fv_verifier *v) {
    const fv_definition *d = v->at->def;
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < d->rank && i < FV_MAX_RANK; i++)
        dims[i] = d->index[i]->dim;
    return (d->rank <= FV_MAX_RANK &&
            (fv_view_is_own(v->at->value->type, v->at->last, d->rank, dims) ||
             fv_dv_is_view(v, v->at->value->type, d->rank, dims))) ||
           fv_dv_illegal(v, "its indices are not proved to be as many as the elements of %s",
                         fv_type_str(v->a, v->at->value->type));
}

static bool check_indices(fv_verifier *v) {
    const fv_definition *d = v->at->def;
    const fv_type *t = v->at->value->type;
    /* the step join may compute weights of attention with more axes, the step split any value */
    bool views = !fv_step_comes(v->d->after, "join");
    if (d->value != v->at->value || (!views && d->rank != t->rank))
        return fv_dv_illegal(v, "it has %d indices, the value %d axes", d->rank, t->rank);
    if (v->at->last >= t->rank)
        return fv_dv_illegal(v, "axis %d is last, of %d", v->at->last, t->rank);
    if (views && !check_view_of_result(v))
        return false;
    for (int i = 0; i < d->rank; i++) {
        int axis = fv_memory_axis(d->rank, v->at->last, i);
        if (!views && d->index[i]->dim != t->dims[axis])
            return fv_dv_illegal(v, "index '%s' runs to %s, the axis has %s", d->index[i]->name,
                                 fv_dim_str(v->a, d->index[i]->dim),
                                 fv_dim_str(v->a, t->dims[axis]));
        for (int k = 0; k < i; k++)
            if (d->index[k] == d->index[i])
                return fv_dv_illegal(v, "index '%s' is used for two axes", d->index[i]->name);
    }
    return true;
}

static bool check_view(fv_verifier *v) {
    const fv_defined *x = v->at, *of = fv_ptrmap_get(&v->defined, x->of);
    const fv_type *a = x->value->type, *b = x->of->type;
    fv_dims *t = v->m->dims;
    if (x->of->kind != FV_VALUE_CONST && !fv_ptrmap_get(&v->made, x->of))
        return fv_dv_illegal(v, "it is a view of %%%s, which is not made before", x->of->name);
    if (fv_dv_result_over(v, x->of) >= 0)
        return fv_dv_illegal(v, "it is a view of %%%s, of which only a part is valid", x->of->name);
    if (of && of->fate != FV_FATE_MEMORY && of->fate != FV_FATE_ASSEMBLED)
        return fv_dv_illegal(v, "it is a view of %%%s, which has no memory of its own",
                             x->of->name);
    if (of && of->fate == FV_FATE_ASSEMBLED && !fv_dv_is_written(of) &&
        !fv_ptrmap_get(&v->parts, x->of))
        return fv_dv_illegal(v, "it is a view of %%%s, which is assembled of no parts",
                             x->of->name);
    if (of && of->last >= 0)
        return fv_dv_illegal(v, "it is a view of %%%s, whose axes are in another order in memory",
                             x->of->name);
    if (a->kind != FV_TENSOR || b->kind != FV_TENSOR || a->elem != b->elem ||
        !fv_dv_are_as_many(v, fv_dim_product(t, a->rank, a->dims),
                           fv_dim_product(t, b->rank, b->dims)))
        return fv_dv_illegal(v, "it is %s, and a view of %s", fv_type_str(v->a, a),
                             fv_type_str(v->a, b));
    return true;
}

/* Checks an assembled value: its parts are disjoint blocks with as many elements as the whole, so
 * they cover it, unless it is one part whose rows have space between them. A value without parts is
 * stored within another value and has no readers. */
static bool check_assembled(fv_verifier *v) {
    const fv_value *x = v->at->value;
    const fv_dim *parts = fv_ptrmap_get(&v->parts, x);
    if (v->at->of)
        return fv_dv_over(v);
    if (x->def->def == &fv_endloop_def)
        return fv_dv_rows(v, x->def);
    for (int i = 0; i < v->d->n; i++)
        if (v->d->all[i].of == x && v->d->all[i].fate == FV_FATE_PART &&
            !fv_ptrmap_get(&v->made, v->d->all[i].value))
            return fv_dv_illegal(v, "it is assembled above its part %%%s",
                                 v->d->all[i].value->name);
    return !parts || fv_dv_rows_apart(v, x) ||
           fv_dv_are_as_many(v, parts, fv_dv_elements(v, x->type)) ||
           fv_dv_illegal(v, "its parts have %s elements, it has %s", fv_dim_str(v->a, parts),
                         fv_dim_str(v->a, fv_dv_elements(v, x->type)));
}

static bool check_place(fv_verifier *v) {
    const fv_defined *x = v->at, *home = fv_ptrmap_get(&v->defined, x->of);
    const fv_expr *place = x->def->place;
    bool over = fv_dv_assembled_over(v, x->of) != NULL;
    if (!place || place->op != FV_X_LOAD || place->u.buf->value != x->of ||
        (!over && (!home || home->fate != FV_FATE_ASSEMBLED)))
        return fv_dv_illegal(v, "it is stored in a value that is not assembled of parts");
    if (x->of->type->elem != x->value->type->elem)
        return fv_dv_illegal(v, "it is %s, and stored in %s", fv_elem_name(x->value->type->elem),
                             fv_elem_name(x->of->type->elem));
    return fv_dv_expr(v, place) && fv_dv_block(v, over ? -1 : home->last, over);
}

static bool check_defined(fv_verifier *v, const fv_defined *x) {
    v->at = x;
    if (x->fate == FV_FATE_ASSEMBLED)
        return check_assembled(v);
    v->inside = x->def ? fv_inside_new(v->m, v->a, x->def) : NULL;
    if (x->fate == FV_FATE_VIEW && !check_view(v))
        return false;
    if (!x->def)
        return x->fate != FV_FATE_MEMORY || fv_dv_illegal(v, "there is no definition");
    fv_elem stored = x->value->type->elem, e = (fv_elem)x->def->body->type.elem;
    if (!check_indices(v) || !fv_dv_expr(v, x->def->body))
        return false;
    if (e != stored && e != fv_elem_arith(stored))
        return fv_dv_illegal(v, "it is %s, the value %s", fv_elem_name(e), fv_elem_name(stored));
    return x->fate != FV_FATE_PART || check_place(v);
}

/* ---- the module ---- */

static void count_part(fv_verifier *v, const fv_defined *x) {
    const fv_dim *before = fv_ptrmap_get(&v->parts, x->of), *n = fv_dv_elements(v, x->value->type);
    *fv_ptrmap_at(&v->parts, x->of) =
        (void *)(uintptr_t)(before ? fv_dim_add(v->m->dims, before, n) : n);
}

/* Checks a result of op and its definition. It must have a definition unless a custom kernel, a
 * recurrence, a branch or a loop computes it; the result of a custom kernel has one only if it is
 * stored in the memory of an input. */
static bool check_result(fv_verifier *v, const fv_op *op, const fv_value *out) {
    const fv_defined *x = fv_ptrmap_get(&v->defined, out);
    if (x && op->def->kernel && !(x->fate == FV_FATE_ASSEMBLED && x->of && out == op->out[0]))
        return fv_op_error(op, "%%%s has a definition, and a kernel of its own", out->name);
    if (!x && !op->def->kernel && !op->def->recur && !op->def->has_effect)
        return fv_op_error(op, "%%%s has no definition", out->name);
    return !x || check_defined(v, x);
}

/* ---- ops ---- */

static fv_recurrence *recurrence_of(const fv_verifier *v, const fv_op *op) {
    for (int i = 0; i < v->d->nrecurrences; i++)
        if (v->d->recurrences[i]->op == op)
            return v->d->recurrences[i];
    return NULL;
}

/* Checks an op and its definitions; an error is reported for the definition that contains it, not
 * for its users. */
static bool check_op(fv_verifier *v, const fv_op *op) {
    fv_recurrence *r = recurrence_of(v, op);
    bool ok = (!fv_is_group(op) || check_group(v, op)) && (!r || fv_dv_recurrence(v, op, r));
    for (int i = 0; i < op->nout; i++) {
        if (!op->out[i])
            continue;
        ok = ok && check_result(v, op, op->out[i]);
        fv_dv_note_made(v, op->out[i]);
    }
    return ok;
}

/* Checks that a value that is returned, or read by an op that needs memory, is stored in memory,
 * with its axes in the order of its type. */
static bool check_uses(fv_verifier *v, const fv_op *op) {
    bool reads = fv_reads_memory(op);
    for (int i = 0; i < op->nin && reads; i++) {
        const fv_defined *x = op->in[i] ? fv_ptrmap_get(&v->defined, op->in[i]) : NULL;
        bool row = x && op->def == &fv_endloop_def && i && x->fate == FV_FATE_PART &&
                   x->of == op->out[i - 1];
        bool hollow =
            x && x->fate == FV_FATE_ASSEMBLED && !x->of && !fv_ptrmap_get(&v->parts, x->value);
        if (op->in[i] && op->in[i]->kind == FV_VALUE_PARAM && fv_dv_result_over(v, op->in[i]) >= 0)
            return fv_op_error(op, "reads %%%s, of which only a part is valid", op->in[i]->name);
        if (x && !row &&
            (hollow || x->fate == FV_FATE_SUBSTITUTED || x->fate == FV_FATE_PART || x->last >= 0))
            return fv_op_error(op, "reads %%%s, which is not in memory as its type says",
                               op->in[i]->name);
    }
    return true;
}

/* Checks that after the step `results` each result has memory of its own that a kernel writes. */
static bool check_results(fv_verifier *v, const fv_op *ret) {
    for (int i = 0; i < ret->nin && !fv_step_comes(v->d->after, "results"); i++) {
        const fv_value *x = ret->in[i], *memory = fv_dv_memory(v, x);
        if (memory->kind != FV_VALUE_RESULT || !fv_type_is_known_from(x->type, memory->type))
            return fv_op_error(
                ret, "result %d, %s%s, has no memory of its own, and this is after \"%s\"", i,
                x->kind == FV_VALUE_CONST ? "@" : "%", x->name, v->d->after);
        for (int k = 0; k < i; k++)
            if (fv_dv_memory(v, ret->in[k]) == memory)
                return fv_op_error(
                    ret,
                    "results %d and %d are stored in the same memory, and this is after \"%s\"", k,
                    i, v->d->after);
    }
    return true;
}

bool fv_definitions_verify(fv_module *m, const fv_definitions *d, const char *after) {
    if (!after && !fv_module_bound(m))
        return false;
    fv_arena *a = fv_arena_new(m->session);
    fv_verifier v = {.m = m,
                     .session = m->session,
                     .d = d,
                     .a = a,
                     .is_text = !after,
                     .defined = fv_ptrmap_in(a),
                     .parts = fv_ptrmap_in(a),
                     .made = fv_ptrmap_in(a)};
    const fv_region *body = m->funcs->body;
    for (int i = 0; i < d->n; i++)
        *fv_ptrmap_at(&v.defined, d->all[i].value) = (void *)(uintptr_t)&d->all[i];
    for (int i = 0; i < d->n; i++)
        if (d->all[i].fate == FV_FATE_PART)
            count_part(&v, &d->all[i]);
    for (int i = 0; i < body->nparams; i++)
        fv_dv_note_made(&v, body->params[i]);
    v.errors += !fv_dv_ports(&v, body->last);
    bool ports = v.errors == 0; /* after errors it is not known which elements may be read */
    for (const fv_op *op = body->first; ports && op && v.errors < ENOUGH; op = op->next)
        v.errors += !check_op(&v, op) || !check_uses(&v, op) ||
                    (op == body->last && !check_results(&v, op));
    if (v.errors && after)
        fv_error(m->session,
                 "internal error: step '%s' of lowering broke the definitions, see above", after);
    fv_arena_free(a);
    return v.errors == 0;
}
