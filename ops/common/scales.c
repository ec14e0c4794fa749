/* scales.c - checks for scales and zero points of operators on quantized tensors. */
#include "ops/common/scales.h"

#include <math.h>

#include "ir/dim/text.h"
#include "ir/graph/infer.h"

bool fv_is_one_element(const fv_type *t) {
    return !t->rank || (t->rank == 1 && fv_dim_is_const(t->dims[0]) && t->dims[0]->value == 1);
}

bool fv_infer_positive(fv_op *op, int in) {
    const fv_value *v = fv_op_in(op, in);
    for (size_t i = 0; v && v->kind == FV_VALUE_CONST && i < v->tensor->count; i++) {
        double s = fv_tensor_float(v->tensor, i);
        if (!(s > 0 && s < INFINITY))
            return fv_op_error(op, "the scale '%s' is %g, expected a positive number", v->name, s);
    }
    return true;
}

bool fv_infer_scales(fv_op *op, int n, const int *in) {
    for (int i = 0; i < n; i++)
        if (!fv_infer_positive(op, in[i]))
            return false;
    return true;
}

bool fv_infer_fits_matrix(fv_op *op, int in, const fv_type *matrix, int axis) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, in);
    int at = matrix->rank + axis;
    if (!t || fv_is_one_element(t))
        return true;
    if (t->rank > 1)
        return fv_infer_fits(op, in, matrix->rank, matrix->dims);
    return (at >= 0 && fv_module_assume(m, t->dims[0], matrix->dims[at], "scales along an axis")) ||
           fv_op_error(op, "input '%s' is %s, expected a scalar or one for each of %s",
                       op->def->in[in].name, fv_type_str(m->arena, t),
                       at < 0 ? "the rows" : fv_dim_str(m->arena, matrix->dims[at]));
}
