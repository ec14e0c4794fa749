/* legalise.c - rewrites every op that has a rule or an expansion, until none is left.
 *
 * After it, each op has a formula, a definition or a kernel of its own. Needs nothing; dead ops
 * (the shape arithmetic that views no longer read) are left for remove-dead. */
#include "ir/op.h"
#include "passes/internal.h"

static bool legalise_block(fv_pass_run *r, fv_region *block) {
    bool ok = true;
    for (fv_op *op = block->first; op;) {
        for (int i = 0; i < op->nattrs; i++)
            if (op->attrs[i].kind == FV_ATTR_REGION)
                ok &= legalise_block(r, op->attrs[i].u.region);
        if (!fv_op_must_rewrite(op)) {
            op = op->next;
            continue;
        }
        /* what it was rewritten to stands before it and may need rewriting too */
        fv_op *before = op->prev;
        const char *name = op->def->name;
        if (!fv_op_rewrite(op)) {
            ok = false;
            op = op->next;
            continue;
        }
        fv_pass_count_one(r, name);
        op = before ? before->next : block->first;
    }
    return ok;
}

bool fv_pass_legalise(fv_pass_run *r) {
    bool ok = true;
    for (fv_func *f = r->module->funcs; f; f = f->next)
        ok &= legalise_block(r, f->body);
    return ok;
}
