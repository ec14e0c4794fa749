/* attend.c - building blocks for the expansions of attention operators. */
#include "ops/attention/attend.h"

#include <float.h>
#include <math.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/common/dims.h"

bool fv_same_dim(fv_op *op, const fv_dim *a, const fv_dim *b, const char *what) {
    fv_module *m = fv_op_module(op);
    return fv_module_assume(m, a, b, what) ||
           fv_op_error(op, "%s: %s and %s", what, fv_dim_str(m->arena, a), fv_dim_str(m->arena, b));
}

bool fv_split_dim(fv_op *op, const fv_dim *all, const fv_dim *parts, const fv_dim **size,
                  const char *what) {
    fv_dims *t = fv_op_module(op)->dims;
    *size = fv_dim_floordiv(t, all, parts);
    return fv_same_dim(op, all, fv_dim_mul(t, *size, parts), what);
}

/* ---- heads and caches ---- */

fv_value *fv_w_split_heads(fv_rewriter *w, const fv_attention_dims *s, fv_value *x,
                           const fv_dim *length, const fv_dim *heads, const fv_dim *size) {
    static const int perm[4] = {0, 2, 1, 3};
    const fv_dim *dims[4] = {s->batch, length, heads, size};
    return fv_w_transpose(w, fv_w_reshape(w, x, 4, dims), perm);
}

fv_value *fv_w_merge_heads(fv_rewriter *w, fv_value *x) {
    static const int perm[4] = {0, 2, 1, 3};
    if (!x)
        return NULL;
    const fv_dim *const *d = x->type->dims;
    const fv_dim *dims[3] = {d[0], d[2], fv_dim_mul(w->module->dims, d[1], d[3])};
    return fv_w_reshape(w, fv_w_transpose(w, x, perm), 3, dims);
}

fv_value *fv_w_part(fv_rewriter *w, fv_value *x, int axis, const fv_dim *start, const fv_dim *n) {
    const fv_dim *from[FV_MAX_RANK], *step[FV_MAX_RANK], *dims[FV_MAX_RANK];
    if (!x)
        return NULL;
    for (int i = 0; i < x->type->rank; i++) {
        from[i] = i == axis ? start : fv_dim_const(w->module->dims, 0);
        step[i] = fv_dim_const(w->module->dims, 1);
        dims[i] = i == axis ? n : x->type->dims[i];
    }
    return fv_w_slice(w, x, from, step, dims);
}

fv_value *fv_w_append_keys(fv_rewriter *w, fv_value *past, fv_value *x) {
    fv_attr axis = fv_attr_int(w->module, "axis", 2);
    return past ? fv_w_op(w, FV_OP_Concat, 2, (fv_value *[]){past, x}, 1, &axis) : x;
}

fv_value *fv_w_grouped_product(fv_rewriter *w, const fv_attention_dims *s, fv_value *x,
                               fv_value *y) {
    return FV_CALL(w, "grouped_product", {x}, {y}, FV_DIM(s->batch), FV_DIM(s->q_heads),
                   FV_DIM(s->kv_heads));
}

/* ---- scores and weights ---- */

fv_value *fv_w_head_scale(fv_rewriter *w, const fv_dim *head, fv_elem e) {
    if (fv_dim_is_const(head))
        return fv_w_float(w, e, 1 / sqrt((double)head->value));
    fv_value *n = fv_w_cast(w, fv_w_ints(w, FV_I64, 0, 1, &head), e);
    return FV_W1(w, FV_OP_Reciprocal, FV_W1(w, FV_OP_Sqrt, n));
}

fv_value *fv_w_soft_cap(fv_rewriter *w, fv_value *x, float cap) {
    return FV_CALL(w, "soft_cap", {x}, FV_FLOAT((double)cap));
}

fv_value *fv_w_positions(fv_rewriter *w, const fv_dim *n, int rank, int axis) {
    return FV_CALL(w, "positions", FV_DIM(n), FV_INT(rank), FV_INT(axis));
}

fv_value *fv_w_both(fv_rewriter *w, fv_value *a, fv_value *b) {
    return FV_CALL(w, "both", {a}, {b});
}

fv_value *fv_w_weights(fv_rewriter *w, fv_value *x, fv_elem precision, bool guard, fv_value *sink) {
    if (!x)
        return NULL;
    fv_elem e = x->type->elem;
    fv_value *zero = fv_w_float(w, e, 0), *hidden = fv_w_float(w, e, (double)-INFINITY),
             *best = NULL;
    fv_value *last = fv_const_ints(w->module, "axes", 1, (int64_t[]){-1});
    if (sink)
        return FV_CALL(w, "weights_with_sink", {x}, {sink});
    if (guard)
        best = FV_W2(w, FV_OP_ReduceMax, x, last);
    fv_attr axis = fv_attr_int(w->module, "axis", -1);
    x = precision ? fv_w_cast(w, x, precision) : x;
    x = fv_w_cast(w, fv_w_op(w, FV_OP_Softmax, 1, &x, 1, &axis), e);
    return guard ? FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Equal, best, hidden), zero, x) : x;
}

/* ---- as ONNX Runtime's operators have it ---- */

static fv_value *of_head(fv_rewriter *w, const fv_attention_dims *s, fv_value *x) {
    const fv_dim *one = fv_dim_const(s->t, 1), *dims[4] = {one, s->q_heads, one, one};
    return x ? fv_w_reshape(w, fv_w_cast(w, x, FV_F32), 4, dims) : NULL;
}

fv_value *fv_w_attend(fv_rewriter *w, fv_attend *a) {
    static const int perm[4] = {0, 1, 3, 2};
    const fv_attention_dims *s = &a->d;
    fv_value *k = fv_w_cast(w, a->k, FV_F32), *v = fv_w_cast(w, a->v, FV_F32);
    fv_value *scale = a->scale != 0 ? fv_w_float(w, FV_F32, (double)a->scale)
                                    : fv_w_head_scale(w, s->head, FV_F32);
    fv_value *x =
        fv_w_grouped_product(w, s, fv_w_cast(w, a->q, FV_F32), fv_w_transpose(w, k, perm));
    x = fv_w_soft_cap(w, FV_W2(w, FV_OP_Mul, x, scale), a->cap);
    if (a->bias)
        x = FV_W2(w, FV_OP_Add, x, fv_w_cast(w, a->bias, FV_F32));
    a->scores = x;
    if (a->bias && a->clamped)
        x = FV_W2(w, FV_OP_Max, x, fv_w_float(w, FV_F32, (double)-FLT_MAX));
    if (a->seen)
        x = FV_W3(w, FV_OP_Where, a->seen, x, fv_w_float(w, FV_F32, (double)-INFINITY));
    a->weights = fv_w_weights(w, x, 0, false, of_head(w, s, a->sink));
    return fv_w_grouped_product(w, s, a->weights, v);
}
