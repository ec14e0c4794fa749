/* form.c - see form.h. */
#include "backend/fuse/form.h"

#include "backend/axes/merge.h"
#include "backend/axes/split.h"
#include "backend/axes/transposed.h"
#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "backend/lowering/why.h"
#include "ir/base/limits.h"
#include "ir/definition/definitions.h"
#include "ir/definition/form_text.h"

/* ---- attention ---- */

/* The definition of the scores: the axes of d without that of features, and the keys last. */
static fv_definition scores_of(fv_lowerer *l, const fv_definition *d, const fv_attention *at) {
    fv_definition r = {.value = d->value, .body = at->score, .rank = 0};
    r.index = FV_NEW(l->exprs, fv_var *, d->rank + 1);
    for (int i = 0; i < d->rank; i++)
        if (i != at->column)
            r.index[r.rank++] = d->index[i];
    r.index[r.rank++] = at->key;
    return r;
}

bool fv_is_attended(fv_lowerer *l, const fv_definition *d, fv_attention *at) {
    if (!fv_find_attention(l, d, at))
        return false;
    fv_definition scores = scores_of(l, d, at);
    int row = at->row - (at->row > at->column);
    fv_products qk = {.nsums = 1,
                      .sums = {at->score},
                      .a = at->q,
                      .b = {at->k},
                      .row = row,
                      .column = scores.rank - 1};
    fv_products pv = {
        .nsums = 1, .sums = {at->sum}, .b = {at->v}, .row = at->row, .column = at->column};
    return fv_products_are_columns(l, &scores, &qk) && fv_products_are_columns(l, d, &pv);
}

/* ---- axes ---- */

/* Axes (as bits) with more than one element on which x depends and `other` does not. */
static uint32_t axes_of(const fv_definition *d, const fv_expr *x, const fv_expr *other) {
    uint32_t axes = 0;
    for (int i = 0; i < d->rank; i++)
        if (!fv_dim_is_one(d->index[i]->dim) && fv_x_uses(x, d->index[i]) &&
            !fv_x_uses(other, d->index[i]))
            axes |= UINT32_C(1) << i;
    return axes;
}

/* The last axis with more than one element; 0: no axis after the first has. */
static int last_axis(const fv_definition *d) {
    int i = d->rank - 1;
    while (i > 0 && fv_dim_is_one(d->index[i]->dim))
        i--;
    return i;
}

/* The form of d, which is a contraction. `each`: both factors depend on the column. */
static fv_form contraction_of(const fv_definition *d, bool each) {
    fv_expr *sum;
    fv_form form = {.kind = FV_FORM_CONTRACT, .each = each};
    if (!fv_x_reductions(d->body, &sum, 1))
        return form;
    int last = last_axis(d);
    const fv_expr *in_blocks = fv_x_sum_in_blocks(sum);
    fv_expr *const *f = (in_blocks ? in_blocks : sum)->arg[0]->arg;
    bool in[2] = {fv_x_uses(f[0], d->index[last]), fv_x_uses(f[1], d->index[last])};
    bool second = in[0] && in[1] ? fv_x_is_constant(f[1]) : in[1];
    form.rows = axes_of(d, f[!second], f[second]);
    form.columns = UINT32_C(1) << last;
    if (!each) /* the columns are all axes on which only their factor depends */
        form.columns |= axes_of(d, f[second], f[!second]);
    return form;
}

static fv_form attention_of(fv_lowerer *l, const fv_definition *d) {
    fv_attention at;
    fv_form form = {.kind = FV_FORM_ATTENTION};
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL; /* reasons were recorded for the definition with merged axes */
    if (fv_find_attention(l, d, &at)) {
        form.rows = axes_of(d, at.q, at.k) & ~axes_of(d, at.v, at.weight);
        form.columns = axes_of(d, at.v, at.weight);
    }
    l->reasons = reasons;
    return form;
}

/* The axes of d, as bits, that are the axis `axis` of `seen`, which is d with merged axes. */
static uint32_t axes_merged(fv_lowerer *l, const fv_definition *d, const fv_definition *seen,
                            int axis) {
    const fv_dim *dims[FV_MAX_RANK];
    uint32_t axes = 0;
    int n = 0, at = 0;
    for (int i = 0; i < d->rank && at <= axis; i++) {
        if (fv_dim_is_one(d->index[i]->dim))
            continue;
        while (at < axis && fv_dim_is_one(seen->index[at]->dim))
            at++;
        dims[n++] = d->index[i]->dim;
        axes |= at == axis ? UINT32_C(1) << i : 0;
        if (fv_dim_product(l->module->dims, n, dims) == seen->index[at]->dim) {
            n = 0;
            at++;
        }
    }
    return axes;
}

/* The form of d, which has no sums. `seen`: d with merged axes. */
static fv_form elementwise_of(fv_lowerer *l, const fv_definition *d, const fv_definition *seen) {
    fv_transposed t;
    if (!fv_find_transposed(l, seen, &t))
        return (fv_form){.kind = FV_FORM_MAP};
    return (fv_form){.kind = FV_FORM_TRANSPOSE,
                     .rows = axes_merged(l, d, seen, t.row),
                     .columns = axes_merged(l, d, seen, t.column)};
}

/* ---- the form ---- */

bool fv_is_contracted(fv_lowerer *l, const fv_definition *d) {
    fv_products p;
    return fv_find_products(l, d, 1, (fv_expr *[]){d->body}, &p) &&
           fv_products_are_columns(l, d, &p);
}

/* The definition d as its schedule gets it, with split and merged axes. After the step `merge` that
 * is d itself, except for the results of a group, whose axes that step merges in another way. */
static const fv_definition *seen_by_schedules(fv_lowerer *l, const fv_definition *d) {
    bool merged = l->current.after && !fv_step_comes(l->current.after, "merge") &&
                  !fv_is_group(d->value->def);
    return merged ? d : fv_merge_axes(l, fv_split_axes(l, d));
}

fv_form fv_find_form(fv_lowerer *l, const fv_definition *d) {
    const fv_definition *seen = seen_by_schedules(l, d);
    fv_attention at;
    fv_products p;
    fv_expr *sum;
    if (!fv_x_reductions(seen->body, &sum, 1))
        return elementwise_of(l, d, seen);
    if (fv_is_attended(l, seen, &at))
        return attention_of(l, d);
    if (fv_find_products(l, seen, 1, (fv_expr *[]){seen->body}, &p) &&
        fv_products_are_columns(l, seen, &p))
        return contraction_of(d, p.each);
    return (fv_form){.kind = FV_FORM_ROW};
}

static fv_form found_silently(fv_lowerer *l, const fv_definition *d) {
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL;
    fv_form form = fv_find_form(l, d);
    l->reasons = reasons;
    return form;
}

fv_form_kind fv_form_of(fv_lowerer *l, const fv_definition *d) {
    return d->form.kind ? d->form.kind : found_silently(l, d).kind;
}

void fv_update_form(fv_lowerer *l, fv_definition *d) {
    d->form = found_silently(l, d);
}

void fv_update_form_axes(fv_lowerer *l, fv_definition *d) {
    struct fv_reasons *reasons = l->reasons;
    l->reasons = NULL; /* reasons were recorded when the form was found */
    switch (d->form.kind) {
    case FV_FORM_CONTRACT: d->form = contraction_of(d, d->form.each); break;
    case FV_FORM_ATTENTION: d->form = attention_of(l, d); break;
    case FV_FORM_TRANSPOSE:
    case FV_FORM_MAP:
        d->form = elementwise_of(l, d, fv_is_group(d->value->def) ? fv_merge_axes(l, d) : d);
        break;
    case FV_FORM_ROW:
    case FV_FORM_NONE: break;
    }
    l->reasons = reasons;
}

static bool is_as_found(fv_lowerer *l, const fv_storage *s) {
    fv_form found = found_silently(l, s->def);
    if (fv_form_same(s->def->form, found))
        return true;
    fv_definition other = *s->def;
    other.form = found;
    return fv_error(l->session, "illegal definition of %%%s: it is called %s, and is %s",
                    s->value->name, fv_form_text(l->arena, s->def), fv_form_text(l->arena, &other));
}

static bool each_definition(fv_lowerer *l, bool (*with)(fv_lowerer *l, fv_storage *s)) {
    bool ok = true;
    for (const fv_op *op = l->func->body->first; op; op = op->next)
        for (int i = 0; i < op->nout; i++) {
            fv_storage *s = op->out[i] ? fv_storage_of(l, op->out[i]) : NULL;
            if (s && s->def && fv_storage_has_kernel(s))
                ok &= with(l, s);
        }
    return ok;
}

static bool verify(fv_lowerer *l, fv_storage *s) {
    return s->def->form.kind == FV_FORM_NONE || is_as_found(l, s);
}

bool fv_forms_verify(fv_lowerer *l) {
    return each_definition(l, verify);
}

static bool complete(fv_lowerer *l, fv_storage *s) {
    if (s->def->form.kind == FV_FORM_NONE)
        fv_update_form(l, s->def);
    return is_as_found(l, s);
}

bool fv_forms_complete(fv_lowerer *l) {
    return each_definition(l, complete);
}
