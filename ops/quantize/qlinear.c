/* qlinear.c - operators of ONNX Runtime's domain com.microsoft from tensors of 8 bits to tensors of
 * 8 bits, of which the standard has only products: sums, activations, pools, and what moves
 * elements; and the product QGemm.
 *
 * Each of their tensors has one scale and one zero point; columns of QGemm's B may have their
 * own. */
#include "ops/common/scales.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/nn/window.h"

/* ---- QLinearAdd, QLinearMul ---- */

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, C_SCALE, C_ZERO };

static bool infer_binary(fv_op *op) {
    const fv_type *both[2] = {fv_in_type(op, A), fv_in_type(op, B)};
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    if (!fv_infer_broadcast(op, 2, both, &rank, dims))
        return false;
    fv_infer_out(op, 0, both[0]->elem, rank, dims);
    return FV_INFER_SCALES(op, A_SCALE, B_SCALE, C_SCALE);
}

/* Whether one element of a is added to each element of a row of b. Rows are along the last axis on
 * which the operands do not both have one element. */
static bool repeats_along_rows(const fv_type *a, const fv_type *b) {
    for (int i = 1; i <= a->rank || i <= b->rank; i++) {
        bool one_a = i > a->rank || fv_dim_is_one(a->dims[a->rank - i]);
        bool one_b = i > b->rank || fv_dim_is_one(b->dims[b->rank - i]);
        if (!one_a || !one_b)
            return one_a;
    }
    return false;
}

/* ONNX Runtime computes the operand that is constant along a row first, since it is independent of
 * the elements of the other. */
static bool decompose_add(fv_rewriter *w, fv_op *op) {
    int a = repeats_along_rows(fv_in_type(op, A), fv_in_type(op, B)) ? B : A, b = B - a;
    fv_w_result(w, 0,
                FV_CALL(w, "quantized_sum", {op->in[a]}, {op->in[a + 1]}, {op->in[a + 2]},
                        {op->in[b]}, {op->in[b + 1]}, {op->in[b + 2]}, {op->in[C_SCALE]},
                        {fv_op_in(op, C_ZERO)}));
    return true;
}

/* ---- functions of one tensor ---- */

enum { X, X_SCALE, X_ZERO, Y_SCALE, Y_ZERO };

static bool infer_unary(fv_op *op) {
    fv_infer_like(op, 0, X);
    return FV_INFER_SCALES(op, X_SCALE, Y_SCALE);
}

static bool infer_softmax(fv_op *op) {
    int64_t opset = fv_op_int(op, "opset");
    int axis;
    if (opset < 1)
        return fv_op_error(op, "opset is %lld, expected at least 1", (long long)opset);
    return fv_infer_axis(op, fv_op_int(op, "axis"), fv_in_type(op, X)->rank, &axis) &&
           infer_unary(op);
}

static bool infer_scaled_softmax(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    int axis;
    fv_infer_out(op, 0, FV_F32, x->rank, x->dims);
    return fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis);
}

/* ---- QLinearWhere ---- */

enum { CONDITION, W_X, W_X_SCALE, W_X_ZERO, W_Y, W_Y_SCALE, W_Y_ZERO, Z_SCALE, Z_ZERO };

static bool infer_where(fv_op *op) {
    const fv_type *all[3] = {fv_in_type(op, CONDITION), fv_in_type(op, W_X), fv_in_type(op, W_Y)};
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    if (!fv_infer_broadcast(op, 3, all, &rank, dims))
        return false;
    fv_infer_out(op, 0, all[1]->elem, rank, dims);
    return FV_INFER_SCALES(op, W_X_SCALE, W_Y_SCALE, Z_SCALE);
}

/* ---- QLinearConcat ---- */

/* operands: scale and zero point of the result, then each tensor with its scale and zero point */
enum { OF_RESULT = 2, EACH = 3 };

static bool check_part(fv_op *op, int i) {
    const fv_type *part[EACH] = {fv_in_type(op, i), fv_in_type(op, i + 1), fv_in_type(op, i + 2)};
    fv_elem e = fv_in_type(op, 1)->elem;
    if (part[0]->elem != e || part[2]->elem != e || part[1]->elem != FV_F32)
        return fv_op_error(op,
                           "inputs %d to %d are %s, %s, %s, expected a tensor of %s, a scale of "
                           "f32, a zero point of %s",
                           i, i + 2, fv_elem_name(part[0]->elem), fv_elem_name(part[1]->elem),
                           fv_elem_name(part[2]->elem), fv_elem_name(e), fv_elem_name(e));
    for (int k = 1; k < EACH; k++)
        if (!fv_is_one_element(part[k]))
            return fv_op_error(op, "input %d is %s, expected one element", i + k,
                               fv_type_str(fv_op_module(op)->arena, part[k]));
    return fv_infer_positive(op, i + 1);
}

static bool infer_concat(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_dim *dims[FV_MAX_RANK];
    int axis = 0;
    if (op->nin < OF_RESULT + EACH || (op->nin - OF_RESULT) % EACH)
        return fv_op_error(op,
                           "has %d inputs after the scale and zero point of the result, "
                           "expected a tensor, its scale and its zero point each",
                           op->nin - OF_RESULT);
    const fv_type *x = fv_in_type(op, OF_RESULT);
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i == axis ? fv_dim_const(m->dims, 0) : x->dims[i];
    for (int k = OF_RESULT; k < op->nin; k += EACH) {
        const fv_type *y = fv_in_type(op, k);
        if (!check_part(op, k))
            return false;
        if (y->rank != x->rank)
            return fv_op_error(op, "input %d has rank %d, input %d %d", k, y->rank, OF_RESULT,
                               x->rank);
        for (int i = 0; i < x->rank; i++)
            if (i != axis && !fv_module_assume(m, x->dims[i], y->dims[i], "inputs of a Concat"))
                return fv_op_error(op, "axis %d has %s in input %d, %s in input %d", i,
                                   fv_dim_str(m->arena, x->dims[i]), OF_RESULT,
                                   fv_dim_str(m->arena, y->dims[i]), k);
        dims[axis] = fv_dim_add(m->dims, dims[axis], y->dims[axis]);
    }
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return FV_INFER_SCALES(op, 0);
}

/* Whether both are the same number. */
static bool same_number(const fv_value *a, const fv_value *b) {
    return a == b || (a->kind == FV_VALUE_CONST && b->kind == FV_VALUE_CONST &&
                      fv_tensor_float(a->tensor, 0) == fv_tensor_float(b->tensor, 0));
}

static bool decompose_concat(fv_rewriter *w, fv_op *op) {
    int n = (op->nin - OF_RESULT) / EACH;
    fv_value **parts = FV_NEW(w->module->arena, fv_value *, (size_t)n);
    fv_attr axis = fv_attr_int(w->module, "axis", fv_op_int(op, "axis"));
    for (int i = 0; i < n; i++) {
        fv_value **in = op->in + OF_RESULT + EACH * i;
        bool same = same_number(in[1], op->in[0]) && same_number(in[2], op->in[1]);
        parts[i] = same ? in[0]
                        : FV_CALL(w, "requantized_as", {in[0]}, {in[1]}, {in[2]}, {op->in[0]},
                                  {op->in[1]});
    }
    fv_w_result(w, 0, fv_w_op(w, FV_OP_Concat, n, parts, 1, &axis));
    return true;
}

/* ---- QLinearAveragePool ---- */

static bool is_channels_last(const fv_op *op) {
    return fv_op_int(op, "channels_last") != 0;
}

static const fv_type *channels_first(const fv_op *op) {
    const fv_type *x = fv_in_type(op, X);
    return is_channels_last(op) ? fv_type_channels_first(fv_op_module(op), x) : x;
}

static bool infer_average_pool(fv_op *op) {
    const fv_type *x = channels_first(op);
    const fv_dim *dims[FV_MAX_RANK] = {x->dims[0], x->dims[1]};
    fv_window w;
    if (!fv_window_read(op, x, NULL, &w))
        return false;
    fv_window_dims(fv_op_module(op)->dims, &w, x, dims + 2);
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    if (is_channels_last(op))
        fv_infer_channels_last(op);
    return FV_INFER_SCALES(op, X_SCALE, Y_SCALE);
}

/* The range [lo, hi) of positions along axis i that are counted, for y outputs. With padding, whole
 * windows are counted, even their part after the padding; so does ONNX Runtime, unlike the
 * standard's AveragePool. */
static void counted(fv_dims *t, const fv_window *win, int i, bool padding, const fv_dim *x,
                    const fv_dim *y, const fv_dim **lo, const fv_dim **hi) {
    const fv_dim *zero = fv_dim_const(t, 0), *last = fv_dim_sub(t, y, fv_dim_const(t, 1));
    *lo = padding ? fv_dim_sub(t, zero, win->before[i]) : zero;
    last = fv_dim_add(t, *lo, fv_dim_mul(t, last, fv_dim_const(t, win->stride[i])));
    *hi = padding ? fv_dim_add(t, last, fv_window_reach(t, win, i)) : x;
}

static fv_value *average_pool(fv_rewriter *w, fv_op *op, fv_value *x, const fv_type *y) {
    const fv_dim *lo[FV_MAX_RANK], *hi[FV_MAX_RANK];
    bool padding = fv_op_int(op, "count_include_pad") != 0;
    fv_window win;
    fv_attr a[8];
    if (!x || !fv_window_read(op, x->type, NULL, &win))
        return NULL;
    for (int i = 0; i < win.n; i++)
        counted(w->module->dims, &win, i, padding, x->type->dims[i + 2], y->dims[i + 2], &lo[i],
                &hi[i]);
    int n = fv_window_attrs(w->module, &win, a);
    a[n++] = fv_attr_dims(w->module, "kernel", win.n, win.kernel);
    a[n++] = fv_attr_dims(w->module, "dims", y->rank, y->dims);
    a[n++] = fv_attr_dims(w->module, "lo", win.n, lo);
    a[n++] = fv_attr_dims(w->module, "hi", win.n, hi);
    return fv_w_op(w, FV_OP_fv_AveragePool, 1, &x, n, a);
}

static bool decompose_average_pool(fv_rewriter *w, fv_op *op) {
    bool last = is_channels_last(op);
    const fv_type *t = op->out[0]->type;
    fv_value *x = last ? fv_w_channels_first(w, op->in[X]) : op->in[X];
    x = FV_CALL(w, "real", {x}, {op->in[X_SCALE]}, {op->in[X_ZERO]});
    fv_value *y = average_pool(w, op, x, last ? fv_type_channels_first(w->module, t) : t);
    y = FV_CALL(w, "average", {y}, {op->in[Y_SCALE]}, {fv_op_in(op, Y_ZERO)}, FV_ELEM(t->elem));
    fv_w_result(w, 0, last ? fv_w_channels_last(w, y) : y);
    return true;
}

/* ---- QLinearGlobalAveragePool, QLinearReduceMean ---- */

/* sums of that many elements of 8 bits, and of as many zero points, fit into an i32 */
enum { MOST_IN_I32 = 1 << 23 };

static bool infer_reduced(fv_op *op, const bool *reduced, bool keep) {
    const fv_type *x = fv_in_type(op, X);
    const fv_dim *dims[FV_MAX_RANK];
    int rank = 0;
    for (int i = 0; i < x->rank; i++)
        if (!reduced[i] || keep)
            dims[rank++] = reduced[i] ? fv_dim_const(fv_op_module(op)->dims, 1) : x->dims[i];
    fv_infer_out(op, 0, x->elem, rank, dims);
    return FV_INFER_SCALES(op, X_SCALE, Y_SCALE);
}

static bool decompose_mean(fv_rewriter *w, fv_op *op, const bool *reduced, bool keep) {
    fv_dims *t = w->module->dims;
    const fv_type *x = fv_in_type(op, X);
    const fv_dim *axes[FV_MAX_RANK], *count = fv_dim_const(t, 1);
    int n = 0;
    for (int i = 0; i < x->rank; i++) {
        if (!reduced[i])
            continue;
        axes[n++] = fv_dim_const(t, i);
        count = fv_dim_mul(t, count, x->dims[i]);
    }
    fv_elem e = count->hi <= MOST_IN_I32 ? FV_I32 : FV_I64;
    fv_w_result(w, 0,
                FV_CALL(w, "mean", {op->in[X]}, {op->in[X_SCALE]}, {op->in[X_ZERO]},
                        {op->in[Y_SCALE]}, {fv_op_in(op, Y_ZERO)}, FV_DIMS(n, axes), FV_DIM(count),
                        FV_ELEM(e), FV_INT(keep)));
    return true;
}

static void spatial_axes(const fv_op *op, bool *reduced) {
    int rank = fv_in_type(op, X)->rank, first = is_channels_last(op) ? 1 : 2;
    for (int i = 0; i < rank; i++)
        reduced[i] = i >= first && i < first + rank - 2;
}

static bool infer_global(fv_op *op) {
    bool reduced[FV_MAX_RANK];
    spatial_axes(op, reduced);
    return infer_reduced(op, reduced, true);
}

static bool decompose_global(fv_rewriter *w, fv_op *op) {
    bool reduced[FV_MAX_RANK];
    spatial_axes(op, reduced);
    return decompose_mean(w, op, reduced, true);
}

/* An empty list means all axes. */
static bool given_axes(fv_op *op, bool *reduced) {
    int n, axis, rank = fv_in_type(op, X)->rank;
    const int64_t *axes = fv_op_ints(op, "axes", &n);
    for (int i = 0; i < rank; i++)
        reduced[i] = n == 0;
    for (int i = 0; i < n; i++) {
        if (!fv_infer_axis(op, axes[i], rank, &axis))
            return false;
        reduced[axis] = true;
    }
    return true;
}

static bool infer_mean(fv_op *op) {
    bool reduced[FV_MAX_RANK];
    return given_axes(op, reduced) && infer_reduced(op, reduced, fv_op_int(op, "keepdims") != 0);
}

static bool decompose_reduce_mean(fv_rewriter *w, fv_op *op) {
    bool reduced[FV_MAX_RANK];
    return given_axes(op, reduced) &&
           decompose_mean(w, op, reduced, fv_op_int(op, "keepdims") != 0);
}

/* ---- QGemm ---- */

enum { G_A, G_A_SCALE, G_A_ZERO, G_B, G_B_SCALE, G_B_ZERO, G_C, G_SCALE, G_ZERO };

/* Checks that operand `in` of b is one number, or has one for each column. */
static bool fits_columns(fv_op *op, int in, const fv_dim *columns) {
    return fv_is_one_element(fv_in_type(op, in)) || fv_infer_per_channel(op, in, columns);
}

static bool infer_gemm(fv_op *op) {
    fv_module *m = fv_op_module(op);
    bool of_a = fv_op_int(op, "transA") != 0, of_b = fv_op_int(op, "transB") != 0;
    const fv_dim *const *a = fv_in_type(op, G_A)->dims, *const *b = fv_in_type(op, G_B)->dims;
    const fv_dim *dims[2] = {a[of_a], b[!of_b]};
    if (!fv_module_assume(m, a[!of_a], b[of_b], "inner dims of a matrix product"))
        return fv_op_error(op, "A has inner dim %s, B has %s", fv_dim_str(m->arena, a[!of_a]),
                           fv_dim_str(m->arena, b[of_b]));
    if (!fv_op_in(op, G_SCALE) != !fv_op_in(op, G_ZERO))
        return fv_op_error(op, "y_scale and y_zero_point come together");
    fv_infer_out(op, 0, fv_op_in(op, G_ZERO) ? fv_in_type(op, G_ZERO)->elem : FV_F32, 2, dims);
    return fv_infer_fits(op, G_C, 2, dims) && fits_columns(op, G_B_SCALE, dims[1]) &&
           fits_columns(op, G_B_ZERO, dims[1]) &&
           FV_INFER_SCALES(op, G_A_SCALE, G_B_SCALE, G_SCALE);
}

#define MS       .domain = "com.microsoft", .since = {1}
#define INT8     (FV_SET(I8) | FV_SET(U8))
#define OPTIONAL FV_OPTIONAL_OPERAND
#define TYPES                                                                                      \
    {                                                                                              \
        {"T", INT8}, {                                                                             \
            "S", FV_SET(F32)                                                                       \
        }                                                                                          \
    }
#define SCALE(nm) {nm "_scale", "S", .rank = FV_SCALAR}
#define ZERO(nm)  {nm "_zero_point", "T", .rank = FV_SCALAR}
/* a zero point, which is 0 if it is left out */
#define MAYBE_ZERO(nm) {nm "_zero_point", "T", OPTIONAL, .rank = FV_SCALAR}
#define BINARY                                                                                     \
    {"A", "T"}, SCALE("A"), MAYBE_ZERO("A"), {"B", "T"}, SCALE("B"), MAYBE_ZERO("B"), SCALE("C"),  \
        MAYBE_ZERO("C")
#define UNARY {"X", "T"}, SCALE("X"), MAYBE_ZERO("X"), SCALE("Y"), MAYBE_ZERO("Y")

const fv_opdef fv_ops_qlinear[] = {
    {.domain = "fv",
     .name = "MultiplyAdd",
     .since = {1},
     .doc = "A * B + C, rounded once if the target has such an instruction; operands broadcast",
     .in = {{"A", "T"}, {"B", "T"}, {"C", "T"}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET(F32)}},
     .infer = fv_infer_elementwise,
     .formula = "Y = fma(A, B, C)"},
    {.domain = "fv",
     .name = "ScaledSoftmax",
     .since = {1},
     .doc = "exponentials of scale * X along an axis, times levels / their sum",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)},
            {"scale", "S", .rank = FV_SCALAR},
            {"levels", "S", .rank = FV_SCALAR}},
     .out = {{"Y", "S"}},
     .attrs = {FV_A_INT("axis", -1)},
     .types = TYPES,
     .infer = infer_scaled_softmax,
     .formula = "a.. = axis; m = max k: i32(X[a.., k, c..]); "
                "s = sum k: exp(f32(i32(X[a.., k, c..]) - m) * scale); "
                "Y[a.., j, c..] = exp(f32(i32(X[a.., j, c..]) - m) * scale) * levels / s"},
    {MS, .name = "QLinearAdd", .doc = "the sum of quantized tensors, quantized", .in = {BINARY},
     .out = {{"C", "T"}}, .types = TYPES, .infer = infer_binary, .decompose = decompose_add},
    {MS, .name = "QLinearMul", .doc = "the product of quantized tensors, quantized", .in = {BINARY},
     .out = {{"C", "T"}}, .types = TYPES, .infer = infer_binary, .body = "QLinearMul"},
    {MS, .name = "QLinearLeakyRelu", .doc = "LeakyRelu of a quantized tensor, quantized",
     .in = {UNARY}, .out = {{"Y", "T"}}, .attrs = {FV_A_FLOAT("alpha", 0.01f)}, .types = TYPES,
     .infer = infer_unary, .body = "QLinearLeakyRelu"},
    {MS, .name = "QLinearSigmoid", .doc = "Sigmoid of a quantized tensor, quantized", .in = {UNARY},
     .out = {{"Y", "T"}}, .types = TYPES, .infer = infer_unary, .body = "QLinearSigmoid"},
    {MS, .name = "QLinearSoftmax",
     .doc = "Softmax of that opset of a quantized tensor, quantized; the reciprocal of y_scale is "
            "rounded down",
     .in =
         {{"X", "T", .rank = FV_RANK_FROM(1)}, SCALE("X"), MAYBE_ZERO("x"), SCALE("y"), ZERO("y")},
     .out = {{"Y", "T"}}, .attrs = {FV_A_INT("axis", -1), FV_A_REQUIRED("opset", INT)},
     .types = TYPES, .infer = infer_softmax, .body = "QLinearSoftmax"},
    {MS, .name = "QLinearWhere",
     .doc = "X if the condition is true, else Y, with the scale and zero point of the result",
     .in = {{"condition", "B"},
            {"X", "T"},
            SCALE("x"),
            ZERO("x"),
            {"Y", "T"},
            SCALE("y"),
            ZERO("y"),
            SCALE("z"),
            ZERO("z")},
     .out = {{"Z", "T"}}, .types = {{"B", FV_SET(BOOL)}, {"T", INT8}, {"S", FV_SET(F32)}},
     .infer = infer_where, .body = "QLinearWhere"},
    {MS, .name = "QLinearConcat",
     .doc = "Concat of quantized tensors, each followed by its scale and its zero point",
     .in = {SCALE("Y"), ZERO("Y"), {"inputs", "V", FV_VARIADIC, -1}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_REQUIRED("axis", INT)},
     .types = {{"T", INT8}, {"S", FV_SET(F32)}, {"V", INT8 | FV_SET(F32)}}, .infer = infer_concat,
     .decompose = decompose_concat},
    {MS, .name = "QLinearAveragePool", .doc = "AveragePool of a quantized tensor, quantized",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            SCALE("x"),
            MAYBE_ZERO("x"),
            SCALE("y"),
            MAYBE_ZERO("y")},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("auto_pad", "NOTSET"), FV_A_INT("ceil_mode", 0),
               FV_A_INT("channels_last", 0), FV_A_INT("count_include_pad", 0),
               FV_A_REQUIRED("kernel_shape", INTS), FV_A_OPTIONAL("pads", INTS),
               FV_A_OPTIONAL("strides", INTS)},
     .types = TYPES, .infer = infer_average_pool, .decompose = decompose_average_pool},
    {MS, .name = "QLinearGlobalAveragePool",
     .doc = "the mean of each channel of a quantized tensor, quantized",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)}, SCALE("x"), ZERO("x"), SCALE("y"), ZERO("y")},
     .out = {{"Y", "T"}}, .attrs = {FV_A_INT("channels_last", 0)}, .types = TYPES,
     .infer = infer_global, .decompose = decompose_global},
    {MS, .name = "QLinearReduceMean", .doc = "the mean of a quantized tensor over axes, quantized",
     .in = {{"data", "T"},
            SCALE("data"),
            MAYBE_ZERO("data"),
            SCALE("reduced"),
            MAYBE_ZERO("reduced")},
     .out = {{"reduced", "T"}},
     .attrs = {FV_A_REQUIRED("axes", INTS), FV_A_REQUIRED("keepdims", INT)}, .types = TYPES,
     .infer = infer_mean, .decompose = decompose_reduce_mean},
    {MS, .name = "QGemm",
     .doc = "alpha times a product of quantized matrices, to which C is added first; quantized if "
            "y_scale is given",
     .in = {{"A", "TA", .rank = FV_RANK(2)},
            {"a_scale", "S", .rank = FV_SCALAR},
            {"a_zero_point", "TA", .rank = FV_SCALAR},
            {"B", "TB", .rank = FV_RANK(2)},
            {"b_scale", "S", .rank = FV_RANKS(0, 1)},
            {"b_zero_point", "TB", .rank = FV_RANKS(0, 1)},
            {"C", "TC", OPTIONAL, .rank = FV_RANKS(0, 2)},
            {"y_scale", "S", OPTIONAL, .rank = FV_SCALAR},
            {"y_zero_point", "TZ", OPTIONAL, .rank = FV_SCALAR}},
     .out = {{"Y", "TY"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_INT("transA", 0), FV_A_INT("transB", 0)},
     .types = {{"TA", INT8},
               {"TB", INT8},
               {"TC", FV_SET(I32)},
               {"TZ", INT8},
               {"TY", INT8 | FV_SET(F32)},
               {"S", FV_SET(F32)}},
     .infer = infer_gemm, .body = "QGemm"},

    {0}};
