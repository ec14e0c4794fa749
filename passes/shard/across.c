/* across.c - operators that need a cut axis as a whole, and can be computed from shares of it by an
 * exchange of small results: look-ups, the extremes and the first elements of an order, softmax. */
#include "passes/shard/labels.h"

enum { MAX_DEPTH = 16 }; /* of ops that make a table */

static bool made_of_constants(const fv_value *v, int depth) {
    const fv_op *op = v->def;
    if (v->kind != FV_VALUE_RESULT)
        return v->kind == FV_VALUE_CONST;
    if (depth == MAX_DEPTH || !op->nin || op->nout != 1 || op->def->has_effect)
        return false;
    for (int i = 0; i < op->nin; i++)
        if (op->in[i] && !made_of_constants(op->in[i], depth + 1))
            return false;
    return true;
}

bool fv_shard_is_constant(const fv_value *v) {
    return made_of_constants(v, 0);
}

bool fv_shard_is_look_up(const fv_op *op) {
    int long_axes = 0;
    if (!fv_op_is(op, FV_OP_fv_Gather) || !fv_shard_is_constant(op->in[0]) ||
        fv_shard_is_constant(op->in[1]))
        return false;
    for (int d = 0; d < op->in[0]->type->rank; d++)
        long_axes += !fv_dim_is_one(op->in[0]->type->dims[d]);
    return long_axes > 1;
}

static int64_t axis_of(const fv_op *op) {
    int64_t axis = fv_op_int(op, "axis");
    return axis < 0 ? axis + op->in[0]->type->rank : axis;
}

/* Can ranks exchange elements of this type? */
static bool is_exchanged(fv_elem e) {
    return (((fv_elem_set)1 << e) & FV_SET_NUMBER) && fv_elem_bits(e) >= 8;
}

/* Does each line have at least one number, none of which consists of several elements; and is the
 * number of those that are wanted constant? (fv.Order) */
static bool orders_numbers(const fv_op *op) {
    const fv_type *x = op->in[0]->type;
    return (x->rank == 2 || fv_dim_is_one(x->dims[3])) &&
           fv_dim_is_const(fv_op_find_attr(op, "dims")->u.dims[1]);
}

/* The kind of an op that needs the axis of operand 0. */
static fv_shard_across_kind kind_of(const fv_op *op, int axis) {
    bool look_up = fv_op_is(op, FV_OP_fv_Gather) || fv_op_is(op, FV_OP_GatherElements);
    bool extreme = fv_op_is(op, FV_OP_fv_ArgMax) || fv_op_is(op, FV_OP_fv_ArgMin);
    bool softmax = fv_op_is(op, FV_OP_Softmax) || fv_op_is(op, FV_OP_LogSoftmax);
    if (fv_op_is(op, FV_OP_fv_Order))
        return axis == 1 && orders_numbers(op) ? FV_ACROSS_ORDER : FV_ACROSS_NONE;
    if ((!look_up && !extreme && !softmax) || axis_of(op) != axis)
        return FV_ACROSS_NONE;
    return look_up ? FV_ACROSS_LOOK_UP : extreme ? FV_ACROSS_EXTREME : FV_ACROSS_SOFTMAX;
}

int fv_shard_across_operand(const fv_op *op) {
    return fv_op_is(op, FV_OP_fv_ExpertProduct) ? FV_EXPERT_WEIGHTS : 0;
}

fv_shard_across_kind fv_shard_across(const fv_op *op, int i, const fv_shard_at *at) {
    bool experts = fv_op_is(op, FV_OP_fv_ExpertProduct) && i >= FV_EXPERT_WEIGHTS;
    bool one_range =
        at->kind == FV_SHARE_UNITS && !at->groups && at->members < 0 && fv_dim_is_one(at->outer);
    if ((i && !experts) || !one_range || op->nout != 1 || !op->out[0] || !op->nin || !op->in[0])
        return FV_ACROSS_NONE;
    if (!is_exchanged(op->in[0]->type->elem) || op->out[0]->type->rank >= FV_MAX_RANK ||
        op->in[0]->type->rank >= FV_MAX_RANK)
        return FV_ACROSS_NONE;
    if (experts)
        return at->axis == 0 ? FV_ACROSS_EXPERTS : FV_ACROSS_NONE;
    return kind_of(op, at->axis);
}
