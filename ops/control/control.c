/* control.c - If: one of two graphs. If the condition is known, that graph replaces the op;
 * otherwise the run decides. */

#include "ir/base/limits.h"
#include "ir/graph/branch.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/dims.h"

/* a dim that is x in one branch and y in the other, and the symbol for it that the run binds */
typedef struct joint {
    const fv_dim *x, *y, *symbol;
} joint;

typedef struct joints {
    joint *list;
    int n, cap;
} joints;

static const fv_dim *joined_dim(const fv_op *op, joints *all, int out, int rank, int axis,
                                const fv_dim *x, const fv_dim *y) {
    if (x == y)
        return x;
    for (int i = 0; i < all->n; i++)
        if (all->list[i].x == x && all->list[i].y == y)
            return all->list[i].symbol;
    const fv_dim *d = fv_run_time_dim(op, out, rank, axis, x->lo < y->lo ? x->lo : y->lo,
                                      x->hi > y->hi ? x->hi : y->hi);
    FV_PUSH(fv_op_module(op)->arena, all->list, all->n, all->cap, ((joint){x, y, d}));
    return d;
}

static void join_types(const fv_op *op, joints *all, int out, const fv_type *t, const fv_type *u) {
    fv_module *m = fv_op_module(op);
    const fv_dim *dims[FV_MAX_RANK];
    if (t->kind != FV_TENSOR || fv_type_equal(t, u)) {
        op->out[out]->type = fv_type_join(m->arena, t, u);
        return;
    }
    for (int i = 0; i < t->rank; i++)
        dims[i] = joined_dim(op, all, out, t->rank, i, t->dims[i], u->dims[i]);
    op->out[out]->type = fv_tensor_type(m->arena, t->elem, t->rank, dims);
}

/* Requires that the condition has one element; it may have any rank. */
static bool requires_single(const fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, 0);
    const fv_dim *one = fv_dim_const(m->dims, 1);
    for (int i = 0; i < t->rank; i++)
        if (!fv_module_assume(m, t->dims[i], one, "condition of an If"))
            return fv_op_error(op, "input 'cond' is %s, expected a single element",
                               fv_type_str(m->arena, t));
    return true;
}

/* The types of the results: those of the branch that runs, if it is known; otherwise of both
 * branches, which may differ in dims only. */
static bool infer_if(fv_op *op) {
    int64_t cond;
    if (!requires_single(op))
        return false;
    if (!fv_known_int(op->in[0], &cond) && !fv_branch_hold(op))
        return false;
    int taken = fv_branch_taken(op);
    const fv_op *one = fv_branch_of(op, taken != FV_BRANCH_ELSE)->last,
                *other = fv_branch_of(op, taken == FV_BRANCH_THEN)->last;
    joints all = {0};
    if (one->nin < op->nout || other->nin < op->nout)
        return fv_op_error(op, "has %d outputs, its branches give %d and %d", op->nout, one->nin,
                           other->nin);
    for (int i = 0; i < op->nout; i++) {
        const fv_type *t = one->in[i] ? one->in[i]->type : NULL,
                      *u = other->in[i] ? other->in[i]->type : NULL;
        if (!t || !u)
            return fv_op_error(op, "output %d: its type is not known", i);
        if (op->out[i])
            join_types(op, &all, i, t, u);
    }
    return true;
}

static bool decompose_if(fv_rewriter *w, fv_op *op) {
    fv_value *const *given = fv_w_inline(w, fv_branch_of(op, fv_branch_taken(op)));
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, given[i]);
    return true;
}

const fv_opdef fv_ops_control[] = {
    {.domain = "",
     .name = "If",
     .id = FV_OP_If,
     .since = {1, 11, 13, 16, 19, 21, 23, 24, 25},
     .doc = "executes one of two graphs; shapes and constants decide which, "
            "otherwise the condition in the run",
     .in = {{"cond", "B", .rank = FV_SINGLE}},
     .out = {{"outputs", "V", FV_VARIADIC, -1}},
     .attrs = {FV_A_REQUIRED("then_branch", REGION), FV_A_REQUIRED("else_branch", REGION)},
     .types = {{"B", FV_SET(BOOL)}, {"V", FV_SET_MOVED, FV_KIND_ANY}},
     .infer = infer_if,
     .decompose = decompose_if},

    {0}};
