/* dead.c - ops that nothing uses are removed, last first; an fv.Bind when none of its symbols is
 * mentioned any more by what is left. */
#include <string.h>

#include "ir/op.h"
#include "ir/ptrmap.h"
#include "passes/internal.h"

static void mention(fv_ptrmap *symbols, const fv_dim *d) {
    if (d->kind == FV_DIM_SYMBOL && d->from_data)
        *fv_ptrmap_at(symbols, d) = (void *)d;
    for (int i = 0; i < d->n; i++)
        mention(symbols, d->arg[i]);
}

static void mention_op(fv_ptrmap *symbols, const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->type->kind == FV_TENSOR)
            for (int k = 0; k < op->out[i]->type->rank; k++)
                mention(symbols, op->out[i]->type->dims[k]);
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_DIMS && strcmp(op->attrs[i].name, "symbols"))
            for (int k = 0; k < op->attrs[i].n; k++)
                mention(symbols, op->attrs[i].u.dims[k]);
}

static bool bind_is_used(const fv_op *op, const fv_ptrmap *symbols) {
    const fv_attr *a = fv_op_find_attr(op, "symbols");
    for (int i = 0; i < a->n; i++)
        if (fv_ptrmap_get(symbols, a->u.dims[i]))
            return true;
    return false;
}

static bool is_dead(const fv_op *op, const fv_ptrmap *symbols) {
    if (fv_op_is(op, "fv.return"))
        return false;
    if (fv_op_is(op, "fv.Bind") || fv_op_is(op, "fv.Let"))
        return !bind_is_used(op, symbols);
    if (op->def->has_effect)
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            return false;
    return true;
}

/* Backwards: users come after what they use, so one walk sees everything that becomes dead; a
 * mentioned symbol is bound before it is mentioned. */
static void sweep(fv_pass_run *r, fv_region *block, fv_ptrmap *symbols) {
    for (fv_op *op = block->last, *prev; op; op = prev) {
        prev = op->prev;
        if (is_dead(op, symbols)) {
            fv_pass_count_one(r, op->def->name);
            fv_op_erase(op);
            continue;
        }
        mention_op(symbols, op);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                sweep(r, op->attrs[i].u.region, symbols);
    }
}

/* Relations that only dead values needed stay: they are part of what the model says. But those over
 * symbols that nobody binds any more cannot be checked, and go. */
static void drop_relations(fv_module *m, const fv_ptrmap *bound) {
    int n = 0;
    for (int i = 0; i < m->nrelations; i++) {
        fv_ptrmap used = fv_ptrmap_in(bound->arena);
        mention(&used, m->relations[i].a);
        mention(&used, m->relations[i].b);
        bool keep = true;
        for (size_t k = 0; k < used.cap; k++)
            if (used.keys[k] && !fv_ptrmap_get(bound, used.keys[k]))
                keep = false;
        if (keep)
            m->relations[n++] = m->relations[i];
    }
    m->nrelations = n;
}

bool fv_pass_remove_dead(fv_pass_run *r) {
    fv_ptrmap symbols = fv_ptrmap_in(r->arena);
    for (fv_func *f = r->module->funcs; f; f = f->next)
        sweep(r, f->body, &symbols);
    drop_relations(r->module, &symbols);
    int n = 0;
    for (int i = 0; i < r->module->nconsts; i++)
        if (r->module->consts[i]->nuses)
            r->module->consts[n++] = r->module->consts[i];
    r->module->nconsts = n;
    return true;
}
