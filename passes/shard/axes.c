/* axes.c - how the share of an axis passes through operators: from a result to operands, and back.
 * Products are described by labels (labels.c), the other operators here. */
#include "ir/definition/formula.h"
#include "ir/graph/infer.h"
#include "passes/shard/labels.h"

static bool is_elementwise(const fv_op *op) {
    return fv_op_is(op, FV_OP_Cast) || fv_op_is(op, FV_OP_Identity) ||
           fv_op_is(op, FV_OP_fv_Quantize) || fv_op_is(op, FV_OP_fv_Decode) ||
           op->def->infer == fv_infer_elementwise || op->def->infer == fv_infer_compare ||
           (op->def->formula &&
            fv_formula_is_elementwise(op->block->func->module->session, op->def->formula));
}

/* The axis of the operand that corresponds to `axis` of the result; WHOLE: the operand lacks it, or
 * has dim 1 there. */
static int aligned(const fv_value *operand, const fv_value *of, int axis) {
    int a = axis - (of->type->rank - operand->type->rank);
    return a < 0 || fv_dim_is_one(operand->type->dims[a]) ? FV_AXIS_WHOLE : a;
}

static int64_t normal_axis(const fv_op *op) {
    int64_t axis = fv_op_int(op, "axis");
    return axis < 0 ? axis + op->out[0]->type->rank : axis;
}

static bool is_along(const fv_op *op) {
    return fv_op_is(op, FV_OP_Softmax) || fv_op_is(op, FV_OP_LogSoftmax);
}

static bool is_reduced(const fv_op *op, int axis) {
    return !fv_dim_is_one(fv_op_find_attr(op, "extent")->u.dims[axis]);
}

static bool is_sliced(const fv_op *op, int axis) {
    return op->in[0]->type->dims[axis] != op->out[0]->type->dims[axis];
}

/* Is the size of the axis changed, as of one that is padded? */
static bool is_padded(const fv_op *op, int axis) {
    return is_sliced(op, axis);
}

/* The axis of operand i of a scatter into a cache: the update has all axes of the cache; each entry
 * of the batch, axis 0, has an index. */
static int scatter_axis(const fv_op *op, int axis, int i) {
    return normal_axis(op) == axis ? FV_AXIS_NONE : i < 2 ? axis : axis ? FV_AXIS_WHOLE : 0;
}

int fv_shard_operand_axis(const fv_op *op, int axis, int i) {
    const fv_value *x = op->in[i], *y = op->out[0];
    fv_shard_labels l;
    if (op->nout != 1)
        return FV_AXIS_NONE;
    if (is_elementwise(op))
        return x ? aligned(x, y, axis) : FV_AXIS_WHOLE;
    if (fv_shard_labels_of(op, &l))
        return fv_shard_labelled_operand(op, &l, axis, i);
    if (fv_op_is(op, FV_OP_TensorScatter))
        return x ? scatter_axis(op, axis, i) : FV_AXIS_WHOLE;
    if (fv_op_is(op, FV_OP_fv_Pad)) /* operand 1 is the element that fills */
        return i ? FV_AXIS_WHOLE : is_padded(op, axis) ? FV_AXIS_NONE : axis;
    if (!x) /* the operators below need all operands */
        return FV_AXIS_NONE;
    if (fv_op_is(op, FV_OP_Transpose)) {
        int n;
        return (int)fv_op_ints(op, "perm", &n)[axis];
    }
    if (fv_op_is(op, FV_OP_fv_Expand))
        return aligned(x, y, axis);
    if (fv_op_is(op, FV_OP_Concat) || is_along(op))
        return normal_axis(op) == axis ? FV_AXIS_NONE : axis;
    if (fv_op_is(op, FV_OP_fv_Reduce))
        return is_reduced(op, axis) ? FV_AXIS_NONE : axis;
    if (fv_op_is(op, FV_OP_fv_Slice))
        return is_sliced(op, axis) ? FV_AXIS_NONE : axis;
    return FV_AXIS_NONE;
}

/* The axis of the result of which a share can be computed from a share of axis `axis` of operand i;
 * PARTIAL or NONE. */
static int result_axis(const fv_op *op, int i, int axis) {
    fv_shard_labels l;
    if (!is_elementwise(op) && fv_shard_labels_of(op, &l))
        return fv_shard_labelled_result(op, &l, i, axis);
    if (fv_op_is(op, FV_OP_fv_Reduce) && is_reduced(op, axis))
        return fv_shard_is_reduce(op, "ReduceMax") || fv_shard_is_reduce(op, "ReduceMin")
                   ? FV_AXIS_PARTIAL
                   : FV_AXIS_NONE;
    for (int d = 0; d < op->out[0]->type->rank; d++)
        if (!fv_dim_is_one(op->out[0]->type->dims[d]) && fv_shard_operand_axis(op, d, i) == axis)
            return d;
    return FV_AXIS_NONE;
}

/* ---- shares ---- */

static fv_shard_at no_share(int axis) {
    return (fv_shard_at){.axis = axis, .members = -1};
}

static fv_dims *dims_of(const fv_op *op) {
    return op->block->func->module->dims;
}

int64_t fv_shard_extent(fv_dims *t, const fv_type *type, const fv_shard_at *at) {
    const fv_dim *n = fv_dim_quotient(t, type->dims[at->axis], at->outer);
    return n && fv_dim_is_const(n) && n->value > 0 ? n->value : 0;
}

/* The first axis after `axis` with more than one element; -1: there is none. */
static int next_axis(const fv_type *t, int axis) {
    for (int i = axis + 1; i < t->rank; i++)
        if (!fv_dim_is_one(t->dims[i]))
            return i;
    return -1;
}

/* An axis that consists of the groups of a cut has their members after it, if it has no copies. */
static fv_shard_at with_members(fv_dims *t, const fv_type *type, fv_shard_at at) {
    bool splits = at.groups && at.kind != FV_SHARE_GROUP &&
                  fv_shard_extent(t, type, &at) == at.groups && next_axis(type, at.axis) >= 0;
    at.members = splits ? next_axis(type, at.axis) : -1;
    at.kind = at.kind == FV_SHARE_GROUP ? FV_SHARE_GROUP : splits ? FV_SHARE_BOTH : FV_SHARE_UNITS;
    return at;
}

/* A reshape keeps the number of elements before those that are cut: the share of `to` begins at the
 * same position of the elements in their order. */
static fv_shard_at reshaped(fv_dims *t, const fv_type *from, const fv_shard_at *at,
                            const fv_type *to) {
    if (at->members >= 0 && at->members != next_axis(from, at->axis))
        return no_share(FV_AXIS_NONE);
    const fv_dim *before = fv_dim_mul(t, fv_dim_product(t, at->axis, from->dims), at->outer);
    for (int i = 0; i < to->rank; i++) {
        fv_shard_at r = *at;
        r.axis = i;
        r.outer = fv_dim_quotient(t, before, fv_dim_product(t, i, to->dims));
        if (!fv_dim_is_one(to->dims[i]) && r.outer && fv_shard_extent(t, to, &r) > 1)
            return with_members(t, to, r);
    }
    return no_share(FV_AXIS_NONE);
}

/* The bytes of elements that are unpacked: those of each block must be whole. */
static fv_shard_at packed(fv_dims *t, const fv_type *y, const fv_shard_at *at, const fv_type *x) {
    fv_shard_at r = *at;
    r.axis = 0;
    r.outer = fv_dim_mul(t, fv_dim_product(t, at->axis, y->dims), at->outer);
    return at->kind != FV_SHARE_BOTH && fv_shard_extent(t, x, &r) ? r : no_share(FV_AXIS_NONE);
}

/* A slice of every s-th element, or of the blocks with some numbers, is cut in the units of its
 * operand. `part` has a share, `from_result`: of the result; else of the operand. */
static fv_shard_at sliced(const fv_op *op, const fv_shard_at *at, bool from_result) {
    fv_dims *t = dims_of(op);
    const fv_dim *x = op->in[0]->type->dims[at->axis], *y = op->out[0]->type->dims[at->axis];
    const fv_dim *start = fv_op_find_attr(op, "start")->u.dims[at->axis];
    const fv_dim *step = fv_op_find_attr(op, "step")->u.dims[at->axis];
    fv_shard_at r = *at;
    int64_t n = fv_shard_extent(t, (from_result ? op->out[0] : op->in[0])->type, at);
    if (at->kind == FV_SHARE_BOTH || !n || !fv_dim_is_const(start) || !fv_dim_is_const(step))
        return no_share(FV_AXIS_NONE);
    if (step->value > 1) /* the same blocks */
        return fv_dim_mul(t, y, step) == x && start->value < step->value ? r
                                                                         : no_share(FV_AXIS_NONE);
    const fv_dim *one = fv_dim_const(t, n);
    r.outer = fv_dim_quotient(t, from_result ? x : y, one);
    return r.outer && fv_dim_is_const(r.outer) && step->value == 1 && start->value % n == 0
               ? r
               : no_share(FV_AXIS_NONE);
}

/* Has `axis` of a the same elements as axis `other` of b, so that blocks are the same? Axes that
 * are one block may also be equal by an assumption only. */
static bool fits(const fv_shard_at *at, const fv_type *a, int axis, const fv_type *b, int other) {
    return fv_dim_is_one(at->outer) || a->dims[axis] == b->dims[other];
}

static bool is_cut_slice(const fv_op *op, int axis) {
    return fv_op_is(op, FV_OP_fv_Slice) && is_sliced(op, axis);
}

fv_shard_at fv_shard_operand_at(const fv_op *op, const fv_shard_at *at, int i) {
    const fv_type *y = op->out[0]->type;
    if (op->nout == 1 && fv_op_is(op, FV_OP_fv_Reshape))
        return reshaped(dims_of(op), y, at, op->in[0]->type);
    if (op->nout == 1 && fv_op_is(op, FV_OP_fv_Unpack))
        return packed(dims_of(op), y, at, op->in[0]->type);
    if (is_cut_slice(op, at->axis))
        return sliced(op, at, true);
    int axis = fv_shard_operand_axis(op, at->axis, i);
    int members = at->members < 0 ? FV_AXIS_WHOLE : fv_shard_operand_axis(op, at->members, i);
    if (axis == FV_AXIS_WHOLE && members == FV_AXIS_WHOLE)
        return no_share(FV_AXIS_WHOLE);
    if (axis < 0 || members < FV_AXIS_WHOLE || !fits(at, y, at->axis, op->in[i]->type, axis))
        return no_share(FV_AXIS_NONE);
    fv_shard_at r = *at;
    r.axis = axis;
    r.members = members;
    if (at->kind == FV_SHARE_BOTH && members < 0)
        r.kind = FV_SHARE_GROUP;
    return r;
}

/* Does the operand have one element where the result has an axis of members, next to the groups? */
static bool is_repeated(const fv_op *op, int i, int axis, int to) {
    const fv_type *x = op->in[i]->type, *y = op->out[0]->type;
    return axis + 1 < x->rank && fv_dim_is_one(x->dims[axis + 1]) && to + 1 < y->rank &&
           !fv_dim_is_one(y->dims[to + 1]) && fv_shard_operand_axis(op, to + 1, i) == FV_AXIS_WHOLE;
}

fv_shard_at fv_shard_result_at(const fv_op *op, int i, const fv_shard_at *at) {
    if (op->nout != 1 || !op->out[0] || op->out[0]->type->kind != FV_TENSOR)
        return no_share(FV_AXIS_NONE);
    const fv_type *y = op->out[0]->type;
    if (fv_op_is(op, FV_OP_fv_Reshape) || fv_op_is(op, FV_OP_fv_Unpack))
        return reshaped(dims_of(op), op->in[0]->type, at, y);
    if (is_cut_slice(op, at->axis))
        return sliced(op, at, false);
    fv_shard_at r = *at;
    r.axis = result_axis(op, i, at->axis);
    r.members = at->members < 0 ? -1 : result_axis(op, i, at->members);
    if (r.axis == FV_AXIS_PARTIAL && at->members < 0)
        return no_share(FV_AXIS_PARTIAL);
    if (r.axis < 0 || (at->members >= 0 && r.members < 0) ||
        !fits(at, op->in[i]->type, at->axis, y, r.axis))
        return no_share(FV_AXIS_NONE);
    if (at->kind == FV_SHARE_GROUP && is_repeated(op, i, at->axis, r.axis)) {
        r.kind = FV_SHARE_BOTH;
        r.members = r.axis + 1;
    }
    return r;
}

fv_shard_at fv_shard_sum_at(const fv_op *op, int i, const fv_shard_at *at, int j) {
    fv_shard_labels l;
    fv_shard_at r = *at;
    fv_shard_across_kind across = fv_shard_across(op, i, at);
    if (across == FV_ACROSS_EXPERTS && j >= FV_EXPERT_WEIGHTS && op->in[j])
        return *at;
    if (across != FV_ACROSS_NONE)
        return no_share(FV_AXIS_WHOLE);
    r.axis = fv_shard_labels_of(op, &l) ? fv_shard_label_axis(op, &l, j, l.in[i][at->axis])
                                        : FV_AXIS_WHOLE;
    if (r.axis >= 0 && !fits(at, op->in[i]->type, at->axis, op->in[j]->type, r.axis))
        return no_share(FV_AXIS_NONE);
    return r.axis < 0 ? no_share(r.axis) : r;
}
