/* microsoft_quant.c - QuantizeLinear and DequantizeLinear of ONNX Runtime's domain com.microsoft:
 * the standard's operators, with types that the standard allows in later opsets only. */
#include "ir/definition/definition.h"
#include "ir/graph/infer.h"
#include "ops/common/scales.h"
#include "ops/quantize/quant.h"

static bool infer_quantize(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0), *zero = fv_in_type(op, 2);
    fv_infer_out(op, 0, zero ? zero->elem : FV_U8, x->rank, x->dims);
    return fv_check_scale(op, fv_op_int(op, "axis"), 0) && fv_infer_positive(op, 1);
}

static bool infer_dequantize(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_out(op, 0, fv_in_type(op, 1)->elem, x->rank, x->dims);
    return fv_check_scale(op, fv_op_int(op, "axis"), 0);
}

#define QUANTS (FV_SET(I8) | FV_SET(U8) | FV_SET(I16) | FV_SET(U16) | FV_SET(I4) | FV_SET(U4))
#define REALS  (FV_SET(F32) | FV_SET(F16))

const fv_opdef fv_ops_microsoft_quant[] = {
    {.domain = "com.microsoft",
     .name = "QuantizeLinear",
     .since = {1},
     .doc = "x / scale + zero point, rounded to the type of the zero point",
     .in = {{"x", "T1"}, {"y_scale", "T1"}, {"y_zero_point", "T2", FV_OPTIONAL_OPERAND}},
     .out = {{"y", "T2"}},
     .attrs = {FV_A_INT("axis", 1)},
     .types = {{"T1", REALS}, {"T2", QUANTS}},
     .infer = infer_quantize,
     .rule = "QuantizeLinear(x, scale, zero) => QuantizeLinear(x, scale, zero, axis=axis)"},
    {.domain = "com.microsoft",
     .name = "DequantizeLinear",
     .since = {1},
     .doc = "(x - zero point) * scale",
     .in = {{"x", "T1"}, {"x_scale", "T2"}, {"x_zero_point", "T1", FV_OPTIONAL_OPERAND}},
     .out = {{"y", "T2"}},
     .attrs = {FV_A_INT("axis", 1)},
     .types = {{"T1", QUANTS | FV_SET(I32)}, {"T2", REALS}},
     .infer = infer_dequantize,
     .rule = "DequantizeLinear(x, scale, zero) => DequantizeLinear(x, scale, zero, axis=axis)"},

    {0}};
