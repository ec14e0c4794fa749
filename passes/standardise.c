/* standardise.c - the pass `standardise`: operators of other domains, such as com.microsoft, are
 * rewritten by their entries of the catalogue, or by the table of spellings
 * (passes/spell/spellings.def), until only operators of the standard are left, and ops of the
 * dialect fv. that the pass spell can write in these. Needs nothing. Runs before legalise, which
 * would expand the standard's operators as well. An operator that neither can rewrite is an error,
 * because a model could not contain the result. */
#include <string.h>

#include "ir/rule/rewrite.h"
#include "passes/internal.h"
#include "passes/spell/spell.h"

static bool is_foreign(const fv_op *op) {
    return *op->def->domain && strcmp(op->def->domain, "fv") != 0;
}

static bool make_standard(fv_spelling *all, fv_op *op) {
    if (fv_op_must_rewrite(op))
        return fv_op_rewrite(op);
    if (!fv_op_spell(all, op))
        return false;
    fv_op_erase(op);
    return true;
}

static bool standardise_block(fv_pass_run *r, fv_spelling *all, fv_region *block) {
    bool ok = true;
    for (fv_op *op = block->first, *next; op; op = next) {
        fv_op *before = op->prev;
        const char *name = op->def->name;
        next = op->next;
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                ok &= standardise_block(r, all, op->attrs[i].u.region);
        if (!is_foreign(op))
            continue;
        if (!make_standard(all, op)) {
            ok = false;
            continue;
        }
        next = before ? before->next : block->first;
        fv_pass_count_one(r, name);
    }
    return ok;
}

bool fv_pass_standardise(fv_pass_run *r) {
    bool ok = true;
    for (fv_func *f = r->module->funcs; f; f = f->next) {
        fv_spelling all = fv_spelling_of(r->arena, f);
        ok &= standardise_block(r, &all, f->body);
    }
    return ok;
}
