/* branch.c - see branch.h. */
#include "ir/graph/branch.h"

#include "ir/graph/infer.h"

const fv_region *fv_branch_of(const fv_op *op, int which) {
    const fv_attr *a = fv_op_find_attr(op, which == FV_BRANCH_THEN ? "then_branch" : "else_branch");
    return a ? a->u.region : NULL;
}

static const fv_type *type_of(const fv_op *op, int which, int i) {
    const fv_op *end = fv_branch_of(op, which)->last;
    return end && i < end->nin && end->in[i] ? end->in[i]->type : NULL;
}

static bool is_alike(const fv_type *t, const fv_type *u) {
    return fv_type_equal(t, u) || (t->kind == FV_TENSOR && u->kind == FV_TENSOR && t->elem == u->elem && t->rank == u->rank);
}

/* EITHER: their results are alike. */
static int held_to(const fv_op *op) {
    for (int i = 0; i < op->nout; i++) {
        const fv_type *then = type_of(op, FV_BRANCH_THEN, i), *other = type_of(op, FV_BRANCH_ELSE, i);
        const fv_type *declared = op->out[i] ? op->out[i]->type : NULL;
        if (op->out[i] && then && other && !is_alike(then, other))
            return declared && is_alike(declared, other) ? FV_BRANCH_ELSE : FV_BRANCH_THEN;
    }
    return FV_BRANCH_EITHER;
}

int fv_branch_taken(const fv_op *op) {
    int64_t cond;
    if (fv_known_int(op->in[0], &cond))
        return cond ? FV_BRANCH_THEN : FV_BRANCH_ELSE;
    return held_to(op);
}

bool fv_branch_hold(fv_op *op) {
    fv_module *m = fv_op_module(op);
    int which = held_to(op), n;
    const fv_dim *const *cond;
    if (which == FV_BRANCH_EITHER)
        return true;
    if (!fv_elems(op, 0, &n, &cond) || n != 1)
        return fv_op_error(op, "its condition is no element");
    const char *says = fv_printf(m->arena, "%s is taken", which == FV_BRANCH_THEN ? "then_branch" : "else_branch");
    return fv_module_require(m, cond[0], fv_dim_const(m->dims, which == FV_BRANCH_THEN),
                             "the branches give other ranks or types", says) ||
           fv_op_error(op, "its branches give other ranks or types, and the one that is declared does not run");
}
