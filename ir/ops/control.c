/* control.c - If, where it is known which branch runs. */

#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

static const fv_region *branch(const fv_op *op, bool taken) {
    const fv_attr *a = fv_op_find_attr(op, taken ? "then_branch" : "else_branch");
    return a ? a->u.region : NULL;
}

/* The results of the branch that is known to run; else both have to agree. */
static bool infer_if(fv_op *op) {
    fv_arena *a = fv_op_module(op)->arena;
    int64_t cond = 1;
    bool known = fv_known_int(op->in[0], &cond);
    const fv_op *one = branch(op, cond != 0)->last, *other = branch(op, known ? cond != 0 : cond == 0)->last;
    if (one->nin < op->nout || other->nin < op->nout)
        return fv_op_error(op, "has %d outputs, its branches give %d and %d", op->nout, one->nin, other->nin);
    for (int i = 0; i < op->nout; i++) {
        const fv_type *t = one->in[i] ? one->in[i]->type : NULL, *u = other->in[i] ? other->in[i]->type : NULL;
        if (!t || !u)
            return fv_op_error(op, "output %d: its type is not known", i);
        if (!fv_type_equal(t, u))
            return fv_op_error(op, "operator not in the catalogue for branches whose types differ: output %d is %s "
                               "and %s; shapes and constants must tell which branch runs",
                               i, fv_type_str(a, t), fv_type_str(a, u));
        if (op->out[i])
            op->out[i]->type = t;
    }
    return true;
}

static bool decompose_if(fv_rewriter *w, fv_op *op) {
    int64_t cond;
    if (!fv_known_int(op->in[0], &cond))
        return fv_op_error(op, "operator not in the catalogue for a condition that depends on data; shapes and "
                               "constants must tell it");
    const fv_region *taken = branch(op, cond != 0);
    fv_op *end = taken->last;
    while (taken->first != end)
        fv_op_move_before(taken->first, op);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, end->in[i]);
    return true;
}

const fv_opdef fv_ops_control[] = {
    {.domain = "", .name = "If", .id = FV_OP_If, .since = {1, 11, 13, 16, 19, 21, 23, 24, 25},
     .doc = "one of two graphs; which one must follow from shapes and constants",
     .in = {{"cond", "B", .rank = FV_SCALAR}}, .out = {{"outputs", "V", FV_VARIADIC, -1}},
     .attrs = {FV_A_REQUIRED("then_branch", REGION), FV_A_REQUIRED("else_branch", REGION)},
     .types = {{"B", FV_SET(BOOL)}, {"V", FV_SET_DATA}},
     .infer = infer_if,
     .decompose = decompose_if},

    {0}};
