/* ml.c - see ml.h. Where the standard does not specify how scores are transformed, this follows
 * ONNX Runtime. */
#include "ops/ml/ml.h"

#include "ir/base/text.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"

/* ---- attributes ---- */

const float *fv_ml_floats(const fv_op *op, const char *name, int *n) {
    const fv_attr *a = fv_op_find_attr(op, name);
    *n = a ? a->n : 0;
    return a ? a->u.floats : NULL;
}

fv_value *fv_ml_const_floats(fv_module *m, const char *stem, fv_elem e, const float *v, int rank,
                             const int64_t *dims) {
    fv_tensor *t = fv_tensor_new(m->arena, e, rank, dims);
    for (size_t i = 0; i < t->count; i++)
        fv_tensor_set_float(t, i, (double)v[i]);
    return fv_const_new(m, stem, t);
}

fv_value *fv_ml_const_ints(fv_module *m, const char *stem, fv_elem e, int n, const int64_t *v) {
    fv_tensor *t = fv_tensor_new(m->arena, e, 1, (int64_t[]){n});
    for (int i = 0; i < n; i++)
        fv_tensor_set_int(t, (size_t)i, v[i]);
    return fv_const_new(m, stem, t);
}

static const fv_attr *names_of(const fv_op *op) {
    const fv_attr *a = fv_op_find_attr(op, "classlabels_strings");
    return a && a->n ? a : NULL;
}

const int64_t *fv_ml_labels(const fv_op *op, const char *name, int *n) {
    const fv_attr *names = names_of(op);
    if (!names)
        return fv_op_ints(op, name, n);
    int64_t *numbers = FV_NEW(fv_op_module(op)->arena, int64_t, names->n);
    for (*n = 0; *n < names->n; ++*n)
        numbers[*n] = *n;
    return numbers;
}

bool fv_ml_infer_label(fv_op *op, const char *name, const fv_dim *rows) {
    const fv_attr *names = names_of(op);
    int n;
    fv_op_ints(op, name, &n);
    if (names && n)
        return fv_op_error(op, "has classlabels_strings, and %s too", name);
    if (names && names->n < 2)
        return fv_op_error(op, "has one name of a class, expected two at least");
    fv_infer_out(op, 0, names ? FV_STRING : FV_I64, 1, &rows);
    return true;
}

bool fv_ml_name_classes(fv_rewriter *w, fv_op *op, const char *name) {
    fv_module *m = w->module;
    const fv_attr names = *names_of(op);
    int n;
    const int64_t *numbers = fv_ml_labels(op, name, &n);
    fv_tensor *strings = fv_tensor_new(m->arena, FV_STRING, 1, (int64_t[]){n});
    fv_op_drop_attr(op, names.name);
    fv_op_set_ints(op, name, n, numbers);
    for (int i = 0; i < n; i++)
        ((fv_string *)(uintptr_t)strings->data)[i] =
            names.u.strings[i]; /* allocated here, so it may be written */
    bool scored = op->nout > 1 && op->out[1];
    fv_op *made = fv_op_new(op->block, op, op->def, op->nin, op->in, op->nout,
                            (const char *[]){"class", scored ? "scores" : NULL}, op->origin);
    fv_op_move_attrs(op, made);
    if (!fv_op_infer(made))
        return false;
    fv_w_result(w, 0, FV_W2(w, FV_OP_Gather, fv_const_new(m, "names", strings), made->out[0]));
    if (scored)
        fv_w_result(w, 1, made->out[1]);
    return true;
}

int fv_ml_choice(const fv_op *op, const char *name, int n, const char *const *choices) {
    fv_text all = {.arena = fv_op_module(op)->arena};
    fv_string s = fv_op_string(op, name);
    for (int i = 0; i < n; i++) {
        if (fv_attr_is(op, name, choices[i]))
            return i;
        fv_text_printf(&all, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", choices[i]);
    }
    (void)!fv_op_error(op, "%s is '%.*s', expected %s", name, (int)(s.n > 40 ? 40 : s.n), s.s,
                       all.s);
    return -1;
}

/* ---- rows ---- */

void fv_ml_rows(fv_dims *t, const fv_type *x, const fv_dim **dims) {
    dims[0] = x->rank == 1 ? fv_dim_const(t, 1) : x->dims[0];
    dims[1] = x->dims[x->rank - 1];
}

bool fv_ml_infer_features(fv_op *op, int64_t n, const char *what) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *have = x->dims[x->rank - 1];
    return fv_module_assume(m, have, fv_dim_const(m->dims, n), fv_op_why(op, what)) ||
           fv_op_error(op, "X has %s features, %s is for %lld", fv_dim_str(m->arena, have), what,
                       (long long)n);
}

fv_value *fv_ml_matrix(fv_rewriter *w, fv_op *op, fv_elem e) {
    const fv_dim *dims[2];
    fv_ml_rows(w->module->dims, fv_in_type(op, 0), dims);
    return fv_w_cast(w, fv_w_reshape(w, op->in[0], 2, dims), e);
}

/* ---- scores ---- */

bool fv_ml_post_transform(const fv_op *op, fv_post_transform *out) {
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    int i = fv_ml_choice(op, "post_transform", 5, names);
    *out = i < 0 ? FV_POST_NONE : (fv_post_transform)i;
    return i >= 0;
}

fv_value *fv_ml_transformed(fv_rewriter *w, fv_value *scores, fv_post_transform post) {
    if (!scores)
        return NULL;
    switch (post) {
    case FV_POST_NONE: return scores;
    case FV_POST_SOFTMAX: return FV_W1(w, FV_OP_Softmax, scores);
    case FV_POST_LOGISTIC: return FV_W1(w, FV_OP_Sigmoid, scores);
    case FV_POST_SOFTMAX_ZERO: return FV_W1(w, FV_OP_fv_SoftmaxZero, scores);
    case FV_POST_PROBIT: return FV_W1(w, FV_OP_fv_Probit, scores);
    }
    return scores;
}

fv_value *fv_ml_two_classes(fv_rewriter *w, fv_value *score, fv_post_transform post, bool by_sign) {
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    if (!score || post == FV_POST_PROBIT)
        return NULL;
    fv_value *first = by_sign ? FV_W1(w, FV_OP_Neg, score)
                              : FV_W2(w, FV_OP_Sub, fv_w_float(w, score->type->elem, 1), score);
    if (post == FV_POST_LOGISTIC) {
        first = FV_W1(w, FV_OP_Sigmoid, FV_W1(w, FV_OP_Neg, score));
        score = FV_W1(w, FV_OP_Sigmoid, score);
    }
    return fv_w_op(w, FV_OP_Concat, 2, (fv_value *[]){first, score}, 1, &axis);
}

fv_value *fv_ml_best(fv_rewriter *w, fv_value *scores, int n, const int64_t *labels) {
    fv_attr attrs[2] = {fv_attr_int(w->module, "axis", 1), fv_attr_int(w->module, "keepdims", 0)};
    fv_value *at = fv_w_op(w, FV_OP_ArgMax, 1, &scores, 2, attrs);
    return FV_W2(w, FV_OP_Gather, fv_const_ints(w->module, "labels", n, labels), at);
}

fv_value *fv_ml_either(fv_rewriter *w, fv_value *condition, int64_t yes, int64_t no) {
    return FV_W3(w, FV_OP_Where, condition, fv_w_int(w, FV_I64, yes), fv_w_int(w, FV_I64, no));
}

fv_value *fv_ml_column(fv_rewriter *w, fv_value *x, int k) {
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    return fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){x, fv_w_int(w, FV_I64, k)}, 1, &axis);
}

const fv_opdef fv_ops_ml[] = {
    {.domain = "fv",
     .name = "SoftmaxZero",
     .id = FV_OP_fv_SoftmaxZero,
     .since = {1},
     .doc = "softmax over the last axis, without the scores that are 0; 0.5 if all are 0",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}},
     .formula =
         "m = max k: X[b.., k]; s = sum k: select(0.0000001 < abs(X[b.., k]), exp(X[b.., k] "
         "- m), X[b.., k] * exp(-m)); "
         "Y[b.., j] = select(s == 0, 0.5, select(0.0000001 < abs(X[b.., j]), exp(X[b.., j] - m), "
         "X[b.., j] * exp(-m)) / s)"},
    /* Winitzki's approximation of the inverse error function, with the constants of ONNX Runtime */
    {.domain = "fv",
     .name = "Probit",
     .id = FV_OP_fv_Probit,
     .since = {1},
     .doc = "an approximation of the quantile function of the normal distribution",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET(F32) | FV_SET(F64)}},
     .formula = "x = 2 * X - 1; l = log((1 - x) * (1 + x)); v = 2 / (3.14159 * 0.147) + 0.5 * l; "
                "r = 1.41421356 * sqrt(sqrt(v * v - 1 / 0.147 * l) - v); Y = select(x < 0, -r, r)"},

    {0}};
