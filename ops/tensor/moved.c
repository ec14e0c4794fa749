/* moved.c - see moved.h. */
#include "ops/tensor/moved.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/graph/infer.h"

static bool is_constant_shape(const fv_type *t) {
    for (int i = 0; i < t->rank; i++)
        if (!fv_dim_is_const(t->dims[i]))
            return false;
    return true;
}

static int64_t linear(const fv_type *t, const int64_t *index) {
    int64_t n = 0;
    for (int i = 0; i < t->rank; i++)
        n = n * t->dims[i]->value + index[i];
    return n;
}

/* Changes the index in a result of type `to` to that in the operand of type `from`. */
static bool reshape_index(const fv_type *to, const fv_type *from, int64_t *index) {
    if (!is_constant_shape(to) || !is_constant_shape(from))
        return false;
    int64_t n = linear(to, index);
    for (int i = from->rank - 1; i >= 0; i--) {
        index[i] = n % from->dims[i]->value;
        n /= from->dims[i]->value;
    }
    return true;
}

static void transpose_index(const fv_op *op, int rank, int64_t *index) {
    int n;
    int64_t at[FV_MAX_RANK];
    const int64_t *perm = fv_op_ints(op, "perm", &n);
    memcpy(at, index, sizeof at);
    for (int i = 0; i < rank; i++)
        index[perm ? perm[i] : rank - 1 - i] = at[i];
}

/* Changes the index in the result of the op to that of the same element in its operand. */
static bool operand_index(fv_op *op, int64_t *index) {
    const fv_type *x = fv_in_type(op, 0);
    if (fv_op_is(op, FV_OP_Reshape))
        return reshape_index(op->out[0]->type, x, index);
    if (fv_op_is(op, FV_OP_Slice))
        return fv_slice_source(op, index);
    if (!fv_op_is(op, FV_OP_Transpose))
        return false;
    transpose_index(op, x->rank, index);
    return true;
}

/* The element of v at the index; NULL: it is not known. */
static const fv_dim *known_element(fv_module *m, fv_value *v, int64_t *index) {
    while (v && v->type && v->type->kind == FV_TENSOR) {
        if (v->kind == FV_VALUE_CONST && v->tensor->data && is_constant_shape(v->type))
            return fv_dim_const(m->dims, fv_tensor_int(v->tensor, (size_t)linear(v->type, index)));
        if (v->elems)
            return v->elems[v->type->rank ? index[0] : 0];
        if (v->kind != FV_VALUE_RESULT || !operand_index(v->def, index))
            return NULL;
        v = v->def->in[0];
    }
    return NULL;
}

void fv_infer_moved(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = op->out[0] ? op->out[0]->type : NULL;
    const fv_dim *found[FV_MAX_ELEMS];
    if (!t || t->kind != FV_TENSOR || t->rank > 1 || (t->elem != FV_I64 && t->elem != FV_I32) ||
        !is_constant_shape(t) || (t->rank && t->dims[0]->value > FV_MAX_ELEMS))
        return;
    int n = t->rank ? (int)t->dims[0]->value : 1;
    for (int i = 0; i < n; i++) {
        int64_t index[FV_MAX_RANK] = {i};
        if (!operand_index(op, index) || !(found[i] = known_element(m, op->in[0], index)))
            return;
    }
    fv_set_elems(op->out[0], n, found);
}
