/* constant.c - see constant.h. */
#include "ir/rule/constant.h"

#include "ir/base/limits.h"

bool fv_rule_uniform(const fv_value *v, double *out) {
    if (v->kind != FV_VALUE_CONST || !v->tensor->count || v->tensor->bytes > FV_FOLD_BYTES)
        return false;
    const fv_tensor *t = v->tensor;
    bool f = fv_elem_is_float(t->elem);
    if (!f && !fv_elem_is_int(t->elem) && t->elem != FV_BOOL)
        return false;
    *out = f ? fv_tensor_float(t, 0) : (double)fv_tensor_int(t, 0);
    for (size_t i = 1; i < t->count; i++)
        if ((f ? fv_tensor_float(t, i) : (double)fv_tensor_int(t, i)) != *out)
            return false;
    return true;
}
