/* ml_features.c - operators of ai.onnx.ml that prepare features: they scale, encode and select
 * them. */
#include "ops/ml/ml.h"

#include <math.h>
#include <stdlib.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* ---- Scaler ---- */

/* Checks a list with one number for all features, or one for each. */
static bool check_per_feature(fv_op *op, const char *name, int n) {
    return n <= 1 || fv_ml_infer_features(op, n, name);
}

static bool infer_scaler(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    int offsets, scales;
    fv_ml_floats(op, "offset", &offsets);
    fv_ml_floats(op, "scale", &scales);
    fv_infer_out(op, 0, FV_F32, x->rank, x->dims);
    if (offsets && scales && offsets != scales)
        return fv_op_error(op, "offset has %d numbers, scale %d", offsets, scales);
    return check_per_feature(op, "offset", offsets) && check_per_feature(op, "scale", scales);
}

static fv_value *per_feature(fv_module *m, const char *stem, fv_elem e, int n, const float *v) {
    return fv_ml_const_floats(m, stem, e, v, n == 1 ? 0 : 1, (int64_t[]){n});
}

static bool decompose_scaler(fv_rewriter *w, fv_op *op) {
    fv_elem e = fv_in_type(op, 0)->elem == FV_F64 ? FV_F64 : FV_F32;
    fv_value *y = fv_w_cast(w, op->in[0], e);
    int n;
    const float *offset = fv_ml_floats(op, "offset", &n);
    if (n)
        y = FV_W2(w, FV_OP_Sub, y, per_feature(w->module, "offset", e, n, offset));
    const float *scale = fv_ml_floats(op, "scale", &n);
    if (n)
        y = FV_W2(w, FV_OP_Mul, y, per_feature(w->module, "scale", e, n, scale));
    fv_w_result(w, 0, fv_w_cast(w, y, FV_F32));
    return true;
}

/* ---- Normalizer ---- */

static bool infer_normalizer(fv_op *op) {
    static const char *const norms[] = {"MAX", "L1", "L2"};
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, FV_F32, x->rank, x->dims);
    return fv_ml_choice(op, "norm", 3, norms) >= 0;
}

/* ---- Binarizer ---- */

/* The threshold as a number t of type e such that x > t if and only if x > threshold, for all x of
 * that type. */
static fv_value *threshold_of(fv_rewriter *w, fv_elem e, float threshold) {
    if (fv_elem_is_float(e))
        return fv_w_float(w, e, (double)threshold);
    double most = e == FV_I32 ? INT32_MAX : 0x1p63, least = e == FV_I32 ? INT32_MIN : -0x1p63;
    double t = floor((double)threshold);
    if (isnan(t) || t >= most) /* no number is above */
        return fv_w_int(w, e, e == FV_I32 ? INT32_MAX : INT64_MAX);
    return t < least ? NULL : fv_w_int(w, e, (int64_t)t);
}

static bool decompose_binarizer(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_value *t = threshold_of(w, x->elem, fv_op_float(op, "threshold"));
    fv_value *above =
        t ? FV_W2(w, FV_OP_Greater, op->in[0], t) : FV_W2(w, FV_OP_Equal, op->in[0], op->in[0]);
    fv_w_result(w, 0, fv_w_cast(w, above, x->elem));
    return true;
}

/* ---- Imputer ---- */

/* The name of the attribute with imputed values: integers if X has integers. */
static const char *imputed_name(fv_elem e) {
    return fv_elem_is_float(e) ? "imputed_value_floats" : "imputed_value_int64s";
}

static bool infer_imputer(fv_op *op) {
    fv_elem e = fv_in_type(op, 0)->elem;
    const fv_attr *a = fv_op_find_attr(op, imputed_name(e));
    fv_infer_like(op, 0, 0);
    if (!a || !a->n)
        return fv_op_error(op, "X is of %s, expected %s", fv_elem_name(e), imputed_name(e));
    for (int i = 0; e == FV_I32 && i < a->n; i++)
        if (a->u.ints[i] != (int32_t)a->u.ints[i])
            return fv_op_error(op, "%s has %lld, which i32 does not", a->name,
                               (long long)a->u.ints[i]);
    return check_per_feature(op, a->name, a->n);
}

/* The condition that an element of X is replaced. */
static fv_value *is_replaced(fv_rewriter *w, fv_op *op) {
    fv_value *x = op->in[0];
    fv_elem e = fv_in_type(op, 0)->elem;
    if (!fv_elem_is_float(e)) {
        int64_t v = fv_op_int(op, "replaced_value_int64");
        return FV_W2(w, FV_OP_Equal, fv_w_cast(w, x, FV_I64), fv_w_int(w, FV_I64, v));
    }
    float v = fv_op_float(op, "replaced_value_float");
    if (isnan(v))
        return FV_W1(w, FV_OP_Not, FV_W2(w, FV_OP_Equal, x, x));
    return FV_W2(w, FV_OP_Equal, x, fv_w_float(w, e, (double)v));
}

static bool decompose_imputer(fv_rewriter *w, fv_op *op) {
    fv_elem e = fv_in_type(op, 0)->elem;
    const fv_attr *a = fv_op_find_attr(op, imputed_name(e));
    fv_value *imputed = fv_elem_is_float(e)
                            ? per_feature(w->module, "imputed", e, a->n, a->u.floats)
                            : fv_ml_const_ints(w->module, "imputed", e, a->n, a->u.ints);
    fv_w_result(w, 0, FV_W3(w, FV_OP_Where, is_replaced(w, op), imputed, op->in[0]));
    return true;
}

/* ---- ArrayFeatureExtractor ---- */

static bool infer_extractor(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0), *y = fv_in_type(op, 1);
    const fv_dim *n = fv_dim_product(t, y->rank, y->dims),
                 *dims[FV_MAX_RANK] = {fv_dim_const(t, 1)};
    int rank = x->rank == 1 ? 2 : x->rank;
    for (int i = 0; x->rank > 1 && i < rank - 1; i++)
        dims[i] = x->dims[i];
    dims[rank - 1] = n;
    fv_infer_out(op, 0, x->elem, rank, dims);
    return true;
}

static bool decompose_extractor(fv_rewriter *w, fv_op *op) {
    const fv_type *z = op->out[0]->type;
    fv_value *at = fv_w_reshape(w, op->in[1], 1, &z->dims[z->rank - 1]);
    fv_value *x = op->in[0];
    if (fv_in_type(op, 0)->rank == 1) {
        const fv_dim *row[2] = {z->dims[0], fv_in_type(op, 0)->dims[0]};
        x = fv_w_reshape(w, x, 2, row);
    }
    fv_w_result(w, 0, FV_W2(w, FV_OP_fv_Columns, x, at));
    return true;
}

static bool infer_columns(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == x->rank - 1 ? fv_in_type(op, 1)->dims[0] : x->dims[i];
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return true;
}

/* ---- FeatureVectorizer ---- */

/* The number of columns of operand i as a matrix. */
static const fv_dim *columns_of(fv_dims *t, const fv_type *x) {
    return x->rank == 1 ? x->dims[0] : fv_dim_product(t, x->rank - 1, x->dims + 1);
}

static bool infer_vectorizer(fv_op *op) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_dim *one = fv_dim_const(t, 1), *dims[2] = {NULL, fv_dim_const(t, 0)};
    int n;
    const int64_t *sizes = fv_op_ints(op, "inputdimensions", &n);
    if (n && n != op->nin)
        return fv_op_error(op, "has %d inputs, inputdimensions %d sizes", op->nin, n);
    for (int i = 0; i < op->nin; i++) {
        const fv_type *x = fv_in_type(op, i);
        const fv_dim *rows = x->rank == 1 ? one : x->dims[0], *columns = columns_of(t, x);
        if (n && sizes[i] < 0)
            return fv_op_error(op, "inputdimensions has %lld for input %d", (long long)sizes[i], i);
        if (dims[0] && !fv_module_assume(m, rows, dims[0], fv_op_why(op, "rows of features")))
            return fv_op_error(op, "input %d has %s rows, those before have %s", i,
                               fv_dim_str(m->arena, rows), fv_dim_str(m->arena, dims[0]));
        if (n && !fv_dim_is_const(columns) &&
            !fv_module_assume(m, columns, fv_dim_const(t, sizes[i]),
                              fv_op_why(op, "columns of features")))
            return fv_op_error(op, "input %d has %s columns, inputdimensions %lld", i,
                               fv_dim_str(m->arena, columns), (long long)sizes[i]);
        dims[0] = dims[0] ? dims[0] : rows;
        dims[1] = fv_dim_add(t, dims[1], n ? fv_dim_const(t, sizes[i]) : columns);
    }
    fv_infer_out(op, 0, FV_F32, 2, dims);
    return true;
}

/* Rows of operand i, truncated or extended by zeros to `size` columns. */
static fv_value *sized(fv_rewriter *w, fv_op *op, int i, const fv_dim *rows, const int64_t *size) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, i);
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1),
                 *dims[2] = {rows, columns_of(t, x)};
    fv_value *y = fv_w_cast(w, fv_w_reshape(w, op->in[i], 2, dims), FV_F32);
    if (!size || !fv_dim_is_const(dims[1]) || dims[1]->value == *size)
        return y;
    int64_t have = dims[1]->value;
    dims[1] = fv_dim_const(t, *size > have ? *size - have : *size);
    if (*size < have)
        return fv_w_slice(w, y, (const fv_dim *[]){zero, zero}, (const fv_dim *[]){one, one}, dims);
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    fv_value *fill = fv_w_expand(w, fv_w_float(w, FV_F32, 0), 2, dims);
    return fv_w_op(w, FV_OP_Concat, 2, (fv_value *[]){y, fill}, 1, &axis);
}

static bool decompose_vectorizer(fv_rewriter *w, fv_op *op) {
    int n;
    const int64_t *sizes = fv_op_ints(op, "inputdimensions", &n);
    fv_value **parts = FV_NEW(w->module->arena, fv_value *, op->nin);
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    for (int i = 0; i < op->nin; i++)
        parts[i] = sized(w, op, i, op->out[0]->type->dims[0], n ? &sizes[i] : NULL);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_Concat, op->nin, parts, 1, &axis));
    return true;
}

const fv_opdef fv_ops_ml_features[] = {
    {.domain = "fv",
     .name = "Columns",
     .id = FV_OP_fv_Columns,
     .since = {1},
     .doc = "the elements of the last axis at the given indices",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"at", "I", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_ML_NUMBERS | FV_SET(STRING)}, {"I", FV_SET(I64)}},
     .infer = infer_columns,
     .formula = "Y[b.., j] = X[b.., at[j]]"},
    {FV_ML("ArrayFeatureExtractor"), .since = {1},
     .doc = "the features at the positions in Y; a vector becomes a row",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"Y", "I"}}, .out = {{"Z", "T"}},
     .types = {{"T", FV_ML_NUMBERS | FV_SET(STRING)}, {"I", FV_SET(I64)}}, .infer = infer_extractor,
     .decompose = decompose_extractor},
    {FV_ML("Binarizer"), .since = {1}, .doc = "1 where x is above the threshold, else 0",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}}, .attrs = {FV_A_FLOAT("threshold", 0.0f)},
     .types = {{"T", FV_ML_NUMBERS}}, .decompose = decompose_binarizer},
    {FV_ML("FeatureVectorizer"), .since = {1},
     .doc = "concatenates rows of features; each input is cut or filled up "
            "with zeros to its number of columns",
     .in = {{"X", "T1", FV_VARIADIC, .min = 1, .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("inputdimensions", INTS)},
     .types = {{"T1", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}}, .infer = infer_vectorizer,
     .decompose = decompose_vectorizer},
    {FV_ML("Imputer"), .since = {1},
     .doc = "replaces a certain number by another, one for all features or "
            "one for each feature",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_OPTIONAL("imputed_value_floats", FLOATS),
               FV_A_OPTIONAL("imputed_value_int64s", INTS),
               FV_A_FLOAT("replaced_value_float", 0.0f), FV_A_INT("replaced_value_int64", 0)},
     .types = {{"T", FV_ML_NUMBERS}}, .infer = infer_imputer, .decompose = decompose_imputer},
    {FV_ML("Normalizer"), .since = {1},
     .doc =
         "each row divided by its largest element, by the sum of its magnitudes, or by its length",
     .in = {{"X", "T", .rank = FV_RANKS(1, 2)}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_STRING("norm", "MAX")}, .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}},
     .infer = infer_normalizer,
     .formula = "m = max k: f32(X[b.., k]); a = sum k: abs(f32(X[b.., k])); q = sum k: f32(X[b.., "
                "k]) * f32(X[b.., k]); "
                "d = select(norm == \"MAX\", m, select(norm == \"L1\", a, sqrt(q))); "
                "Y[b.., j] = f32(X[b.., j]) / select(d == 0, 1, d)"},
    {FV_ML("Scaler"), .since = {1},
     .doc = "(x - offset) * scale, where offset and scale are one number "
            "each, or one for each feature",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("offset", FLOATS), FV_A_OPTIONAL("scale", FLOATS)},
     .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}}, .infer = infer_scaler,
     .decompose = decompose_scaler},

    {0}};
