/* legalise.c - the pass `legalise`: rewrites each op that has a rule or an expansion, until none is
 * left. A result that is known to have no elements needs no operands: it becomes an fv.Expand of a
 * constant, and the ops that computed it are dead.
 *
 * Sequences, optionals, maps and tensors of strings are replaced by tensors. unpack.c does so for
 * the parameters and results of blocks; the expansions of operators do so for operands and results,
 * with an fv.Ragged or fv.Strings in each operand. Ops that only move strings move their places
 * (ops/text/text.h).
 *
 * Afterwards lowering can handle each op: it has a formula, a definition or kernels, steps of a
 * recurrence, or is a Loop, an If or a statement about symbols. Needs nothing. Dead ops, such as
 * the arithmetic of shapes that views no longer read, are left for remove-dead. */
#include "ir/catalogue/op.h"
#include "ir/rule/rewrite.h"
#include "ops/text/text.h"
#include "passes/internal.h"
#include "passes/unpack.h"

/* ---- values without elements ---- */

/* Does d contain a symbol that data decide? Then ops that replace this one may have to bind it. */
static bool depends_on_data(const fv_dim *d) {
    bool depends = d->kind == FV_DIM_SYMBOL && d->from_data;
    for (int i = 0; i < d->n && !depends; i++)
        depends = depends_on_data(d->arg[i]);
    return depends;
}

static bool is_empty(const fv_type *t) {
    bool empty = false;
    if (t->kind != FV_TENSOR)
        return false;
    for (int i = 0; i < t->rank; i++) {
        if (depends_on_data(t->dims[i]))
            return false;
        empty |= t->dims[i]->hi <= 0;
    }
    return empty;
}

/* Are all results of the op empty, although it reads a computed value? fv.Strings is excluded: an
 * empty tensor of strings becomes one, too. */
static bool computes_nothing(const fv_op *op) {
    bool reads = false;
    if (!op->nout || op->def->has_effect || fv_op_is(op, FV_OP_fv_Strings))
        return false;
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && !is_empty(op->out[i]->type))
            return false;
    for (int i = 0; i < op->nin; i++)
        reads |= op->in[i] && op->in[i]->kind != FV_VALUE_CONST;
    return reads;
}

static bool make_empty(fv_op *op) {
    fv_rewriter w = fv_rewriter_at(op);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(&w, i, fv_w_zeros(&w, op->out[i]->type));
    if (w.failed)
        return false;
    fv_op_erase(op);
    return true;
}

/* ---- all ---- */

static bool legalise_block(fv_pass_run *r, fv_region *block);

static bool legalise_ops(fv_pass_run *r, fv_region *block) {
    bool ok = true;
    for (fv_op *op = block->first; op;) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                ok &= legalise_block(r, op->attrs[i].u.region);
        if (ok && fv_unpack_must(op) && !(op = fv_unpack_op(op)))
            return false;
        bool nothing = computes_nothing(op), strings = !nothing && fv_op_has_strings(op);
        if (!nothing && !strings && !fv_op_must_rewrite(op)) {
            op = op->next;
            continue;
        }
        /* `op` becomes the first op that replaces it, which may need rewriting, too */
        fv_op *before = op->prev;
        const char *name = op->def->name;
        if (!(nothing ? make_empty(op) : strings ? fv_op_rewrite_strings(op) : fv_op_rewrite(op))) {
            ok = false;
            op = op->next;
            continue;
        }
        fv_pass_count_one(r, name);
        op = before ? before->next : block->first;
    }
    return ok;
}

static bool legalise_block(fv_pass_run *r, fv_region *block) {
    fv_unpack_params(block);
    return legalise_ops(r, block);
}

bool fv_pass_legalise(fv_pass_run *r) {
    bool ok = true;
    for (fv_func *f = r->module->funcs; f; f = f->next)
        ok = legalise_block(r, f->body) && fv_unpack_results(f) && legalise_ops(r, f->body) && ok;
    return ok;
}
