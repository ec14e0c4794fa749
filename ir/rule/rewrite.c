/* rewrite.c - an op into simpler ones, by its entry: its .decompose, its .rule, or a tree of what associates. */
#include "ir/rule/rewrite.h"

#include "ir/rule/rule.h"

enum { MAX_FAN = 32 }; /* operands of one that associates: more become a tree */

static bool is_wide(const fv_op *op) {
    return op->def->associates && op->nin > MAX_FAN;
}

bool fv_op_must_rewrite(const fv_op *op) {
    return op->def->decompose || op->def->rule || is_wide(op);
}

/* f(a, b, ...) to f(f(a, b, ...), f(...), ...): a layer of the tree. */
static void narrow(fv_rewriter *w, fv_op *op) {
    fv_arena *a = w->module->arena;
    fv_value **parts = FV_NEW(a, fv_value *, op->nin / MAX_FAN + 1);
    int n = 0;
    for (int i = 0, k; i < op->nin && !w->failed; i += k) {
        k = op->nin - i < MAX_FAN ? op->nin - i : MAX_FAN;
        parts[n++] = k == 1 ? op->in[i] : fv_w_def(w, op->def, k, op->in + i, op->nattrs, op->attrs);
    }
    fv_w_result(w, 0, w->failed ? NULL : fv_w_def(w, op->def, n, parts, op->nattrs, op->attrs));
}

bool fv_op_rewrite(fv_op *op) {
    const fv_opdef *d = op->def;
    fv_rewriter w = fv_rewriter_at(op);
    if (d->decompose) {
        if (!d->decompose(&w, op) || w.failed)
            return false;
    } else if (d->rule) {
        if (!fv_rule_expand(&w, op, d->rule) || w.failed)
            return false;
    } else {
        narrow(&w, op);
        if (w.failed)
            return false;
    }
    fv_op_erase(op);
    return true;
}
