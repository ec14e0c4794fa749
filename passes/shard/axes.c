/* axes.c - how an axis passes through operators: from a result to operands, and back. */
#include <string.h>

#include "ir/definition/formula.h"
#include "ir/graph/infer.h"
#include "passes/shard/parts.h"

static bool is_elementwise(const fv_op *op) {
    return fv_op_is(op, FV_OP_Cast) || fv_op_is(op, FV_OP_Identity) ||
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

/* The axis of `to`, with more than one element, before which the dims have the same product as
 * those before `axis` of `from`; NONE: there is none. A reshape maps `axis` to it. */
static int reshaped(fv_dims *t, const fv_type *from, int axis, const fv_type *to) {
    const fv_dim *before = fv_dim_product(t, axis, from->dims);
    for (int i = 0; i < to->rank; i++)
        if (!fv_dim_is_one(to->dims[i]) && fv_dim_product(t, i, to->dims) == before)
            return i;
    return FV_AXIS_NONE;
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

/* Axis `axis` of the product: rows are of the left factor, columns of the right one, and both have
 * the axes of a batch. */
static int product_axis(const fv_op *op, int axis, int i) {
    int rank = op->out[0]->type->rank, at = axis - rank; /* -2: rows, -1: columns */
    if (at == (i ? -2 : -1))
        return FV_AXIS_WHOLE;
    return at >= -2 ? op->in[i]->type->rank + at : aligned(op->in[i], op->out[0], axis);
}

int fv_shard_operand_axis(const fv_op *op, int axis, int i) {
    const fv_value *x = op->in[i], *y = op->out[0];
    if (op->nout != 1)
        return FV_AXIS_NONE;
    if (is_elementwise(op))
        return x ? aligned(x, y, axis) : FV_AXIS_WHOLE;
    if (fv_op_is(op, FV_OP_TensorScatter))
        return x ? scatter_axis(op, axis, i) : FV_AXIS_WHOLE;
    if (fv_op_is(op, FV_OP_fv_Pad)) /* operand 1 is the element that fills */
        return i ? FV_AXIS_WHOLE : is_padded(op, axis) ? FV_AXIS_NONE : axis;
    if (!x) /* the operators below need all operands */
        return FV_AXIS_NONE;
    if (fv_op_is(op, FV_OP_fv_MatMul))
        return product_axis(op, axis, i);
    if (fv_op_is(op, FV_OP_Transpose)) {
        int n;
        return (int)fv_op_ints(op, "perm", &n)[axis];
    }
    if (fv_op_is(op, FV_OP_fv_Reshape))
        return reshaped(op->block->func->module->dims, y->type, axis, x->type);
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

static int from_product(const fv_op *op, int i, int axis) {
    int at = axis - op->in[i]->type->rank;
    if (at == (i ? -2 : -1))
        return FV_AXIS_PARTIAL;
    return op->out[0]->type->rank + at;
}

int fv_shard_result_axis(const fv_op *op, int i, int axis) {
    if (op->nout != 1 || !op->out[0] || op->out[0]->type->kind != FV_TENSOR)
        return FV_AXIS_NONE;
    if (fv_op_is(op, FV_OP_fv_MatMul))
        return from_product(op, i, axis);
    for (int d = 0; d < op->out[0]->type->rank; d++)
        if (!fv_dim_is_one(op->out[0]->type->dims[d]) && fv_shard_operand_axis(op, d, i) == axis)
            return d;
    return FV_AXIS_NONE;
}

const fv_tensor *fv_shard_slice(fv_arena *a, const fv_tensor *t, int axis, int64_t first,
                                int64_t n) {
    int64_t dims[FV_MAX_RANK];
    size_t outer = 1, inner = (size_t)fv_elem_bits(t->elem) / 8;
    if (fv_elem_bits(t->elem) < 8 || t->elem == FV_STRING)
        return NULL;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = i == axis ? n : t->dims[i];
        outer *= i < axis ? (size_t)t->dims[i] : 1;
        inner *= i > axis ? (size_t)t->dims[i] : 1;
    }
    fv_tensor *part = fv_tensor_new(a, t->elem, t->rank, dims);
    size_t row = (size_t)t->dims[axis] * inner, bytes = (size_t)n * inner;
    for (size_t i = 0; part && i < outer; i++)
        memcpy((char *)(uintptr_t)part->data + i * bytes,
               (const char *)t->data + i * row + (size_t)first * inner, bytes);
    return part;
}
