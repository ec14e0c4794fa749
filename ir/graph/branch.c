/* branch.c - see branch.h. */
#include "ir/graph/branch.h"

#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

const fv_region *fv_branch_of(const fv_op *op, int which) {
    const fv_attr *a = fv_op_find_attr(op, which == FV_BRANCH_THEN ? "then_branch" : "else_branch");
    return a ? a->u.region : NULL;
}

static const fv_type *type_of(const fv_op *op, int which, int i) {
    const fv_op *end = fv_branch_of(op, which)->last;
    return end && i < end->nin && end->in[i] ? end->in[i]->type : NULL;
}

static bool is_alike(const fv_op *op, const fv_type *t, const fv_type *u) {
    if (t->kind != FV_TENSOR)
        return fv_type_join(fv_op_module(op)->arena, t, u) != NULL;
    return u->kind == FV_TENSOR && t->elem == u->elem && t->rank == u->rank;
}

/* The first result whose types in the two branches differ; op->nout: there is none. */
static int first_unlike(const fv_op *op) {
    int i = 0;
    for (; i < op->nout; i++) {
        const fv_type *then = type_of(op, FV_BRANCH_THEN, i),
                      *other = type_of(op, FV_BRANCH_ELSE, i);
        if (op->out[i] && then && other && !is_alike(op, then, other))
            break;
    }
    return i;
}

static bool is_declared(const fv_op *op, int which, int i) {
    const fv_type *declared = op->out[i]->type;
    return declared && is_alike(op, declared, type_of(op, which, i));
}

/* The branch whose results must have the types of the If's results; FV_BRANCH_EITHER: the types of
 * both branches agree. */
static int held_to(const fv_op *op) {
    int i = first_unlike(op);
    return i == op->nout                        ? FV_BRANCH_EITHER
           : is_declared(op, FV_BRANCH_ELSE, i) ? FV_BRANCH_ELSE
                                                : FV_BRANCH_THEN;
}

int fv_branch_taken(const fv_op *op) {
    int64_t cond;
    if (fv_known_int(op->in[0], &cond))
        return cond ? FV_BRANCH_THEN : FV_BRANCH_ELSE;
    return held_to(op);
}

/* Do both types have the same elements, in the order of memory? Only then does every symbol of one
 * type occur in the other one, too, except in a product of 0. */
static bool has_same_elements(fv_dims *t, const fv_type *x, const fv_type *y) {
    if (x->kind != FV_TENSOR || y->kind != FV_TENSOR || x->elem != y->elem)
        return false;
    const fv_dim *n = fv_dim_product(t, x->rank, x->dims);
    return n == fv_dim_product(t, y->rank, y->dims) && !(fv_dim_is_const(n) && !n->value);
}

/* Where the branches give the same elements with other ranks, such as [n, 1] and [n], gives the
 * result of the other branch the shape that the branch `which` has: then either may run. */
static void align_ranks(fv_op *op, int which) {
    int other = which == FV_BRANCH_THEN ? FV_BRANCH_ELSE : FV_BRANCH_THEN;
    fv_op *end = fv_branch_of(op, other)->last;
    for (int i = 0; i < op->nout; i++) {
        const fv_type *t = type_of(op, which, i), *u = type_of(op, other, i);
        if (!op->out[i] || !t || !u || is_alike(op, t, u) ||
            !has_same_elements(fv_op_module(op)->dims, t, u))
            continue;
        fv_rewriter w = fv_rewriter_at(end);
        fv_value *v = fv_w_reshape(&w, end->in[i], t->rank, t->dims);
        if (v)
            fv_op_set_in(end, i, v);
    }
}

bool fv_branch_hold(fv_op *op) {
    fv_module *m = fv_op_module(op);
    int which = held_to(op), n;
    const fv_dim *const *cond;
    if (which != FV_BRANCH_EITHER)
        align_ranks(op, which);
    if (held_to(op) == FV_BRANCH_EITHER)
        return true;
    if (!fv_elems(op, 0, &n, &cond) || n != 1)
        return fv_op_error(op, "its condition is no element");
    const char *says =
        fv_printf(m->arena, "%s is taken", which == FV_BRANCH_THEN ? "then_branch" : "else_branch");
    return fv_module_require(m, cond[0], fv_dim_const(m->dims, which == FV_BRANCH_THEN),
                             "the branches give other ranks or types", says) ||
           fv_op_error(
               op,
               "its branches give other ranks or types, and the one that is declared does not run");
}
