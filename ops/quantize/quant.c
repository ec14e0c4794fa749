/* quant.c - quantization: real numbers as integers, (x - zero point) * scale, or as floats of 8 or
 * 4 bits times a scale; and products of such tensors.
 *
 * Scales and zero points become operands that broadcast, whether there is one, one for each index
 * of an axis, or one for each block. Products of integers are products of i32. */
#include "ops/quantize/quant.h"

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ir/rule/constant.h"
#include "ops/common/scales.h"
#include "ops/matrix/matrix.h"
#include "ops/nn/conv.h"
#include "ops/nn/window.h"

/* ---- scales ---- */

bool fv_check_scale(fv_op *op, int64_t at, int64_t block) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *s = fv_in_type(op, 1), *z = fv_in_type(op, 2);
    int axis;
    if (z && z->rank != s->rank && !(fv_is_one_element(z) && fv_is_one_element(s)))
        return fv_op_error(op, "the scale has rank %d, the zero point %d", s->rank, z->rank);
    for (int i = 0; z && i < z->rank && i < s->rank; i++)
        if (!fv_module_assume(m, s->dims[i], z->dims[i], "scales and zero points"))
            return fv_op_error(op, "scale and zero point differ in axis %d", i);
    if (block < 0)
        return fv_op_error(op, "block_size is %lld", (long long)block);
    if (fv_is_one_element(s) && !block)
        return true;
    if (!fv_infer_axis(op, at, x->rank, &axis))
        return false;
    if (!block && s->rank != 1)
        return fv_op_error(op, "the scale has rank %d, expected a scalar or a vector", s->rank);
    if (!block)
        return fv_module_assume(m, s->dims[0], x->dims[axis], "scales along an axis") ||
               fv_op_error(op, "has %s scales for %s", fv_dim_str(m->arena, s->dims[0]),
                           fv_dim_str(m->arena, x->dims[axis]));
    if (s->rank != x->rank)
        return fv_op_error(op, "the scale has rank %d, the data %d", s->rank, x->rank);
    for (int i = 0; i < x->rank; i++) {
        const fv_dim *n = i == axis
                              ? fv_dim_ceildiv(m->dims, x->dims[i], fv_dim_const(m->dims, block))
                              : x->dims[i];
        if (!fv_module_assume(m, s->dims[i], n, "scales of blocks"))
            return fv_op_error(op, "axis %d has %s scales, expected %s", i,
                               fv_dim_str(m->arena, s->dims[i]), fv_dim_str(m->arena, n));
    }
    return true;
}

static bool check_scale(fv_op *op) {
    return fv_check_scale(op, fv_op_int(op, "axis"), fv_op_int(op, "block_size"));
}

/* Operand i, reshaped so that it broadcasts to operand 0. */
static fv_value *spread(fv_rewriter *w, fv_op *op, int i) {
    const fv_type *x = fv_in_type(op, 0);
    fv_value *v = fv_op_in(op, i);
    int64_t block = fv_op_int(op, "block_size");
    int axis = 0;
    if (!v || (fv_is_one_element(v->type) && !block))
        return v ? fv_w_reshape(w, v, 0, NULL) : NULL;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return NULL;
    if (block && x->rank == FV_MAX_RANK) {
        fv_op_error(op, "rank %d with blocks is more than %d", x->rank, FV_MAX_RANK - 1);
        return NULL;
    }
    return block ? FV_CALL(w, "in_blocks", {v}, FV_INT(axis), FV_INT(block), FV_DIM(x->dims[axis]))
                 : FV_CALL(w, "scales_along", {v}, FV_INT(x->rank), FV_INT(axis));
}

/* ---- QuantizeLinear ---- */

static bool is_quantized(fv_elem e) {
    return fv_elem_is_int(e) && fv_elem_bits(e) <= 16;
}

static bool infer_quantize(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *z = fv_in_type(op, 2);
    int64_t to = fv_op_int(op, "output_dtype"), p = fv_op_int(op, "precision");
    if (z && to && to != z->elem)
        return fv_op_error(op, "output_dtype is %lld, but the zero point is %s", (long long)to,
                           fv_elem_name(z->elem));
    if (z || !to)
        to = z ? z->elem : FV_U8;
    if (to < 0 || to >= FV_ELEM_END ||
        !((FV_SET_FLOAT8 | FV_SET_PACKED) >> to & 1 || is_quantized((fv_elem)to)) ||
        to == FV_F8E8M0)
        return fv_op_error(op, "output_dtype %lld is no type to quantize to", (long long)to);
    if (p && (p < 0 || p >= FV_ELEM_END || !(FV_SET_FLOAT >> p & 1)))
        return fv_op_error(op, "precision %lld is no type to divide in", (long long)p);
    fv_infer_out(op, 0, (fv_elem)to, x->rank, x->dims);
    return check_scale(op) && fv_infer_positive(op, 1);
}

/* The type to which the quotient is rounded. */
static fv_elem quotient_type(const fv_op *op) {
    fv_elem p = (fv_elem)fv_op_int(op, "precision"), s = fv_in_type(op, 1)->elem;
    if (p)
        return p;
    return s == FV_I32 ? FV_F64 : s == FV_F8E8M0 ? FV_F32 : s;
}

static bool decompose_quantize(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0,
                FV_CALL(w, "quantized", {op->in[0]}, {spread(w, op, 1)}, {spread(w, op, 2)},
                        FV_ELEM(quotient_type(op)), FV_ELEM(op->out[0]->type->elem),
                        FV_INT(fv_op_int(op, "saturate"))));
    return true;
}

static bool infer_fv_quantize(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    int64_t to = fv_op_int(op, "to");
    if (to <= FV_NO_ELEM || to >= FV_ELEM_END || !is_quantized((fv_elem)to))
        return fv_op_error(op, "type %lld is no type to quantize to", (long long)to);
    fv_infer_out(op, 0, (fv_elem)to, x->rank, x->dims);
    return fv_infer_fits(op, 1, x->rank, x->dims) && fv_infer_fits(op, 2, x->rank, x->dims);
}

/* The quotient by the scale; a constant scale of 1 divides nothing. */
static fv_expr *quotient(fv_definer *d, fv_op *op, fv_definition *def) {
    fv_expr *x = fv_d_elementwise(d, 0, def);
    double scale;
    return fv_rule_uniform(op->in[1], &scale) && scale == 1
               ? x
               : fv_x_bin(d->arena, FV_X_DIV, x, fv_d_elementwise(d, 1, def));
}

/* The integers of a type, lo to lo + 2 half - 1, and those to which a quotient is limited. */
typedef struct quantized_range {
    fv_elem e; /* the type of the quotient */
    int64_t lo, half;
} quantized_range;

static fv_expr *limited(fv_arena *a, fv_expr *q, fv_expr *low, fv_expr *high) {
    return fv_x_bin(a, FV_X_MAX, fv_x_bin(a, FV_X_MIN, q, high), low);
}

/* z + clamp(q, lo - z, hi - z) for a rounded quotient q, limited as a float, where it cannot
 * overflow. */
static fv_expr *around_constant(fv_arena *a, const quantized_range *r, fv_expr *q, fv_expr *z) {
    fv_expr *low = fv_x_bin(a, FV_X_SUB, fv_x_const_int(a, FV_I32, r->lo), z);
    fv_expr *high = fv_x_bin(a, FV_X_SUB, fv_x_const_int(a, FV_I32, r->lo + 2 * r->half - 1), z);
    q = limited(a, q, fv_x_convert(a, r->e, low), fv_x_convert(a, r->e, high));
    return fv_x_bin(a, FV_X_ADD, fv_x_convert(a, FV_I32, q), z);
}

/* The same for a z that the run computes or loads: both limits of the float are constants, for
 * which targets have shorter code, and the sum is limited as an integer. The sum of a number that
 * the first limits change and of z, which is an integer of the type, is out of range. */
static fv_expr *around_any(fv_arena *a, const quantized_range *r, fv_expr *q, fv_expr *z) {
    q = limited(a, q, fv_x_const(a, r->e, (double)(-2 * r->half)),
                fv_x_const(a, r->e, (double)(2 * r->half)));
    q = fv_x_bin(a, FV_X_ADD, fv_x_convert(a, FV_I32, q), z);
    return limited(a, q, fv_x_const_int(a, FV_I32, r->lo),
                   fv_x_const_int(a, FV_I32, r->lo + 2 * r->half - 1));
}

static bool define_fv_quantize(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_elem to = op->out[0]->type->elem, x = fv_in_type(op, 0)->elem;
    int64_t half = INT64_C(1) << (fv_elem_bits(to) - 1);
    quantized_range r = {fv_elem_arith(x), fv_elem_is_signed(to) ? -half : 0, half};
    fv_expr *q = quotient(d, op, def);
    q = fv_x_un(a, FV_X_RINT, fv_x_convert(a, r.e, fv_x_convert(a, x, q)));
    fv_expr *z = fv_x_const_int(a, FV_I32, 0);
    const fv_value *zero = fv_op_in(op, 2);
    if (zero)
        z = fv_x_convert(a, FV_I32, fv_d_elementwise(d, 2, def));
    bool known = !zero || zero->kind == FV_VALUE_CONST;
    q = known ? around_constant(a, &r, q, z) : around_any(a, &r, q, z);
    def->body = fv_x_convert(a, fv_elem_arith(to), q);
    return true;
}

/* ---- DequantizeLinear ---- */

static bool infer_dequantize(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *s = fv_in_type(op, 1);
    int64_t to = fv_op_int(op, "output_dtype");
    if (!to)
        to = s->elem == FV_F8E8M0 ? FV_F32 : s->elem;
    if (to != FV_F32 && to != FV_F16 && to != FV_BF16)
        return fv_op_error(op, "output_dtype %lld is not f32, f16 or bf16", (long long)to);
    fv_infer_out(op, 0, (fv_elem)to, x->rank, x->dims);
    return check_scale(op);
}

static bool decompose_dequantize(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0,
                FV_CALL(w, "dequantized", {op->in[0]}, {spread(w, op, 1)}, {spread(w, op, 2)},
                        FV_ELEM(op->out[0]->type->elem)));
    return true;
}

static bool infer_fv_dequantize(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, FV_F32, x->rank, x->dims);
    return fv_infer_fits(op, 1, x->rank, x->dims) && fv_infer_fits(op, 2, x->rank, x->dims);
}

/* ---- DynamicQuantizeLinear ---- */

static bool infer_dynamic(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, FV_U8, x->rank, x->dims);
    fv_infer_out(op, 1, FV_F32, 0, NULL);
    fv_infer_out(op, 2, FV_U8, 0, NULL);
    return true;
}

/* ---- products ---- */

static bool infer_matmul_integer(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    return fv_infer_matmul(op, a, b, FV_I32) && fv_infer_fits_matrix(op, 2, a, -2) &&
           fv_infer_fits_matrix(op, 3, b, -1);
}

static bool infer_qlinear_matmul(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 3);
    if (!fv_infer_matmul(op, a, b, fv_in_type(op, 7)->elem))
        return false;
    const fv_type *y = op->out[0]->type;
    return fv_infer_fits_matrix(op, 2, a, -2) && fv_infer_fits_matrix(op, 5, b, -1) &&
           fv_infer_fits_matrix(op, 1, y, -2) && fv_infer_fits_matrix(op, 4, y, -1) &&
           fv_infer_fits_matrix(op, 6, y, -2) && fv_infer_fits_matrix(op, 7, y, -2) &&
           FV_INFER_SCALES(op, 1, 4, 6);
}

/* Checks that operand `in`, if present, is one number for all filters, or has one for each. */
static bool fits_filters(fv_op *op, int in, const fv_type *filters) {
    const fv_type *t = fv_in_type(op, in);
    return !t || fv_is_one_element(t) || fv_infer_per_channel(op, in, filters->dims[0]);
}

static bool infer_conv_integer(fv_op *op) {
    const fv_type *w = fv_in_type(op, 1);
    return fv_infer_conv(op, fv_in_type(op, 0), w, FV_I32) && fits_filters(op, 3, w);
}

static fv_value *centred(fv_rewriter *w, fv_op *op, int x, int zero, int axis) {
    return FV_CALL(w, "centred", {op->in[x]}, {fv_op_in(op, zero)}, FV_INT(axis));
}

static bool decompose_conv_integer(fv_rewriter *w, fv_op *op) {
    fv_w_result(
        w, 0,
        fv_w_conv(w, op, op->out[0]->type, centred(w, op, 0, 2, 1), centred(w, op, 1, 3, 0), NULL));
    return true;
}

/* ONNX Runtime's operator may have its channels in the last axis; the layout of the filter is the
 * standard's. */
static bool is_channels_last(const fv_op *op) {
    return fv_opdef_attr(op->def, "channels_last") && fv_op_int(op, "channels_last");
}

static bool infer_qlinear_conv(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *w = fv_in_type(op, 3);
    if (is_channels_last(op))
        x = fv_type_channels_first(fv_op_module(op), x);
    if (!fv_infer_conv(op, x, w, fv_in_type(op, 7)->elem))
        return false;
    if (is_channels_last(op))
        fv_infer_channels_last(op);
    return fits_filters(op, 4, w) && fits_filters(op, 5, w) &&
           (!fv_op_in(op, 8) || fv_infer_per_channel(op, 8, w->dims[0])) &&
           FV_INFER_SCALES(op, 1, 4, 6);
}

static bool decompose_qlinear_conv(fv_rewriter *w, fv_op *op) {
    bool last = is_channels_last(op);
    const fv_type *t = op->out[0]->type;
    fv_value *x = centred(w, op, 0, 2, 1);
    fv_value *y =
        fv_w_conv(w, op, last ? fv_type_channels_first(w->module, t) : t,
                  last ? fv_w_channels_first(w, x) : x, centred(w, op, 3, 5, 0), fv_op_in(op, 8));
    y = FV_CALL(w, "requantized_channels", {y}, {op->in[1]}, {op->in[4]}, {op->in[6]}, {op->in[7]});
    fv_w_result(w, 0, last ? fv_w_channels_last(w, y) : y);
    return true;
}

#define INT8 (FV_SET(I8) | FV_SET(U8))
#define QUANTS                                                                                     \
    (INT8 | FV_SET(I16) | FV_SET(U16) | FV_SET(U4) | FV_SET(I4) | FV_SET(U2) | FV_SET(I2))
#define FLOAT8 (FV_SET_FLOAT8 & ~FV_SET(F8E8M0))
#define REALS  (FV_SET(F32) | FV_SET(F16) | FV_SET(BF16))
#define QLINEAR_CONV                                                                               \
    {"x", "T1", .rank = FV_RANK_FROM(3)}, {"x_scale", "S", .rank = FV_SCALAR},                     \
        {"x_zero_point", "T1", .rank = FV_SCALAR}, {"w", "T2", .rank = FV_RANK_AS("x")},           \
        {"w_scale", "S", .rank = FV_RANKS(0, 1)}, {"w_zero_point", "T2", .rank = FV_RANKS(0, 1)},  \
        {"y_scale", "S", .rank = FV_SCALAR}, {"y_zero_point", "T3", .rank = FV_SCALAR}, {          \
        "B", "T4", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)                                         \
    }
#define CONV                                                                                       \
    FV_A_STRING("auto_pad", "NOTSET"), FV_A_OPTIONAL("dilations", INTS), FV_A_INT("group", 1),     \
        FV_A_OPTIONAL("kernel_shape", INTS), FV_A_OPTIONAL("pads", INTS),                          \
        FV_A_OPTIONAL("strides", INTS)

const fv_opdef fv_ops_quant[] = {
    {.domain = "fv",
     .name = "Quantize",
     .id = FV_OP_fv_Quantize,
     .since = {1},
     .doc = "x / scale + zero point, rounded to nearest, ties to even, and clamped; operands "
            "broadcast to x",
     .in = {{"x", "T1"}, {"scale", "T1"}, {"zero_point", "T2", FV_OPTIONAL_OPERAND}},
     .out = {{"y", "T2"}},
     .attrs = {FV_A_REQUIRED("to", INT)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", QUANTS}},
     .infer = infer_fv_quantize,
     .define = define_fv_quantize},
    {.domain = "fv",
     .name = "Dequantize",
     .id = FV_OP_fv_Dequantize,
     .since = {1},
     .doc = "(x - zero point) * scale; operands broadcast to x",
     .in = {{"x", "T1"}, {"scale", "T2"}, {"zero_point", "T1", FV_OPTIONAL_OPERAND}},
     .out = {{"y", "T2"}},
     .types = {{"T1", QUANTS | FV_SET(I32)}, {"T2", FV_SET(F32)}},
     .infer = infer_fv_dequantize,
     .formula = "y = f32(select(has(zero_point), i32(x) - i32(zero_point), i32(x))) * scale"},
    {.domain = "",
     .name = "QuantizeLinear",
     .id = FV_OP_QuantizeLinear,
     .since = {10, 13, 19, 21, 23, 24, 25},
     .doc = "x / scale + zero point, rounded to the type of the zero point",
     .in = {{"x", "T1"}, {"y_scale", "T2"}, {"y_zero_point", "T3", FV_OPTIONAL_OPERAND}},
     .out = {{"y", "T3"}},
     .attrs = {FV_A_INT("axis", 1), FV_A_INT("block_size", 0), FV_A_INT("output_dtype", 0),
               FV_A_INT("precision", 0), FV_A_INT("saturate", 1)},
     .types = {{"T1", REALS | FV_SET(I32)},
               {"T2", REALS | FV_SET(I32) | FV_SET(F8E8M0)},
               {"T3", QUANTS | FLOAT8 | FV_SET_PACKED}},
     .infer = infer_quantize,
     .decompose = decompose_quantize},
    {.domain = "",
     .name = "DequantizeLinear",
     .id = FV_OP_DequantizeLinear,
     .since = {10, 13, 19, 21, 23, 24, 25},
     .doc = "(x - zero point) * scale",
     .in = {{"x", "T1"}, {"x_scale", "T2"}, {"x_zero_point", "T1", FV_OPTIONAL_OPERAND}},
     .out = {{"y", "T3"}},
     .attrs = {FV_A_INT("axis", 1), FV_A_INT("block_size", 0), FV_A_INT("output_dtype", 0)},
     .types = {{"T1", QUANTS | FV_SET(I32) | FLOAT8 | FV_SET_PACKED},
               {"T2", REALS | FV_SET(F8E8M0)},
               {"T3", REALS}},
     .infer = infer_dequantize,
     .decompose = decompose_dequantize},
    {.domain = "",
     .name = "DynamicQuantizeLinear",
     .id = FV_OP_DynamicQuantizeLinear,
     .since = {11},
     .doc = "quantized to u8 by the range of the data; scale and zero point come with it",
     .in = {{"x", "T1"}},
     .out = {{"y", "T2"}, {"y_scale", "S"}, {"y_zero_point", "T2"}},
     .types = {{"T1", FV_SET(F32)}, {"T2", FV_SET(U8)}, {"S", FV_SET(F32)}},
     .infer = infer_dynamic,
     .body = "DynamicQuantizeLinear"},
    {.domain = "",
     .name = "MatMulInteger",
     .id = FV_OP_MatMulInteger,
     .since = {10},
     .doc = "matrix product of integers from which zero points are "
            "subtracted",
     .in = {{"A", "T1", .rank = FV_RANK_FROM(1)},
            {"B", "T2", .rank = FV_RANK_FROM(1)},
            {"a_zero_point", "T1", FV_OPTIONAL_OPERAND},
            {"b_zero_point", "T2", FV_OPTIONAL_OPERAND}},
     .out = {{"Y", "T3"}},
     .types = {{"T1", INT8}, {"T2", INT8}, {"T3", FV_SET(I32)}},
     .infer = infer_matmul_integer,
     .body = "MatMulInteger"},
    {.domain = "",
     .name = "QLinearMatMul",
     .since = {10, 21},
     .doc = "matrix product of quantized tensors, quantized",
     .in = {{"a", "T1", .rank = FV_RANK_FROM(1)},
            {"a_scale", "TS"},
            {"a_zero_point", "T1"},
            {"b", "T2", .rank = FV_RANK_FROM(1)},
            {"b_scale", "TS"},
            {"b_zero_point", "T2"},
            {"y_scale", "TS"},
            {"y_zero_point", "T3"}},
     .out = {{"y", "T3"}},
     .types = {{"TS", REALS}, {"T1", INT8 | FLOAT8}, {"T2", INT8 | FLOAT8}, {"T3", INT8 | FLOAT8}},
     .infer = infer_qlinear_matmul,
     .body = "QLinearMatMul"},
    {.domain = "",
     .name = "ConvInteger",
     .id = FV_OP_ConvInteger,
     .since = {10},
     .doc = "convolution of integers from which zero points are subtracted",
     .in = {{"x", "T1", .rank = FV_RANK_FROM(3)},
            {"w", "T2", .rank = FV_RANK_AS("x")},
            {"x_zero_point", "T1", FV_OPTIONAL_OPERAND, .rank = FV_SCALAR},
            {"w_zero_point", "T2", FV_OPTIONAL_OPERAND, .rank = FV_RANKS(0, 1)}},
     .out = {{"y", "T3"}},
     .attrs = {CONV},
     .types = {{"T1", INT8}, {"T2", INT8}, {"T3", FV_SET(I32)}},
     .infer = infer_conv_integer,
     .decompose = decompose_conv_integer},
    {.domain = "",
     .name = "QLinearConv",
     .id = FV_OP_QLinearConv,
     .since = {10},
     .doc = "convolution of quantized tensors, quantized",
     .in = {QLINEAR_CONV},
     .out = {{"y", "T3"}},
     .attrs = {CONV},
     .types = {{"T1", INT8}, {"T2", INT8}, {"T3", INT8}, {"T4", FV_SET(I32)}, {"S", FV_SET(F32)}},
     .infer = infer_qlinear_conv,
     .decompose = decompose_qlinear_conv},
    {.domain = "com.microsoft",
     .name = "QLinearConv",
     .since = {1},
     .doc = "the standard's operator, also for an input whose channels are the last axis; the "
            "layout of the filter is the same",
     .in = {QLINEAR_CONV},
     .out = {{"y", "T3"}},
     .attrs = {CONV, FV_A_INT("channels_last", 0)},
     .types = {{"T1", INT8}, {"T2", INT8}, {"T3", INT8}, {"T4", FV_SET(I32)}, {"S", FV_SET(F32)}},
     .infer = infer_qlinear_conv,
     .decompose = decompose_qlinear_conv},

    {0}};
