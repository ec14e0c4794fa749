/* rewrite.c - rewrites an op into simpler ones as its entry states: by its .decompose, .rule or
 * .body, or, for an associative op, as a tree. */
#include "ir/rule/rewrite.h"

#include "ir/graph/branch.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"

/* largest number of operands of an associative op; with more it becomes a tree */
enum { MAX_FAN = 32 };

static bool is_wide(const fv_op *op) {
    return op->def->associates && op->nin > MAX_FAN;
}

bool fv_op_must_rewrite(const fv_op *op) {
    bool stays = fv_op_is(op, FV_OP_If) && fv_branch_taken(op) == FV_BRANCH_EITHER;
    return !stays && (op->def->decompose || op->def->rule || op->def->body || is_wide(op));
}

/* Replaces f(a, b, ...) by f(f(a, b, ...), f(...), ...), which adds one layer to the tree. */
static void narrow(fv_rewriter *w, fv_op *op) {
    fv_arena *a = w->module->arena;
    fv_value **parts = FV_NEW(a, fv_value *, op->nin / MAX_FAN + 1);
    int n = 0;
    for (int i = 0, k; i < op->nin && !w->failed; i += k) {
        k = op->nin - i < MAX_FAN ? op->nin - i : MAX_FAN;
        parts[n++] =
            k == 1 ? op->in[i] : fv_w_def(w, op->def, k, op->in + i, op->nattrs, op->attrs);
    }
    fv_w_result(w, 0, w->failed ? NULL : fv_w_def(w, op->def, n, parts, op->nattrs, op->attrs));
}

static bool make_others(fv_op *op) {
    const fv_opdef *d = op->def;
    fv_rewriter w = fv_rewriter_at(op);
    if (d->decompose)
        return d->decompose(&w, op) && !w.failed;
    if (d->rule)
        return fv_rule_expand(&w, op, d->rule) && !w.failed;
    if (d->body)
        return fv_body_expand_as(&w, op, d->body);
    narrow(&w, op);
    return !w.failed;
}

bool fv_op_rewrite(fv_op *op) {
    const struct fv_within around = fv_module_enter(op);
    bool ok = make_others(op);
    fv_op_module(op)->within = around;
    if (ok)
        fv_op_erase(op);
    return ok;
}
