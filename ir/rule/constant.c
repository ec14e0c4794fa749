/* constant.c - see constant.h. */
#include "ir/rule/constant.h"

#include "ir/base/limits.h"
#include "ir/catalogue/op.h"

/* The value of which v is a reshape or a transpose, through any number of these; v itself if it is
 * neither. */
static const fv_value *without_axes(const fv_value *v) {
    while (v->kind == FV_VALUE_RESULT &&
           (fv_op_is(v->def, FV_OP_fv_Reshape) || fv_op_is(v->def, FV_OP_Transpose)))
        v = v->def->in[0];
    return v;
}

const fv_tensor *fv_rule_elements(const fv_value *v) {
    v = without_axes(v);
    bool is = v->kind == FV_VALUE_CONST && v->tensor->count && v->tensor->bytes <= FV_FOLD_BYTES;
    return is ? v->tensor : NULL;
}

bool fv_rule_is_fixed(const fv_value *v) {
    v = without_axes(v);
    if (v->kind == FV_VALUE_RESULT && fv_op_is(v->def, FV_OP_fv_Unpack))
        v = without_axes(v->def->in[0]);
    return v->kind == FV_VALUE_CONST;
}

bool fv_rule_uniform(const fv_value *v, double *out) {
    const fv_tensor *t = fv_rule_elements(v);
    if (!t)
        return false;
    bool f = fv_elem_is_float(t->elem);
    if (!f && !fv_elem_is_int(t->elem) && t->elem != FV_BOOL)
        return false;
    *out = f ? fv_tensor_float(t, 0) : (double)fv_tensor_int(t, 0);
    for (size_t i = 1; i < t->count; i++)
        if ((f ? fv_tensor_float(t, i) : (double)fv_tensor_int(t, i)) != *out)
            return false;
    return true;
}
