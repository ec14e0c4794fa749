/* ml_features.c - operators of ai.onnx.ml that prepare features: scaling, encoding, choosing them. */
#include "ir/ops/ml.h"

#include <math.h>
#include <stdlib.h>

#include "ir/base/limits.h"
#include "ir/definition/custom.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* ---- Scaler ---- */

/* A number for all features, or one for each. */
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

/* The threshold as a number of type e that the same numbers of that type are above. */
static fv_value *threshold_of(fv_rewriter *w, fv_elem e, float threshold) {
    if (fv_elem_is_float(e))
        return fv_w_float(w, e, (double)threshold);
    double most = e == FV_I32 ? INT32_MAX : 0x1p63, least = e == FV_I32 ? INT32_MIN : -0x1p63;
    double t = floor((double)threshold);
    if (isnan(t) || t >= most) /* nothing is above */
        return fv_w_int(w, e, e == FV_I32 ? INT32_MAX : INT64_MAX);
    return t < least ? NULL : fv_w_int(w, e, (int64_t)t);
}

static bool decompose_binarizer(fv_rewriter *w, fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_value *t = threshold_of(w, x->elem, fv_op_float(op, "threshold"));
    fv_value *above = t ? FV_W2(w, FV_OP_Greater, op->in[0], t) : FV_W2(w, FV_OP_Equal, op->in[0], op->in[0]);
    fv_w_result(w, 0, fv_w_cast(w, above, x->elem));
    return true;
}

/* ---- Imputer ---- */

/* The imputed values: of ints where X is. */
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
            return fv_op_error(op, "%s has %lld, which i32 does not", a->name, (long long)a->u.ints[i]);
    return check_per_feature(op, a->name, a->n);
}

/* Where is X what is replaced? */
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
    fv_value *imputed = fv_elem_is_float(e) ? per_feature(w->module, "imputed", e, a->n, a->u.floats)
                                            : fv_ml_const_ints(w->module, "imputed", e, a->n, a->u.ints);
    fv_w_result(w, 0, FV_W3(w, FV_OP_Where, is_replaced(w, op), imputed, op->in[0]));
    return true;
}

/* ---- ArrayFeatureExtractor ---- */

static bool infer_extractor(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0), *y = fv_in_type(op, 1);
    const fv_dim *n = fv_dim_product(t, y->rank, y->dims), *dims[FV_MAX_RANK] = {fv_dim_const(t, 1)};
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

/* How many columns operand i has, and how many of them count: more are zeros. */
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
            return fv_op_error(op, "input %d has %s rows, those before have %s", i, fv_dim_str(m->arena, rows),
                               fv_dim_str(m->arena, dims[0]));
        if (n && !fv_dim_is_const(columns) && !fv_module_assume(m, columns, fv_dim_const(t, sizes[i]), fv_op_why(op, "columns of features")))
            return fv_op_error(op, "input %d has %s columns, inputdimensions %lld", i, fv_dim_str(m->arena, columns),
                               (long long)sizes[i]);
        dims[0] = dims[0] ? dims[0] : rows;
        dims[1] = fv_dim_add(t, dims[1], n ? fv_dim_const(t, sizes[i]) : columns);
    }
    fv_infer_out(op, 0, FV_F32, 2, dims);
    return true;
}

/* Rows of operand i, cut or filled up to `size` columns. */
static fv_value *sized(fv_rewriter *w, fv_op *op, int i, const fv_dim *rows, const int64_t *size) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, i);
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1), *dims[2] = {rows, columns_of(t, x)};
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

/* ---- fv.Lookup: what belongs to a key ---- */

enum { BLOCK = 1024 }; /* elements of a task */

static bool infer_lookup(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *keys = fv_in_type(op, 1), *values = fv_in_type(op, 2);
    const fv_dim *n = keys->dims[0];
    fv_infer_out(op, 0, values->elem, x->rank, x->dims);
    if (!fv_dim_is_const(n) || n->value < 1 || n->value & (n->value - 1))
        return fv_op_error(op, "there are %s keys, expected a power of 2", fv_dim_str(m->arena, n));
    return fv_module_assume(m, values->dims[0], n, "a value for each key") ||
           fv_op_error(op, "there are %s keys, and %s values", fv_dim_str(m->arena, n), fv_dim_str(m->arena, values->dims[0]));
}

static fv_expr *bin(fv_custom *c, fv_expr_op op, fv_expr *x, fv_expr *y) {
    return fv_x_bin(c->arena, op, x, y);
}

/* The last of the n sorted keys that is not above x, or the first: no branch depends on data. */
static fv_expr *search(fv_custom *c, fv_buf *keys, int64_t n, fv_expr *x) {
    fv_expr *at = fv_x_int(c->arena, 0);
    for (int64_t half = n / 2; half; half /= 2) {
        fv_expr *right = fv_kb_let(&c->b, "right", bin(c, FV_X_ADD, at, fv_x_int(c->arena, half)));
        fv_expr *is_right = bin(c, FV_X_LE, fv_custom_load(c, keys, &right), x);
        at = fv_kb_let(&c->b, "at", fv_x_select(c->arena, is_right, right, at));
    }
    return at;
}

/* The only element. */
static fv_expr *element(fv_custom *c, fv_buf *b) {
    fv_expr *zero = fv_x_int(c->arena, 0);
    return fv_custom_load(c, b, b->rank ? &zero : NULL);
}

static bool kernel_lookup(fv_custom *c, fv_op *op) {
    fv_arena *a = c->arena;
    int64_t n = fv_in_type(op, 1)->dims[0]->value;
    fv_custom_begin(c, "lookup");
    fv_buf *from = fv_custom_in(c, 0), *keys = fv_custom_in(c, 1), *values = fv_custom_in(c, 2);
    fv_buf *missing = fv_custom_in(c, 3), *nan = fv_custom_in(c, 4), *to = fv_custom_out(c, 0);
    fv_expr *size = fv_custom_dim(c, fv_in_type(op, 0)->dims[0]), *block = fv_x_int(a, BLOCK), *zero = fv_x_int(a, 0);
    fv_expr *blocks = bin(c, FV_X_FLOORDIV, bin(c, FV_X_ADD, size, fv_x_int(a, BLOCK - 1)), block);
    fv_expr *first = bin(c, FV_X_MUL, fv_kb_for(&c->b, FV_PARALLEL, "block", zero, blocks, 1), block);
    fv_expr *count = fv_kb_let(&c->b, "count", bin(c, FV_X_MIN, block, bin(c, FV_X_SUB, size, first)));
    fv_expr *i = bin(c, FV_X_ADD, first, fv_kb_for(&c->b, FV_VECTOR, "i", zero, count, 1));
    fv_expr *x = fv_kb_let(&c->b, "x", fv_custom_load(c, from, &i)), *at = search(c, keys, n, x);
    fv_expr *found = bin(c, FV_X_EQ, fv_custom_load(c, keys, &at), x);
    fv_expr *y = fv_x_select(a, found, fv_custom_load(c, values, &at), element(c, missing));
    if (fv_elem_is_float(from->elem))
        y = fv_x_select(a, bin(c, FV_X_NE, x, x), element(c, nan), y);
    fv_custom_store(c, to, &i, y, NULL);
    fv_kb_end(&c->b);
    fv_kb_end(&c->b);
    fv_custom_end(c);
    return true;
}

/* A map from numbers to numbers: elements of two lists among the attributes, or of tensors. */
typedef struct list {
    const char *name; /* NULL: there is none */
    fv_elem elem;
    size_t n;
    const fv_attr *attr;
} list;

static list list_of(const fv_attr *a) {
    if (!a)
        return (list){0};
    switch (a->kind) {
    case FV_ATTR_INTS: return (list){a->name, FV_I64, (size_t)a->n, a};
    case FV_ATTR_FLOATS: return (list){a->name, FV_F32, (size_t)a->n, a};
    case FV_ATTR_TENSOR: return (list){a->name, a->u.tensor->elem, a->u.tensor->count, a};
    case FV_ATTR_INT: case FV_ATTR_FLOAT: case FV_ATTR_STRING: case FV_ATTR_STRINGS: case FV_ATTR_TYPE: case FV_ATTR_DIMS: case FV_ATTR_REGION: break;
    }
    return (list){0};
}

static int64_t int_at(const list *l, size_t i) {
    return l->attr->kind == FV_ATTR_INTS ? l->attr->u.ints[i] : fv_tensor_int(l->attr->u.tensor, i);
}

static double float_at(const list *l, size_t i) {
    return l->attr->kind == FV_ATTR_FLOATS ? (double)l->attr->u.floats[i] : fv_tensor_float(l->attr->u.tensor, i);
}

typedef struct entry {
    int64_t i;
    double f; /* the key is one of them; the other is 0 */
    size_t at;
} entry;

static int by_key(const void *p, const void *q) {
    const entry *x = p, *y = q;
    if (x->i != y->i)
        return x->i < y->i ? -1 : 1;
    if (x->f != y->f)
        return x->f < y->f ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Keys that are numbers, sorted, each once: of equal ones the first. *nan: one that is none, or n. */
static size_t sorted_keys(fv_arena *a, const list *keys, entry **out, size_t *nan) {
    entry *e = *out = FV_NEW(a, entry, keys->n + 1);
    bool is_float = fv_elem_is_float(keys->elem);
    size_t n = 0, unique = 0;
    *nan = keys->n;
    for (size_t i = 0; i < keys->n; i++) {
        entry x = {.i = is_float ? 0 : int_at(keys, i), .f = is_float ? float_at(keys, i) : 0, .at = i};
        if (!isnan(x.f))
            e[n++] = x;
        else if (*nan == keys->n)
            *nan = i;
    }
    qsort(e, n, sizeof *e, by_key);
    for (size_t i = 0; i < n; i++)
        if (!unique || e[i].i != e[unique - 1].i || e[i].f != e[unique - 1].f)
            e[unique++] = e[i];
    return unique;
}

static void set_key(fv_tensor *t, size_t i, const entry *e) {
    if (fv_elem_is_float(t->elem))
        fv_tensor_set_float(t, i, e->f);
    else
        fv_tensor_set_int(t, i, e->i);
}

static void set_value(fv_tensor *t, size_t i, const list *values, size_t at) {
    if (fv_elem_is_float(t->elem))
        fv_tensor_set_float(t, i, float_at(values, at));
    else
        fv_tensor_set_int(t, i, int_at(values, at));
}

static void copy_value(fv_tensor *t, size_t i, const fv_tensor *from) {
    if (fv_elem_is_float(t->elem))
        fv_tensor_set_float(t, i, fv_tensor_float(from, 0));
    else
        fv_tensor_set_int(t, i, fv_tensor_int(from, 0));
}

/* What belongs to the elements of x; those without a key become `missing`, a tensor of rank 0. */
static fv_value *lookup(fv_rewriter *w, fv_value *x, const list *keys, const list *values, const fv_tensor *missing) {
    fv_module *m = w->module;
    entry *e;
    size_t nan, n = sorted_keys(m->arena, keys, &e, &nan), padded = 1;
    while (padded < n)
        padded *= 2;
    int64_t dims[1] = {(int64_t)padded};
    fv_tensor *k = fv_tensor_new(m->arena, keys->elem, 1, dims), *v = fv_tensor_new(m->arena, missing->elem, 1, dims);
    fv_tensor *for_nan = fv_tensor_new(m->arena, missing->elem, 0, NULL);
    copy_value(v, 0, missing); /* where no key is a number, 0 is one that means nothing */
    for (size_t i = 0; n && i < padded; i++) {
        const entry *from = &e[i < n ? i : n - 1];
        set_key(k, i, from);
        set_value(v, i, values, from->at);
    }
    copy_value(for_nan, 0, missing);
    if (nan < keys->n)
        set_value(for_nan, 0, values, nan);
    const fv_dim *all = fv_dim_product(m->dims, x->type->rank, x->type->dims);
    fv_value *in[5] = {fv_w_reshape(w, x, 1, &all), fv_const_new(m, "keys", k), fv_const_new(m, "values", v),
                       fv_const_new(m, "missing", missing), fv_const_new(m, "for_nan", for_nan)};
    return fv_w_reshape(w, fv_w_op(w, FV_OP_fv_Lookup, 5, in, 0, NULL), x->type->rank, x->type->dims);
}

/* ---- LabelEncoder ---- */

/* The one of the attributes PREFIXint64s, PREFIXfloats and PREFIXtensor that is there, and the only one. */
static bool find_list(const fv_op *op, const char *kind, const char *const *names, list *out) {
    *out = (list){0};
    for (int i = 0; i < 3; i++) {
        list l = list_of(fv_op_find_attr(op, names[i]));
        if (l.name && out->name)
            return fv_op_error(op, "%s are %s, and %s too", kind, out->name, l.name);
        if (l.name)
            *out = l;
    }
    return out->name || fv_op_error(op, "has no %s: expected %s, %s or %s", kind, names[0], names[1], names[2]);
}

static bool is_of_numbers(const fv_op *op, const list *l) {
    return (FV_SET_NUMBER >> l->elem & 1) || fv_op_error(op, "%s is of %s: there are no tensors of strings", l->name, fv_elem_name(l->elem));
}

static bool find_map(const fv_op *op, list *keys, list *values) {
    static const char *const key[] = {"keys_int64s", "keys_floats", "keys_tensor"};
    static const char *const value[] = {"values_int64s", "values_floats", "values_tensor"};
    return fv_ml_without_strings(op, "keys_strings", "keys_int64s, keys_floats or keys_tensor") &&
           fv_ml_without_strings(op, "values_strings", "values_int64s, values_floats or values_tensor") &&
           find_list(op, "keys", key, keys) && find_list(op, "values", value, values) && is_of_numbers(op, keys) &&
           is_of_numbers(op, values);
}

static bool infer_label_encoder(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_attr *d = fv_op_find_attr(op, "default_tensor");
    list keys, values;
    if (!find_map(op, &keys, &values))
        return false;
    if (keys.elem != x->elem)
        return fv_op_error(op, "X is of %s, %s of %s", fv_elem_name(x->elem), keys.name, fv_elem_name(keys.elem));
    if (keys.n != values.n)
        return fv_op_error(op, "has %zu keys, and %zu values", keys.n, values.n);
    if (d && (d->u.tensor->elem != values.elem || d->u.tensor->count != 1))
        return fv_op_error(op, "default_tensor has %zu elements of %s, expected one of %s", d->u.tensor->count,
                           fv_elem_name(d->u.tensor->elem), fv_elem_name(values.elem));
    fv_infer_out(op, 0, values.elem, x->rank, x->dims);
    return true;
}

static const fv_tensor *default_of(const fv_op *op, fv_elem e) {
    const fv_attr *d = fv_op_find_attr(op, "default_tensor");
    fv_tensor *t = fv_tensor_new(fv_op_module(op)->arena, e, 0, NULL);
    if (d)
        copy_value(t, 0, d->u.tensor);
    else if (fv_elem_is_float(e))
        fv_tensor_set_float(t, 0, (double)fv_op_float(op, "default_float"));
    else
        fv_tensor_set_int(t, 0, fv_op_int(op, "default_int64"));
    return t;
}

static bool decompose_label_encoder(fv_rewriter *w, fv_op *op) {
    list keys, values;
    if (!find_map(op, &keys, &values))
        return false;
    fv_w_result(w, 0, lookup(w, op->in[0], &keys, &values, default_of(op, values.elem)));
    return true;
}

/* ---- OneHotEncoder ---- */

static bool infer_one_hot_encoder(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int n;
    fv_op_ints(op, "cats_int64s", &n);
    if (!fv_ml_without_strings(op, "cats_strings", "cats_int64s"))
        return false;
    if (!n)
        return fv_op_error(op, "has no categories: expected cats_int64s");
    if (x->rank == FV_MAX_RANK)
        return fv_op_error(op, "X has rank %d, expected at most %d", x->rank, FV_MAX_RANK - 1);
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    dims[x->rank] = fv_dim_const(t, n);
    fv_infer_out(op, 0, FV_F32, x->rank + 1, dims);
    return true;
}

/* Where each of the n categories stands, the last one where it is there twice. */
static fv_value *category(fv_rewriter *w, fv_op *op, int n, const int64_t *categories) {
    fv_module *m = w->module;
    fv_attr keys = {.name = "keys", .kind = FV_ATTR_INTS, .n = n}, values = keys;
    int64_t *key = FV_NEW(m->arena, int64_t, n), *value = FV_NEW(m->arena, int64_t, n);
    for (int i = 0; i < n; i++) {
        value[i] = n - 1 - i;
        key[i] = categories[value[i]];
    }
    keys.u.ints = key;
    values.u.ints = value;
    fv_tensor *none = fv_tensor_new(m->arena, FV_I64, 0, NULL);
    fv_tensor_set_int(none, 0, n);
    list k = list_of(&keys), v = list_of(&values);
    fv_value *x = op->in[0], *at = lookup(w, fv_w_cast(w, x, FV_I64), &k, &v, none);
    if (fv_elem_is_float(x->type->elem)) /* NaN is no category, but converts to one */
        at = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Equal, x, x), at, fv_w_int(w, FV_I64, n));
    return at;
}

static bool decompose_one_hot_encoder(fv_rewriter *w, fv_op *op) {
    const fv_dim *dims[FV_MAX_RANK];
    const fv_type *y = op->out[0]->type;
    int n;
    const int64_t *categories = fv_op_ints(op, "cats_int64s", &n);
    int64_t *places = FV_NEW(w->module->arena, int64_t, n);
    for (int i = 0; i < n; i++)
        places[i] = i;
    fv_value *at = category(w, op, n, categories), *all = fv_const_ints(w->module, "places", n, places);
    if (!fv_op_int(op, "zeros")) /* an index that is out of range is an error of the run */
        at = FV_W2(w, FV_OP_Gather, all, at);
    for (int i = 0; i < y->rank; i++)
        dims[i] = i < y->rank - 1 ? y->dims[i] : fv_dim_const(w->module->dims, 1);
    fv_w_result(w, 0, fv_w_cast(w, FV_W2(w, FV_OP_Equal, fv_w_reshape(w, at, y->rank, dims), all), FV_F32));
    return true;
}

#define LABELS (FV_ML_NUMBERS | FV_SET(I16))

const fv_opdef fv_ops_ml_features[] = {
    {.domain = "fv", .name = "Columns", .id = FV_OP_fv_Columns, .since = {1},
     .doc = "elements of the last axis, at positions that are data",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"at", "I", .rank = FV_RANK(1)}}, .out = {{"Y", "T"}},
     .types = {{"T", FV_ML_NUMBERS}, {"I", FV_SET(I64)}},
     .infer = infer_columns,
     .formula = "Y[b.., j] = X[b.., at[j]]"},
    {.domain = "fv", .name = "Lookup", .id = FV_OP_fv_Lookup, .since = {1},
     .doc = "the value that belongs to the key that each element is; keys are sorted, the last repeated up to a power of 2",
     .in = {{"X", "K", .rank = FV_RANK(1)}, {"keys", "K", .rank = FV_RANK(1)}, {"values", "V", .rank = FV_RANK(1)},
            {"missing", "V", .rank = {.scalar = true}}, {"for_nan", "V", .rank = {.scalar = true}}},
     .out = {{"Y", "V"}},
     .types = {{"K", LABELS}, {"V", FV_SET_NUMBER}},
     .infer = infer_lookup,
     .kernel = kernel_lookup},
    {FV_ML("ArrayFeatureExtractor"), .since = {1},
     .doc = "the features at the positions in Y; a vector becomes a row",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"Y", "I"}}, .out = {{"Z", "T"}},
     .types = {{"T", FV_ML_NUMBERS}, {"I", FV_SET(I64)}},
     .infer = infer_extractor, .decompose = decompose_extractor},
    {FV_ML("Binarizer"), .since = {1},
     .doc = "1 where x is above the threshold, else 0",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("threshold", 0.0f)},
     .types = {{"T", FV_ML_NUMBERS}},
     .decompose = decompose_binarizer},
    {FV_ML("FeatureVectorizer"), .since = {1},
     .doc = "rows of features next to each other, each cut or filled with zeros to its number of columns",
     .in = {{"X", "T1", FV_VARIADIC, .min = 1, .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("inputdimensions", INTS)},
     .types = {{"T1", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}},
     .infer = infer_vectorizer, .decompose = decompose_vectorizer},
    {FV_ML("Imputer"), .since = {1},
     .doc = "a number is replaced by another, one for all features or one for each",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_OPTIONAL("imputed_value_floats", FLOATS), FV_A_OPTIONAL("imputed_value_int64s", INTS),
               FV_A_FLOAT("replaced_value_float", 0.0f), FV_A_INT("replaced_value_int64", 0)},
     .types = {{"T", FV_ML_NUMBERS}},
     .infer = infer_imputer, .decompose = decompose_imputer},
    {FV_ML("LabelEncoder"), .since = {2, 4}, /* version 1 knew strings only */
     .doc = "the value that belongs to each element as a key, or the default",
     .in = {{"X", "T1"}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_FLOAT("default_float", -0.0f), FV_A_INT("default_int64", -1), FV_A_STRING("default_string", "_Unused"),
               FV_A_OPTIONAL("default_tensor", TENSOR), FV_A_OPTIONAL("keys_floats", FLOATS), FV_A_OPTIONAL("keys_int64s", INTS),
               FV_A_OPTIONAL("keys_strings", STRINGS), FV_A_OPTIONAL("keys_tensor", TENSOR), FV_A_OPTIONAL("values_floats", FLOATS),
               FV_A_OPTIONAL("values_int64s", INTS), FV_A_OPTIONAL("values_strings", STRINGS), FV_A_OPTIONAL("values_tensor", TENSOR),
               {.name = "classes_strings", .kind = FV_ATTR_STRINGS, .until = 1}},
     .types = {{"T1", LABELS}, {"T2", FV_SET_NUMBER}},
     .infer = infer_label_encoder, .decompose = decompose_label_encoder},
    {FV_ML("Normalizer"), .since = {1},
     .doc = "each row divided by its largest element, by the sum of its magnitudes, or by its length",
     .in = {{"X", "T", .rank = FV_RANKS(1, 2)}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_STRING("norm", "MAX")},
     .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}},
     .infer = infer_normalizer,
     .formula = "m = max k: f32(X[b.., k]); a = sum k: abs(f32(X[b.., k])); q = sum k: f32(X[b.., k]) * f32(X[b.., k]); "
                "d = select(norm == \"MAX\", m, select(norm == \"L1\", a, sqrt(q))); "
                "Y[b.., j] = f32(X[b.., j]) / select(d == 0, 1, d)"},
    {FV_ML("OneHotEncoder"), .since = {1},
     .doc = "a new last axis: 1 at the category that each element is, else 0",
     .in = {{"X", "T"}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("cats_int64s", INTS), FV_A_OPTIONAL("cats_strings", STRINGS), FV_A_INT("zeros", 1)},
     .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}},
     .infer = infer_one_hot_encoder, .decompose = decompose_one_hot_encoder},
    {FV_ML("Scaler"), .since = {1},
     .doc = "(x - offset) * scale, of numbers for all features or one for each",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T2"}},
     .attrs = {FV_A_OPTIONAL("offset", FLOATS), FV_A_OPTIONAL("scale", FLOATS)},
     .types = {{"T", FV_ML_NUMBERS}, {"T2", FV_SET(F32)}},
     .infer = infer_scaler, .decompose = decompose_scaler},

    {0}};
