/* assemble.c - see assemble.h. */
#include "ops/common/assemble.h"

#include "ir/base/limits.h"
#include "ops/common/dims.h"

fv_value *fv_w_cut(fv_rewriter *w, fv_value *x, int axis, const fv_dim *first, const fv_dim *n) {
    const fv_dim *start[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    for (int i = 0; x && i < x->type->rank; i++) {
        start[i] = i == axis ? first : fv_dim_const(w->module->dims, 0);
        step[i] = fv_dim_const(w->module->dims, 1);
        dims[i] = i == axis ? n : x->type->dims[i];
    }
    return fv_w_slice(w, x, start, step, dims);
}

fv_value *fv_w_concat(fv_rewriter *w, int axis, int n, fv_value *const *parts) {
    fv_attr a = fv_attr_int(w->module, "axis", axis);
    return n == 1 ? parts[0] : fv_w_op(w, FV_OP_Concat, n, parts, 1, &a);
}

fv_value *fv_w_flat(fv_rewriter *w, fv_value *x) {
    if (!x)
        return NULL;
    const fv_dim *n = fv_dim_product(w->module->dims, x->type->rank, x->type->dims);
    return fv_w_reshape(w, x, 1, &n);
}

fv_value *fv_w_reduce(fv_rewriter *w, fv_op_id kind, fv_value *x, int axis) {
    int64_t at = axis;
    fv_attr a = fv_attr_int(w->module, "keepdims", 0);
    return x ? fv_w_op(w, kind, 2, (fv_value *[]){x, fv_const_ints(w->module, "axes", 1, &at)}, 1,
                       &a)
             : NULL;
}

fv_value *fv_w_sums_before(fv_rewriter *w, fv_value *x) {
    fv_attr a = fv_attr_int(w->module, "exclusive", 1);
    return fv_w_op(w, FV_OP_CumSum, 2, (fv_value *[]){x, fv_w_int(w, FV_I64, 0)}, 1, &a);
}
