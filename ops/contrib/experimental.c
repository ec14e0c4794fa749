/* experimental.c - experimental operators of the standard's first opsets, which old models use.
 * They have no versions, so models of any opset may have them. ATen and GRUUnit are missing, since
 * the standard never defined what they compute. */
#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"

#define FLOATS (FV_SET(F16) | FV_SET(F32) | FV_SET(F64))

/* ---- images: [n, c, h, w] ---- */

static bool infer_image_scaler(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_attr *bias = fv_op_find_attr(op, "bias");
    const fv_dim *channels = fv_in_type(op, 0)->dims[1];
    if (bias && !fv_module_assume(m, channels, fv_dim_const(m->dims, bias->n), "a bias a channel"))
        return fv_op_error(op, "attribute 'bias' has %d elements, the input %s channels", bias->n,
                           fv_dim_str(m->arena, channels));
    return fv_infer_same(op);
}

/* A constant of rank 1 with the numbers of an attribute. */
static fv_value *floats(fv_rewriter *w, const fv_attr *a, fv_elem e) {
    fv_tensor *t = fv_tensor_new(w->module->arena, e, 1, (int64_t[]){a->n});
    for (int i = 0; i < a->n; i++)
        fv_tensor_set_float(t, (size_t)i, (double)a->u.floats[i]);
    return fv_const_new(w->module, a->name, t);
}

static bool decompose_image_scaler(fv_rewriter *w, fv_op *op) {
    fv_elem e = fv_in_type(op, 0)->elem;
    const fv_attr *bias = fv_op_find_attr(op, "bias");
    float scale = fv_op_float(op, "scale");
    fv_value *y = FV_W2(w, FV_OP_Mul, op->in[0], fv_w_float(w, e, (double)scale));
    if (bias) {
        const fv_dim *one = fv_dim_const(w->module->dims, 1);
        const fv_dim *dims[3] = {fv_dim_const(w->module->dims, bias->n), one, one};
        y = FV_W2(w, FV_OP_Add, y, fv_w_reshape(w, floats(w, bias, e), 3, dims));
    }
    fv_w_result(w, 0, y);
    return true;
}

/* For each axis: the start of a crop, and the number of elements that it keeps. */
typedef struct crop {
    const fv_dim *start[4], *step[4], *dims[4];
} crop;

/* `border` is left, top, right, bottom; `scale` is height, width. If `scale` is given, the last two
 * elements of `border` are ignored. */
static bool read_crop(fv_op *op, crop *c) {
    static const char why[] = "a crop is within the image";
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_dim *zero = fv_dim_const(t, 0), *const *have = fv_in_type(op, 0)->dims;
    int nborder = 0, nscale = 0;
    const int64_t *border = fv_op_ints(op, "border", &nborder);
    const int64_t *scale = fv_op_ints(op, "scale", &nscale);
    if (nborder != 4 || (scale && nscale != 2))
        return fv_op_error(
            op, "attributes 'border' and 'scale' have %d and %d elements, expected 4 and 2",
            nborder, nscale);
    for (int i = 0; i < 4; i++) {
        bool cut = i > 1;
        int64_t from = cut ? border[3 - i] : 0, to = cut ? border[5 - i] : 0;
        int64_t size = cut && scale ? scale[i - 2] : 0;
        if (from < 0 || to < 0 || size < 0 || from > FV_DIM_MAX || to > FV_DIM_MAX ||
            size > FV_DIM_MAX)
            return fv_op_error(op, "attributes 'border' and 'scale' must not be negative");
        c->start[i] = fv_dim_const(t, from);
        c->step[i] = fv_dim_const(t, 1);
        const fv_dim *behind = fv_dim_sub(t, have[i], c->start[i]);
        const fv_dim *left = fv_dim_sub(t, behind, fv_dim_const(t, to));
        c->dims[i] = cut && scale ? fv_dim_const(t, size) : fv_dim_max(t, left, zero);
        const fv_dim *spare = cut && scale ? fv_dim_sub(t, behind, c->dims[i]) : left;
        const char *says = fv_printf(m->arena, "axis %d of the image is long enough, it has %s", i,
                                     fv_dim_str(m->arena, have[i]));
        if (!fv_module_require(m, fv_dim_min(t, spare, zero), zero, why, says))
            return fv_op_error(op, "its crop is not within the image: axis %d has %s", i,
                               fv_dim_str(m->arena, have[i]));
    }
    return true;
}

static bool infer_crop(fv_op *op) {
    crop c;
    if (!read_crop(op, &c))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, 4, c.dims);
    return true;
}

static bool decompose_crop(fv_rewriter *w, fv_op *op) {
    crop c;
    if (!read_crop(op, &c))
        return false;
    fv_w_result(w, 0, fv_w_slice(w, op->in[0], c.start, c.step, c.dims));
    return true;
}

/* ---- fills ---- */

/* The shape of the result: the attribute `shape`; or the shape of the input, or with input_as_shape
 * its elements; followed by `extra_shape`. */
static bool filled(fv_op *op, int *rank, const fv_dim **dims) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *const *known = x ? x->dims : NULL;
    int n = x ? x->rank : 0, nshape = 0;
    const int64_t *shape = fv_op_ints(op, x ? "extra_shape" : "shape", &nshape);
    if (fv_op_int(op, "input_as_shape") && !fv_elems(op, 0, &n, &known))
        return fv_op_error(op, "input_as_shape needs a short list of ints");
    if (n + nshape > FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", n + nshape, FV_MAX_RANK);
    *rank = n + nshape;
    for (int i = 0; i < *rank; i++) {
        int64_t size = i < n ? 0 : shape[i - n];
        if (size < 0 || size > FV_DIM_MAX || (i < n && known[i]->hi < 0))
            return fv_op_error(op, "dim %d of its shape is out of range", i);
        dims[i] = i < n ? fv_dim_max(t, known[i], fv_dim_const(t, 0)) : fv_dim_const(t, size);
    }
    return true;
}

static bool infer_constant_fill(fv_op *op) {
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    int64_t e = fv_op_int(op, "dtype");
    if (e != FV_F32 && e != FV_I32 && e != FV_I64 && e != FV_BOOL)
        return fv_op_error(op, "dtype is %lld, expected 1, 6, 7 or 9", (long long)e);
    if (!filled(op, &rank, dims))
        return false;
    fv_infer_out(op, 0, (fv_elem)e, rank, dims);
    return true;
}

static bool decompose_constant_fill(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    float value = fv_op_float(op, "value");
    fv_value *x = y->elem == FV_F32 ? fv_w_float(w, y->elem, (double)value)
                                    : fv_w_cast(w, fv_w_float(w, FV_F32, (double)value), y->elem);
    fv_w_result(w, 0, fv_w_expand(w, x, y->rank, y->dims));
    return true;
}

static bool infer_given_fill(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_attr *values = fv_op_find_attr(op, "values");
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    if (!filled(op, &rank, dims))
        return false;
    const fv_dim *count = fv_dim_product(m->dims, rank, dims);
    if (!fv_module_assume(m, count, fv_dim_const(m->dims, values->n), "a value an element"))
        return fv_op_error(op, "attribute 'values' has %d elements, the result %s", values->n,
                           fv_dim_str(m->arena, count));
    const fv_type *x = fv_in_type(op, 0); /* an input of integers only states a shape */
    fv_infer_out(op, 0, x && fv_elem_is_float(x->elem) ? x->elem : FV_F32, rank, dims);
    return true;
}

static bool decompose_given_fill(fv_rewriter *w, fv_op *op) {
    const fv_type *y = op->out[0]->type;
    fv_value *x = floats(w, fv_op_find_attr(op, "values"), y->elem);
    fv_w_result(w, 0, fv_w_reshape(w, x, y->rank, y->dims));
    return true;
}

const fv_opdef fv_ops_experimental[] = {
    {.domain = "",
     .name = "Affine",
     .since = {1},
     .experimental = true,
     .doc = "alpha * x + beta",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_FLOAT("beta", 0.0f)},
     .types = {{"T", FLOATS}},
     .formula = "Y = alpha * X + beta"},
    {.domain = "",
     .name = "Scale",
     .since = {1},
     .experimental = true,
     .doc = "scale * x",
     .in = {{"input", "T"}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_FLOAT("scale", 1.0f)},
     .types = {{"T", FLOATS}},
     .formula = "output = scale * input"},
    {.domain = "",
     .name = "ScaledTanh",
     .since = {1},
     .experimental = true,
     .doc = "alpha * tanh(beta * x)",
     .in = {{"input", "T"}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_REQUIRED("alpha", FLOAT), FV_A_REQUIRED("beta", FLOAT)},
     .types = {{"T", FLOATS}},
     .formula = "output = alpha * tanh(beta * input)"},
    {.domain = "",
     .name = "ParametricSoftplus",
     .since = {1},
     .experimental = true,
     .doc = "alpha * log(1 + exp(beta * x))",
     .in = {{"X", "T"}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("alpha", FLOAT), FV_A_REQUIRED("beta", FLOAT)},
     .types = {{"T", FLOATS}},
     .formula = "z = beta * X; Y = alpha * (log1p(exp(-abs(z))) + max(z, 0))"},
    {.domain = "",
     .name = "ImageScaler",
     .since = {1},
     .experimental = true,
     .doc = "scale * x + bias, one bias a channel",
     .in = {{"input", "T", .rank = FV_RANK(4)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_OPTIONAL("bias", FLOATS), FV_A_FLOAT("scale", 1.0f)},
     .types = {{"T", FLOATS}},
     .infer = infer_image_scaler,
     .decompose = decompose_image_scaler},
    {.domain = "",
     .name = "Crop",
     .since = {1},
     .experimental = true,
     .doc = "an image without its border, or a number of its rows and columns after the border",
     .in = {{"input", "T", .rank = FV_RANK(4)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_REQUIRED("border", INTS), FV_A_OPTIONAL("scale", INTS)},
     .types = {{"T", FLOATS}},
     .infer = infer_crop,
     .decompose = decompose_crop},
    {.domain = "",
     .name = "ConstantFill",
     .since = {1},
     .experimental = true,
     .doc = "a value in a given shape, or in that of the input",
     .in = {{"input", "T1", FV_OPTIONAL_OPERAND}},
     .out = {{"output", "T2"}},
     .attrs = {FV_A_FLOAT("value", 0.0f), FV_A_INT("dtype", 1), FV_A_OPTIONAL("shape", INTS),
               FV_A_OPTIONAL("extra_shape", INTS), FV_A_INT("input_as_shape", 0)},
     .types = {{"T1", FV_SET(F32) | FV_SET(I32) | FV_SET(I64) | FV_SET(BOOL)},
               {"T2", FV_SET(F32) | FV_SET(I32) | FV_SET(I64) | FV_SET(BOOL)}},
     .infer = infer_constant_fill,
     .decompose = decompose_constant_fill},
    {.domain = "",
     .name = "GivenTensorFill",
     .since = {1},
     .experimental = true,
     .doc = "given values in a given shape, or in that of the input",
     .in = {{"shape", "T1", FV_OPTIONAL_OPERAND}},
     .out = {{"X", "T"}},
     .attrs = {FV_A_REQUIRED("values", FLOATS), FV_A_OPTIONAL("shape", INTS),
               FV_A_OPTIONAL("extra_shape", INTS), FV_A_INT("input_as_shape", 0)},
     .types = {{"T1", FLOATS | FV_SET(I32) | FV_SET(I64)}, {"T", FLOATS}},
     .infer = infer_given_fill,
     .decompose = decompose_given_fill},

    {0}};
