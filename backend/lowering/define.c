/* define.c - makes definitions of ops, and copies of results. */
#include "backend/lowering/define.h"
#include "backend/lowering/access.h"
#include "backend/lowering/storage.h"
#include "ir/definition/define.h"
#include "ir/definition/recurrence.h"
#include "ir/expr/visit.h"
#include "ir/graph/infer.h"

/* Records the nodes whose definitions check an index, before these definitions are fused. */
static void note_indexing(fv_lowerer *l, const fv_op *op, fv_definition *const *defs) {
    bool found = false;
    for (int i = 0; i < op->nout; i++)
        found |= op->out[i] && fv_x_is_checked(defs[i]->body);
    for (int i = 0; found && i < op->origin->n; i++)
        *fv_ptrmap_at(&l->known.indexing, fv_intern(l->session, op->origin->nodes[i])) = (void *)op;
}

bool fv_define_op(fv_lowerer *l, fv_op *op) {
    fv_definition *defs[FV_MAX_OUT] = {0};
    if (op->def->has_effect)
        return true;
    if (op->def->kernel)
        return true;
    if (op->nout > FV_MAX_OUT)
        return fv_op_error(op, "has %d results, at most %d can be compiled", op->nout, FV_MAX_OUT);
    if (op->def->recur) {
        fv_recurrence *r = fv_recur(l->exprs, op);
        *fv_ptrmap_at(&l->known.recurrences, op) = r;
        return r != NULL;
    }
    int errors = fv_error_count(l->session);
    if (!fv_define(l->exprs, op, defs))
        return fv_error_count(l->session) > errors
                   ? false
                   : fv_op_error(op, "operator cannot be compiled: it has no definition");
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_storage_of(l, op->out[i])->def = defs[i];
    note_indexing(l, op, defs);
    return true;
}

bool fv_copy_result(fv_lowerer *l, fv_op *ret, int i) {
    const char *name = ret->in[i]->name;
    fv_op *copy =
        fv_op_new(ret->block, ret, fv_op_def(FV_OP_fv_Copy), 1, &ret->in[i], 1, &name, ret->origin);
    if (!fv_op_infer(copy) || !fv_define_op(l, copy))
        return false;
    fv_op_set_in(ret, i, copy->out[0]);
    return true;
}

fv_value **fv_values_loaded(fv_lowerer *l, const fv_expr *root, int *n) {
    fv_value **all = NULL;
    int cap = 0;
    fv_ptrmap seen = fv_ptrmap_in(l->current.scratch);
    fv_x_visitor v = fv_x_visit(l->current.scratch, root);
    *n = 0;
    for (const fv_expr *x; (x = fv_x_next(&v));) {
        bool loads = x->op == FV_X_LOAD || x->op == FV_X_GUARD;
        fv_value *from = loads ? (fv_value *)(uintptr_t)x->u.buf->value : NULL;
        if (from && !*fv_ptrmap_at(&seen, from)) {
            *fv_ptrmap_at(&seen, from) = from;
            FV_PUSH(l->exprs, all, *n, cap, from);
        }
    }
    return all;
}
