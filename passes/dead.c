/* dead.c - the pass `remove-dead`: removes ops without users, from the last to the first, and
 * constants without users. An fv.Bind or fv.Let is removed when no op that is left, and no relation
 * of the model, mentions one of its symbols. The same holds for a Loop and an If, which bind dims
 * in addition to their results. */
#include <string.h>

#include "ir/base/ptrmap.h"
#include "ir/catalogue/op.h"
#include "ir/graph/loop.h"
#include "ir/graph/symbols.h"
#include "ir/rule/rewrite.h"
#include "passes/internal.h"

static void mention(fv_ptrmap *symbols, const fv_dim *d) {
    if (d->kind == FV_DIM_SYMBOL && d->from_data)
        *fv_ptrmap_at(symbols, d) = (void *)d;
    for (int i = 0; i < d->n; i++)
        mention(symbols, d->arg[i]);
}

/* Records the symbols in the elements of the operands, since ops that replace this op may use
 * them. */
static void mention_operands(fv_ptrmap *symbols, const fv_op *op) {
    for (int i = 0; i < op->nin; i++)
        for (int k = 0; op->in[i] && op->in[i]->elems && k < op->in[i]->nelems; k++)
            mention(symbols, op->in[i]->elems[k]);
}

static void mention_op(fv_ptrmap *symbols, const fv_op *op) {
    if (fv_op_must_rewrite(op))
        mention_operands(symbols, op);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->type->kind == FV_TENSOR)
            for (int k = 0; k < op->out[i]->type->rank; k++)
                mention(symbols, op->out[i]->type->dims[k]);
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_DIMS && strcmp(op->attrs[i].name, "symbols"))
            for (int k = 0; k < op->attrs[i].n; k++)
                mention(symbols, op->attrs[i].u.dims[k]);
    const fv_dim *times = fv_op_is(op, FV_OP_Loop) ? fv_loop_times(op) : NULL;
    if (times)
        mention(symbols, times);
}

static bool bind_is_used(const fv_op *op, const fv_ptrmap *symbols) {
    const fv_attr *a = fv_op_find_attr(op, "symbols");
    for (int i = 0; i < a->n; i++)
        if (fv_ptrmap_get(symbols, a->u.dims[i]))
            return true;
    return false;
}

/* Does d contain a symbol that is used elsewhere and that only this op binds? */
static bool gives_mentioned(const fv_op *op, const fv_dim *d, const fv_ptrmap *symbols) {
    bool found = d->kind == FV_DIM_SYMBOL && fv_ptrmap_get(symbols, d) && fv_unknown_above(op, d);
    for (int i = 0; i < d->n && !found; i++)
        found = gives_mentioned(op, d->arg[i], symbols);
    return found;
}

static bool gives_dims(const fv_op *op, const fv_ptrmap *symbols) {
    bool found = false;
    for (int i = 0; i < op->nout && !found; i++)
        for (int k = 0; op->out[i] && op->out[i]->type->kind == FV_TENSOR &&
                        k < op->out[i]->type->rank && !found;
             k++)
            found = gives_mentioned(op, op->out[i]->type->dims[k], symbols);
    return found;
}

static bool is_dead(const fv_op *op, const fv_ptrmap *symbols) {
    if (op->def == &fv_return_def)
        return false;
    if (fv_op_binds(op))
        return !bind_is_used(op, symbols);
    if (op->def->has_effect)
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            return false;
    return !gives_dims(op, symbols);
}

/* Visits ops backwards. Users come after the ops whose results they use, so one pass finds all dead
 * ops; and a symbol is bound before it is used. */
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

/* Collects the symbols that the remaining ops bind or use. */
static void find_left(const fv_region *block, fv_ptrmap *left) {
    for (const fv_op *op = block->first; op; op = op->next) {
        mention_op(left, op);
        const fv_attr *a = fv_op_binds(op) ? fv_op_find_attr(op, "symbols") : NULL;
        for (int i = 0; a && i < a->n; i++)
            mention(left, a->u.dims[i]);
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                find_left(op->attrs[i].u.region, left);
    }
}

/* Relations are kept even if the ops that implied them are gone, and so are the symbols in them:
 * relations are part of the meaning of the model, and kernels rely on them (a result may be
 * declared to be smaller than the data makes it). A relation over symbols of ops that were
 * replaced, which nothing binds or mentions any more, cannot be checked and is dropped. */
static void drop_relations(fv_module *m, fv_arena *a) {
    fv_ptrmap map = fv_ptrmap_in(a), *left = &map;
    for (const fv_func *f = m->funcs; f; f = f->next)
        find_left(f->body, left);
    int n = 0;
    for (int i = 0; i < m->nrelations; i++) {
        fv_ptrmap used = fv_ptrmap_in(a);
        mention(&used, m->relations[i].a);
        mention(&used, m->relations[i].b);
        bool keep = true;
        for (size_t k = 0; k < used.cap; k++)
            if (used.keys[k] && !fv_ptrmap_get(left, used.keys[k]))
                keep = false;
        if (keep)
            m->relations[n++] = m->relations[i];
    }
    m->nrelations = n;
}

bool fv_pass_remove_dead(fv_pass_run *r) {
    fv_ptrmap symbols = fv_ptrmap_in(r->arena);
    for (int i = 0; i < r->module->nrelations; i++) {
        mention(&symbols, r->module->relations[i].a);
        mention(&symbols, r->module->relations[i].b);
    }
    for (fv_func *f = r->module->funcs; f; f = f->next)
        sweep(r, f->body, &symbols);
    drop_relations(r->module, r->arena);
    int n = 0;
    for (int i = 0; i < r->module->nconsts; i++)
        if (r->module->consts[i]->nuses)
            r->module->consts[n++] = r->module->consts[i];
    r->module->nconsts = n;
    return true;
}
