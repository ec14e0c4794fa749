/* quant.c - quantization: real numbers as integers (x - zero point) * scale, or as floats of 8 or 4
 * bits times a scale; and products of such tensors.
 *
 * Scales and zero points become operands that broadcast, whether they are one, one an axis, or one
 * a block. Products of integers are products of i32. */
#include "ops/quantize/quant.h"

#include "ir/base/limits.h"
#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/matrix/matrix.h"
#include "ops/nn/conv.h"

/* ---- scales ---- */

static bool is_scalar(const fv_type *t) {
    return !t->rank || (t->rank == 1 && fv_dim_is_const(t->dims[0]) && t->dims[0]->value == 1);
}

/* Scale and zero point at operands 1 and 2 of an op on operand 0. */
static bool check_scale(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *s = fv_in_type(op, 1), *z = fv_in_type(op, 2);
    int64_t block = fv_op_int(op, "block_size");
    int axis;
    if (z && z->rank != s->rank && !(is_scalar(z) && is_scalar(s)))
        return fv_op_error(op, "the scale has rank %d, the zero point %d", s->rank, z->rank);
    for (int i = 0; z && i < z->rank && i < s->rank; i++)
        if (!fv_module_assume(m, s->dims[i], z->dims[i], "scales and zero points"))
            return fv_op_error(op, "scale and zero point differ in axis %d", i);
    if (block < 0)
        return fv_op_error(op, "block_size is %lld", (long long)block);
    if (is_scalar(s) && !block)
        return true;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
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

/* A vector along `axis` of a tensor of that rank; others as they are. */
static fv_value *along(fv_rewriter *w, fv_value *v, int rank, int axis) {
    const fv_dim *dims[FV_MAX_RANK];
    if (!v || v->type->rank > 1)
        return v;
    if (is_scalar(v->type))
        return fv_w_reshape(w, v, 0, NULL);
    for (int i = 0; i < rank; i++)
        dims[i] = i == axis ? v->type->dims[0] : fv_dim_const(w->module->dims, 1);
    return fv_w_reshape(w, v, rank, dims);
}

/* Each element of an axis `block` times: [n] as [n, 1] as [n, block] as [n * block], cut. */
static fv_value *repeat(fv_rewriter *w, fv_value *v, int axis, int64_t block, const fv_dim *size) {
    fv_dims *t = w->module->dims;
    int rank = v->type->rank;
    const fv_dim *split[FV_MAX_RANK + 1], *wide[FV_MAX_RANK + 1], *start[FV_MAX_RANK],
        *step[FV_MAX_RANK];
    const fv_dim *dims[FV_MAX_RANK];
    if (rank == FV_MAX_RANK) {
        fv_op_error(w->at, "rank %d with blocks is more than %d", rank, FV_MAX_RANK - 1);
        return NULL;
    }
    for (int i = 0; i <= rank; i++) {
        split[i] = i == axis + 1 ? fv_dim_const(t, 1) : v->type->dims[i > axis ? i - 1 : i];
        wide[i] = i == axis + 1 ? fv_dim_const(t, block) : split[i];
    }
    for (int i = 0; i < rank; i++) {
        start[i] = fv_dim_const(t, 0);
        step[i] = fv_dim_const(t, 1);
        dims[i] = i == axis ? fv_dim_mul(t, wide[i], wide[i + 1]) : v->type->dims[i];
    }
    v = fv_w_expand(w, fv_w_reshape(w, v, rank + 1, split), rank + 1, wide);
    v = fv_w_reshape(w, v, rank, dims);
    dims[axis] = size;
    return fv_w_slice(w, v, start, step, dims);
}

/* Operand i as something that broadcasts against operand 0. */
static fv_value *spread(fv_rewriter *w, fv_op *op, int i) {
    const fv_type *x = fv_in_type(op, 0);
    fv_value *v = fv_op_in(op, i);
    int64_t block = fv_op_int(op, "block_size");
    int axis = 0;
    if (!v || (is_scalar(v->type) && !block))
        return v ? fv_w_reshape(w, v, 0, NULL) : NULL;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return NULL;
    return block ? repeat(w, v, axis, block, x->dims[axis]) : along(w, v, x->rank, axis);
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
    return check_scale(op);
}

/* The type that the quotient is rounded to. */
static fv_elem quotient_type(const fv_op *op) {
    fv_elem p = (fv_elem)fv_op_int(op, "precision"), s = fv_in_type(op, 1)->elem;
    if (p)
        return p;
    return s == FV_I32 ? FV_F64 : s == FV_F8E8M0 ? FV_F32 : s;
}

static fv_value *quantize(fv_rewriter *w, fv_value *x, fv_value *scale, fv_value *zero,
                          fv_elem to) {
    fv_value *in[3] = {x, scale, zero};
    fv_attr a = fv_attr_int(w->module, "to", to);
    return fv_w_op(w, FV_OP_fv_Quantize, zero ? 3 : 2, in, 1, &a);
}

/* Floats are divided and cast, their zero point is 0; integers have an op. */
static bool decompose_quantize(fv_rewriter *w, fv_op *op) {
    fv_elem p = quotient_type(op), to = op->out[0]->type->elem;
    fv_value *x = fv_w_cast(w, op->in[0], p), *scale = fv_w_cast(w, spread(w, op, 1), p);
    if (is_quantized(to)) {
        fv_w_result(w, 0, quantize(w, x, scale, spread(w, op, 2), to));
        return true;
    }
    fv_attr a[2] = {fv_attr_int(w->module, "to", to),
                    fv_attr_int(w->module, "saturate", fv_op_int(op, "saturate"))};
    fv_value *q = FV_W2(w, FV_OP_Div, x, scale);
    fv_w_result(w, 0, fv_w_op(w, FV_OP_Cast, 1, &q, 2, a));
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

/* Clamped as a float, where it cannot overflow: z + clamp(rint(x / scale), lo - z, hi - z). */
static bool define_fv_quantize(fv_definer *d, fv_op *op) {
    fv_arena *a = d->arena;
    fv_definition *def = fv_definition_new(d, 0);
    fv_elem to = op->out[0]->type->elem, x = fv_in_type(op, 0)->elem, e = fv_elem_arith(x);
    int64_t half = INT64_C(1) << (fv_elem_bits(to) - 1), lo = fv_elem_is_signed(to) ? -half : 0;
    fv_expr *q = fv_x_bin(a, FV_X_DIV, fv_d_elementwise(d, 0, def), fv_d_elementwise(d, 1, def));
    q = fv_x_un(a, FV_X_RINT, fv_x_convert(a, e, fv_x_convert(a, x, q)));
    fv_expr *z = fv_x_const_int(a, FV_I32, 0);
    if (fv_op_in(op, 2))
        z = fv_x_convert(a, FV_I32, fv_d_elementwise(d, 2, def));
    fv_expr *low = fv_x_bin(a, FV_X_SUB, fv_x_const_int(a, FV_I32, lo), z);
    fv_expr *high = fv_x_bin(a, FV_X_SUB, fv_x_const_int(a, FV_I32, lo + 2 * half - 1), z);
    q = fv_x_bin(a, FV_X_MAX, fv_x_bin(a, FV_X_MIN, q, fv_x_convert(a, e, high)),
                 fv_x_convert(a, e, low));
    q = fv_x_bin(a, FV_X_ADD, fv_x_convert(a, FV_I32, q), z);
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
    fv_value *in[3] = {op->in[0], fv_w_cast(w, spread(w, op, 1), FV_F32), spread(w, op, 2)};
    fv_elem to = op->out[0]->type->elem;
    fv_value *y = NULL;
    if (fv_elem_is_float(in[0]->type->elem)) {
        y = fv_w_cast(w, in[0], FV_F32);
        if (in[2])
            y = FV_W2(w, FV_OP_Sub, y, fv_w_cast(w, in[2], FV_F32));
        y = FV_W2(w, FV_OP_Mul, y, in[1]);
    } else
        y = fv_w_op(w, FV_OP_fv_Dequantize, in[2] ? 3 : 2, in, 0, NULL);
    fv_w_result(w, 0, fv_w_cast(w, y, to));
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

/* The range includes 0. Where it is nothing else the scale is 1, and everything is 0. */
static bool decompose_dynamic(fv_rewriter *w, fv_op *op) {
    fv_value *x = op->in[0], *zero = fv_w_float(w, FV_F32, 0), *top = fv_w_float(w, FV_F32, 255);
    fv_attr keep = fv_attr_int(w->module, "keepdims", 0);
    fv_value *hi = FV_W2(w, FV_OP_Max, fv_w_op(w, FV_OP_ReduceMax, 1, &x, 1, &keep), zero);
    fv_value *lo = FV_W2(w, FV_OP_Min, fv_w_op(w, FV_OP_ReduceMin, 1, &x, 1, &keep), zero);
    fv_value *scale = FV_W2(w, FV_OP_Div, FV_W2(w, FV_OP_Sub, hi, lo), top);
    scale = FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Equal, hi, lo), fv_w_float(w, FV_F32, 1), scale);
    fv_value *at = FV_W1(w, FV_OP_Round, FV_W2(w, FV_OP_Div, FV_W2(w, FV_OP_Sub, zero, lo), scale));
    fv_value *point = fv_w_cast(w, FV_W3(w, FV_OP_Clip, at, zero, top), FV_U8);
    fv_w_result(w, 0, quantize(w, x, scale, point, FV_U8));
    if (op->nout > 1 && op->out[1])
        fv_w_result(w, 1, scale);
    if (op->nout > 2 && op->out[2])
        fv_w_result(w, 2, point);
    return true;
}

/* ---- products ---- */

/* x - zero point, as an i32, or (of narrow floats) as an f32; `axis`: of a vector of zero
 * points. */
static fv_value *centred(fv_rewriter *w, fv_value *x, fv_value *zero, int axis) {
    if (!x)
        return NULL;
    fv_elem e = fv_elem_is_float(x->type->elem) ? FV_F32 : FV_I32;
    fv_value *y = fv_w_cast(w, x, e);
    return zero ? FV_W2(w, FV_OP_Sub, y, fv_w_cast(w, along(w, zero, x->type->rank, axis), e)) : y;
}

static fv_value *product(fv_rewriter *w, fv_value *a, fv_value *az, fv_value *b, fv_value *bz) {
    a = centred(w, a, az, a->type->rank - 2);
    b = centred(w, b, bz, b->type->rank - 1);
    if (a && b && a->type->elem != b->type->elem) {
        a = fv_w_cast(w, a, FV_F32);
        b = fv_w_cast(w, b, FV_F32);
    }
    return FV_W2(w, FV_OP_MatMul, a, b);
}

bool fv_infer_fits_matrix(fv_op *op, int in, const fv_type *matrix, int axis) {
    fv_module *m = fv_op_module(op);
    const fv_type *t = fv_in_type(op, in);
    int at = matrix->rank + axis;
    if (!t || is_scalar(t))
        return true;
    if (t->rank > 1)
        return fv_infer_fits(op, in, matrix->rank, matrix->dims);
    return (at >= 0 && fv_module_assume(m, t->dims[0], matrix->dims[at], "scales along an axis")) ||
           fv_op_error(op, "input '%s' is %s, expected a scalar or one for each of %s",
                       op->def->in[in].name, fv_type_str(m->arena, t),
                       at < 0 ? "the rows" : fv_dim_str(m->arena, matrix->dims[at]));
}

static bool infer_matmul_integer(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    return fv_infer_matmul(op, a, b, FV_I32) && fv_infer_fits_matrix(op, 2, a, -2) &&
           fv_infer_fits_matrix(op, 3, b, -1);
}

static bool decompose_matmul_integer(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0, product(w, op->in[0], fv_op_in(op, 2), op->in[1], fv_op_in(op, 3)));
    return true;
}

static bool infer_qlinear_matmul(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 3);
    if (!fv_infer_matmul(op, a, b, fv_in_type(op, 7)->elem))
        return false;
    const fv_type *y = op->out[0]->type;
    return fv_infer_fits_matrix(op, 2, a, -2) && fv_infer_fits_matrix(op, 5, b, -1) &&
           fv_infer_fits_matrix(op, 1, y, -2) && fv_infer_fits_matrix(op, 4, y, -1) &&
           fv_infer_fits_matrix(op, 6, y, -2) && fv_infer_fits_matrix(op, 7, y, -2);
}

/* y * (scale a * scale b / scale y), to the type of the zero point */
static fv_value *requantize(fv_rewriter *w, fv_value *y, fv_value *sa, fv_value *sb, fv_value *sy,
                            fv_value *zero) {
    fv_value *s = FV_W2(w, FV_OP_Mul, fv_w_cast(w, sa, FV_F32), fv_w_cast(w, sb, FV_F32));
    s = FV_W2(w, FV_OP_Div, s, fv_w_cast(w, sy, FV_F32));
    y = FV_W2(w, FV_OP_Mul, fv_w_cast(w, y, FV_F32), s);
    if (!y || !fv_elem_is_float(zero->type->elem))
        return quantize(w, y, fv_w_float(w, FV_F32, 1), zero, zero->type->elem);
    return fv_w_cast(w, y, zero->type->elem);
}

static bool decompose_qlinear_matmul(fv_rewriter *w, fv_op *op) {
    int rank = op->out[0]->type->rank, rows = rank - 2;
    fv_value *y = product(w, op->in[0], op->in[2], op->in[3], op->in[5]);
    fv_w_result(w, 0,
                requantize(w, y, along(w, op->in[1], rank, rows),
                           along(w, op->in[4], rank, rank - 1), along(w, op->in[6], rank, rows),
                           along(w, op->in[7], rank, rows)));
    return true;
}

/* Operand `in`, if it is there: one for all filters of that type, or one for each. */
static bool fits_filters(fv_op *op, int in, const fv_type *filters) {
    const fv_type *t = fv_in_type(op, in);
    return !t || is_scalar(t) || fv_infer_per_channel(op, in, filters->dims[0]);
}

static bool infer_conv_integer(fv_op *op) {
    const fv_type *w = fv_in_type(op, 1);
    return fv_infer_conv(op, fv_in_type(op, 0), w, FV_I32) && fits_filters(op, 3, w);
}

static bool decompose_conv_integer(fv_rewriter *w, fv_op *op) {
    fv_w_result(w, 0,
                fv_w_conv(w, op, centred(w, op->in[0], fv_op_in(op, 2), 1),
                          centred(w, op->in[1], fv_op_in(op, 3), 0), NULL));
    return true;
}

static bool infer_qlinear_conv(fv_op *op) {
    const fv_type *w = fv_in_type(op, 3);
    return fv_infer_conv(op, fv_in_type(op, 0), w, fv_in_type(op, 7)->elem) &&
           fits_filters(op, 4, w) && fits_filters(op, 5, w) &&
           (!fv_op_in(op, 8) || fv_infer_per_channel(op, 8, w->dims[0]));
}

static bool decompose_qlinear_conv(fv_rewriter *w, fv_op *op) {
    int rank = op->out[0]->type->rank;
    fv_value *y = fv_w_conv(w, op, centred(w, op->in[0], op->in[2], 1),
                            centred(w, op->in[3], op->in[5], 0), fv_op_in(op, 8));
    fv_w_result(w, 0,
                requantize(w, y, along(w, op->in[1], rank, 1), along(w, op->in[4], rank, 1),
                           along(w, op->in[6], rank, 1), along(w, op->in[7], rank, 1)));
    return true;
}

#define INT8 (FV_SET(I8) | FV_SET(U8))
#define QUANTS                                                                                     \
    (INT8 | FV_SET(I16) | FV_SET(U16) | FV_SET(U4) | FV_SET(I4) | FV_SET(U2) | FV_SET(I2))
#define FLOAT8 (FV_SET_FLOAT8 & ~FV_SET(F8E8M0))
#define REALS  (FV_SET(F32) | FV_SET(F16) | FV_SET(BF16))
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
               {"T3", QUANTS | FLOAT8 | FV_SET(F4E2M1)}},
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
     .types = {{"T1", QUANTS | FV_SET(I32) | FLOAT8 | FV_SET(F4E2M1)},
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
     .decompose = decompose_dynamic},
    {.domain = "",
     .name = "MatMulInteger",
     .id = FV_OP_MatMulInteger,
     .since = {10},
     .doc = "matrix product of integers less their zero points",
     .in = {{"A", "T1", .rank = FV_RANK_FROM(1)},
            {"B", "T2", .rank = FV_RANK_FROM(1)},
            {"a_zero_point", "T1", FV_OPTIONAL_OPERAND},
            {"b_zero_point", "T2", FV_OPTIONAL_OPERAND}},
     .out = {{"Y", "T3"}},
     .types = {{"T1", INT8}, {"T2", INT8}, {"T3", FV_SET(I32)}},
     .infer = infer_matmul_integer,
     .decompose = decompose_matmul_integer},
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
     .decompose = decompose_qlinear_matmul},
    {.domain = "",
     .name = "ConvInteger",
     .since = {10},
     .doc = "convolution of integers less their zero points",
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
     .since = {10},
     .doc = "convolution of quantized tensors, quantized",
     .in = {{"x", "T1", .rank = FV_RANK_FROM(3)},
            {"x_scale", "S", .rank = FV_SCALAR},
            {"x_zero_point", "T1", .rank = FV_SCALAR},
            {"w", "T2", .rank = FV_RANK_AS("x")},
            {"w_scale", "S", .rank = FV_RANKS(0, 1)},
            {"w_zero_point", "T2", .rank = FV_RANKS(0, 1)},
            {"y_scale", "S", .rank = FV_SCALAR},
            {"y_zero_point", "T3", .rank = FV_SCALAR},
            {"B", "T4", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"y", "T3"}},
     .attrs = {CONV},
     .types = {{"T1", INT8}, {"T2", INT8}, {"T3", INT8}, {"T4", FV_SET(I32)}, {"S", FV_SET(F32)}},
     .infer = infer_qlinear_conv,
     .decompose = decompose_qlinear_conv},

    {0}};
