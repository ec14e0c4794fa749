/* spell.c - the pass `spell`: ops of the dialect fv. become the standard's, for models in ONNX. The
 * table is passes/spell/spellings.def.
 *
 * Needs nothing; an op without a spelling is an error. Ops that only bind or mention symbols
 * (fv.Bind, fv.Let, fv.Assume) stay, because types still mention the symbols; the exporter omits
 * them. */
#include "passes/spell/spell.h"
#include "ir/rule/rewrite.h"
#include "passes/internal.h"

static bool spell_block(fv_pass_run *r, fv_spelling *all, fv_region *block);

static bool spell_regions(fv_pass_run *r, fv_spelling *all, fv_op *op) {
    bool ok = true;
    for (int i = 0; i < op->nattrs; i++)
        if (op->attrs[i].kind == FV_ATTR_REGION) {
            fv_spelling_enter(all, op->attrs[i].u.region);
            ok &= spell_block(r, all, op->attrs[i].u.region);
        }
    return ok;
}

static bool is_used(const fv_op *op) {
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && op->out[i]->nuses)
            return true;
    return false;
}

static bool spell_block(fv_pass_run *r, fv_spelling *all, fv_region *block) {
    bool ok = true;
    for (fv_op *op = block->first, *next; op; op = next) {
        fv_op *before = op->prev;
        const char *name = op->def->name;
        next = op->next;
        bool rewrite = fv_spell_must_rewrite(op), spell = !rewrite && fv_spell_must(op);
        ok &= spell_regions(r, all, op);
        if (rewrite && (ok &= fv_op_rewrite(op)))
            /* the next op is the first one that replaces op, since it may have to be rewritten,
             * too */
            next = before ? before->next : block->first;
        else if (spell && is_used(op) && (ok &= fv_op_spell(all, op))) {
            fv_pass_count_one(r, name);
            for (fv_op *made = before ? before->next : block->first; made != op; made = made->next)
                fv_spelling_saw(all, made);
            if (!is_used(op))
                fv_op_erase(op);
        } else if (spell && !is_used(op))
            fv_op_erase(op);
        else if (!rewrite && !spell)
            fv_spelling_saw(all, op);
    }
    return ok;
}

bool fv_pass_spell(fv_pass_run *r) {
    bool ok = true;
    for (fv_func *f = r->module->funcs; f; f = f->next) {
        fv_spelling all = fv_spelling_of(r->arena, f);
        ok &= spell_block(r, &all, f->body);
    }
    return ok;
}
