/* microsoft.c - operators of ONNX Runtime's domain com.microsoft into which its optimizer fuses
 * products, sums and activations. Norms are in microsoft_norm.c; an operator that is equal to one
 * of the standard is in the file of the latter. */

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/graph/rewriter.h"
#include "ops/common/scales.h"
#include "ops/elementwise/named_activation.h"
#include "ops/matrix/matrix.h"

/* ---- FusedMatMul ---- */

/* The permutation of operand i that the attributes request: the batch axes are moved after the
 * first axis, the last two axes are exchanged. */
static void operand_perm(const fv_op *op, int i, int *perm) {
    int rank = fv_in_type(op, i)->rank;
    bool batch = fv_op_int(op, i ? "transBatchB" : "transBatchA") != 0 && rank > 2;
    bool swap = fv_op_int(op, i ? "transB" : "transA") != 0 && rank > 1;
    for (int k = 0; k < rank; k++)
        perm[k] = !batch ? k : k < rank - 2 ? k + 1 : k == rank - 2 ? 0 : k;
    if (swap) {
        int last = perm[rank - 1];
        perm[rank - 1] = perm[rank - 2];
        perm[rank - 2] = last;
    }
}

static bool infer_fused_matmul(fv_op *op) {
    const fv_type *t[2];
    for (int i = 0; i < 2; i++) {
        const fv_type *x = fv_in_type(op, i);
        const fv_dim *dims[FV_MAX_RANK];
        int perm[FV_MAX_RANK];
        operand_perm(op, i, perm);
        for (int k = 0; k < x->rank; k++)
            dims[k] = x->dims[perm[k]];
        t[i] = fv_tensor_type(fv_op_module(op)->arena, x->elem, x->rank, dims);
    }
    return fv_infer_matmul(op, t[0], t[1], t[0]->elem);
}

static bool decompose_fused_matmul(fv_rewriter *w, fv_op *op) {
    fv_value *x[2];
    float alpha = fv_op_float(op, "alpha");
    for (int i = 0; i < 2; i++) {
        int perm[FV_MAX_RANK];
        operand_perm(op, i, perm);
        x[i] = fv_w_transpose(w, op->in[i], perm);
    }
    fv_value *y = FV_W2(w, FV_OP_MatMul, x[0], x[1]);
    if (y && alpha != 1)
        y = FV_W2(w, FV_OP_Mul, y, fv_w_float(w, y->type->elem, (double)alpha));
    if (fv_opdef_attr(op->def, "activation") && !fv_w_activation_of(w, op, &y))
        return false;
    fv_w_result(w, 0, y);
    return true;
}

static bool infer_fused_matmul_activation(fv_op *op) {
    int axis;
    return infer_fused_matmul(op) && fv_infer_activation_of(op) &&
           (!fv_op_find_attr(op, "activation_axis") ||
            fv_infer_axis(op, fv_op_find_attr(op, "activation_axis")->u.i, op->out[0]->type->rank,
                          &axis));
}

/* ---- GemmFastGelu ---- */

static bool infer_gemm_gelu(fv_op *op) {
    if (!fv_infer_matmul(op, fv_in_type(op, 0), fv_in_type(op, 1), fv_in_type(op, 0)->elem))
        return false;
    const fv_type *y = op->out[0]->type;
    return fv_infer_fits(op, 2, y->rank, y->dims);
}

/* ---- sums and products ---- */

static bool infer_bias_add(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_like(op, 0, 0);
    return fv_infer_per_channel(op, 1, x->dims[x->rank - 1]) &&
           fv_infer_fits(op, 2, x->rank, x->dims);
}

/* The gate has one number for each row. */
static bool infer_gated_add(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    fv_infer_like(op, 0, 0);
    return fv_infer_fits(op, 1, x->rank, x->dims) && fv_infer_fits(op, 2, x->rank, x->dims);
}

/* The left half of the last axis times Gelu of the right half. */
static bool infer_split_gelu(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK], *last = x->dims[x->rank - 1], *two = fv_dim_const(m->dims, 2);
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    dims[x->rank - 1] = fv_dim_floordiv(m->dims, last, two);
    if (!fv_module_assume(m, last, fv_dim_mul(m->dims, dims[x->rank - 1], two),
                          "an even number of channels"))
        return fv_op_error(op, "the last axis has %s elements, expected an even number",
                           fv_dim_str(m->arena, last));
    fv_infer_out(op, 0, x->elem, x->rank, dims);
    return fv_infer_per_channel(op, 1, last);
}

/* ---- IsAllFinite ---- */

static bool infer_truth(fv_op *op) {
    fv_infer_out(op, 0, FV_BOOL, 0, NULL);
    return true;
}

static bool infer_all_finite(fv_op *op) {
    if (fv_op_int(op, "isinf_only") && fv_op_int(op, "isnan_only"))
        return fv_op_error(op, "isinf_only and isnan_only exclude each other");
    return infer_truth(op);
}

static bool decompose_all_finite(fv_rewriter *w, fv_op *op) {
    fv_value *all = NULL;
    for (int i = 0; i < op->nin; i++) {
        fv_value *y = fv_w_op(w, FV_OP_fv_AllFinite, 1, &op->in[i], op->nattrs, op->attrs);
        all = all ? FV_W2(w, FV_OP_And, all, y) : y;
    }
    fv_w_result(w, 0, all);
    return true;
}

/* ---- FusedGemm ---- */

static bool infer_fused_gemm(fv_op *op) {
    return fv_infer_gemm(op) && fv_infer_activation_of(op);
}

static bool decompose_fused_gemm(fv_rewriter *w, fv_op *op) {
    static const char *const own[] = {"alpha", "beta", "transA", "transB"};
    fv_attr a[4];
    int n = 0;
    for (int i = 0; i < 4; i++)
        if (fv_op_find_attr(op, own[i]))
            a[n++] = *fv_op_find_attr(op, own[i]);
    fv_value *y = fv_w_op(w, FV_OP_Gemm, op->nin, op->in, n, a);
    if (!fv_w_activation_of(w, op, &y))
        return false;
    fv_w_result(w, 0, y);
    return true;
}

/* ---- products of integers ---- */

/* The type for products and sums of narrow integers: 32 bits, unsigned if all operands are. */
static fv_elem wide_of(const fv_op *op, int n) {
    for (int i = 0; i < n; i++) {
        fv_elem e = fv_in_type(op, i)->elem;
        if (e != FV_U8 && e != FV_U16)
            return FV_I32;
    }
    return FV_U32;
}

static bool infer_wide_product(fv_op *op) {
    return fv_infer_matmul(op, fv_in_type(op, 0), fv_in_type(op, 1), wide_of(op, 2));
}

enum { M_A, M_A_ZERO, M_B, M_B_ZERO };

static bool infer_mul_integer(fv_op *op) {
    const fv_type *both[2] = {fv_in_type(op, M_A), fv_in_type(op, M_B)};
    const fv_dim *dims[FV_MAX_RANK];
    int rank;
    if (!fv_infer_broadcast(op, 2, both, &rank, dims))
        return false;
    fv_infer_out(op, 0, FV_I32, rank, dims);
    return true;
}

/* Sets which axes are reduced. */
static bool reduced_axes(fv_op *op, bool *reduced) {
    int n, axis;
    const int64_t *axes = fv_op_ints(op, "axes", &n);
    for (int i = 0; i < n; i++) {
        if (!fv_infer_axis(op, axes[i], fv_in_type(op, 0)->rank, &axis))
            return false;
        reduced[axis] = true;
    }
    return true;
}

static bool infer_sum_integer(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    bool reduced[FV_MAX_RANK] = {0};
    int rank = 0;
    if (!reduced_axes(op, reduced))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (!reduced[i] || fv_op_int(op, "keepdims"))
            dims[rank++] = reduced[i] ? fv_dim_const(fv_op_module(op)->dims, 1) : x->dims[i];
    fv_infer_out(op, 0, wide_of(op, 1), rank, dims);
    return true;
}

static bool decompose_sum_integer(fv_rewriter *w, fv_op *op) {
    bool reduced[FV_MAX_RANK] = {0};
    int64_t axes[FV_MAX_RANK];
    int n = 0;
    if (!reduced_axes(op, reduced))
        return false;
    for (int i = 0; i < fv_in_type(op, 0)->rank; i++)
        if (reduced[i])
            axes[n++] = i;
    fv_attr keep = fv_attr_int(w->module, "keepdims", fv_op_int(op, "keepdims"));
    fv_value *in[2] = {fv_w_cast(w, op->in[0], wide_of(op, 1)),
                       fv_const_ints(w->module, "axes", n, axes)};
    fv_w_result(w, 0, n ? fv_w_op(w, FV_OP_ReduceSum, 2, in, 1, &keep) : in[0]);
    return true;
}

enum { I_A_SCALE = 2, I_B_SCALE, I_A_ZERO, I_B_ZERO, I_BIAS };

/* Checks that scales and the bias broadcast to the result; the zero point of a is one number, that
 * of b may be one for each column. */
static bool infer_integer_product(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    if (!fv_infer_matmul(op, a, b, fv_in_type(op, I_A_SCALE)->elem))
        return false;
    const fv_type *y = op->out[0]->type;
    const fv_dim *one = fv_dim_const(fv_op_module(op)->dims, 1);
    return fv_infer_fits(op, I_A_SCALE, y->rank, y->dims) &&
           fv_infer_fits(op, I_B_SCALE, y->rank, y->dims) && fv_infer_fits(op, I_A_ZERO, 1, &one) &&
           fv_infer_fits_matrix(op, I_B_ZERO, b, -1) && fv_infer_fits(op, I_BIAS, y->rank, y->dims);
}

static bool infer_dynamic_product(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    if (!fv_infer_matmul(op, a, b, FV_F32))
        return false;
    const fv_type *y = op->out[0]->type;
    return fv_infer_fits(op, 2, y->rank, y->dims) && fv_infer_fits_matrix(op, 3, b, -1) &&
           fv_infer_fits(op, 4, y->rank, y->dims);
}

#define MS .domain = "com.microsoft", .since = {1}
#define FLOATS                                                                                     \
    {                                                                                              \
        {                                                                                          \
            "T", FV_SET_FLOAT                                                                      \
        }                                                                                          \
    }
#define INT8 (FV_SET(I8) | FV_SET(U8))
#define QUANTIZED                                                                                  \
    {                                                                                              \
        {"T1", INT8}, {"T2", INT8}, {                                                              \
            "F", FV_SET(F32) | FV_SET(F16)                                                         \
        }                                                                                          \
    }
#define OPTIONAL FV_OPTIONAL_OPERAND

const fv_opdef fv_ops_microsoft[] = {
    {MS, .name = "Gelu", .doc = "x * Phi(x)", .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .types = FLOATS, .body = "BiasGelu"},
    {MS, .name = "BiasGelu", .doc = "Gelu of a sum", .in = {{"A", "T"}, {"B", "T"}},
     .out = {{"C", "T"}}, .types = FLOATS, .infer = fv_infer_elementwise, .body = "BiasGelu"},
    {MS, .name = "FastGelu", .id = FV_OP_com_microsoft_FastGelu,
     .doc = "the tanh approximation of Gelu, of x or a sum",
     .in = {{"X", "T"}, {"bias", "T", OPTIONAL}}, .out = {{"Y", "T"}}, .types = FLOATS,
     .infer = fv_infer_elementwise, .body = "FastGelu"},
    {MS, .name = "QuickGelu", .doc = "x * sigmoid(alpha * x)", .in = {{"X", "T"}},
     .out = {{"Y", "T"}}, .attrs = {FV_A_FLOAT("alpha", 1.702f)}, .types = FLOATS,
     .formula = "Y = X * sigmoid(alpha * X)"},
    {MS, .name = "FusedMatMul", .doc = "alpha * A * B, with axes transposed on request",
     .in = {{"A", "T", .rank = FV_RANK_FROM(1)}, {"B", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_INT("transA", 0), FV_A_INT("transB", 0),
               FV_A_INT("transBatchA", 0), FV_A_INT("transBatchB", 0)},
     .types = FLOATS, .infer = infer_fused_matmul, .decompose = decompose_fused_matmul},
    {MS, .name = "TransposeMatMul", .doc = "an older name of FusedMatMul",
     .in = {{"A", "T", .rank = FV_RANK_FROM(1)}, {"B", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_INT("transA", 0), FV_A_INT("transB", 0),
               FV_A_INT("transBatchA", 0), FV_A_INT("transBatchB", 0)},
     .types = FLOATS, .infer = infer_fused_matmul, .decompose = decompose_fused_matmul},
    {MS, .name = "FusedMatMulActivation", .doc = "FusedMatMul and an activation",
     .in = {{"A", "T", .rank = FV_RANK_FROM(1)}, {"B", "T", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_INT("transA", 0), FV_A_INT("transB", 0),
               FV_A_INT("transBatchA", 0), FV_A_INT("transBatchB", 0),
               FV_A_REQUIRED("activation", STRING), FV_A_OPTIONAL("activation_alpha", FLOAT),
               FV_A_OPTIONAL("activation_axis", INT), FV_A_OPTIONAL("activation_beta", FLOAT),
               FV_A_OPTIONAL("activation_gamma", FLOAT)},
     .types = FLOATS, .infer = infer_fused_matmul_activation, .decompose = decompose_fused_matmul},
    {MS, .name = "GemmFastGelu", .doc = "FastGelu of a matrix product",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)},
            {"W", "T", .rank = FV_RANK_FROM(1)},
            {"bias", "T", OPTIONAL, .rank = FV_RANKS(0, 1)}},
     .out = {{"Y", "T"}}, .types = FLOATS, .infer = infer_gemm_gelu, .body = "GemmFastGelu"},
    {MS, .name = "BiasAdd",
     .doc = "X + bias + skip, where bias has one number for each position "
            "of the last axis",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"bias", "T", .rank = FV_RANK(1)}, {"skip", "T"}},
     .out = {{"Y", "T"}}, .types = FLOATS, .infer = infer_bias_add,
     .rule = "BiasAdd(x, b, s) => Add(Add(x, b), s)"},
    {MS, .name = "GatedAdd", .doc = "X + Y * gate, each product rounded; gate is one number a row",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)},
            {"Y", "T", .rank = FV_RANK_AS("X")},
            {"gate", "T", .rank = FV_RANK_AS("X")}},
     .out = {{"output", "T"}}, .types = FLOATS, .infer = infer_gated_add,
     .rule = "GatedAdd(x, y, g) => Add(x, Mul(y, g))"},
    {MS, .name = "BiasSplitGelu",
     .doc = "the left half of X + bias times Gelu of its right half, along the last axis",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"bias", "T", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}}, .types = FLOATS, .infer = infer_split_gelu, .body = "BiasSplitGelu"},
    {MS, .name = "SampleOp", .doc = "the input itself", .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_NUMBER}}, .rule = "SampleOp(x) => Identity(x)"},
    {.domain = "fv",
     .name = "AllFinite",
     .id = FV_OP_fv_AllFinite,
     .since = {1},
     .doc = "whether no element is an infinity or NaN",
     .in = {{"X", "T"}},
     .out = {{"Y", "B"}},
     .attrs = {FV_A_INT("isinf_only", 0), FV_A_INT("isnan_only", 0)},
     .types = {{"T", FV_SET_FLOAT}, {"B", FV_SET(BOOL)}},
     .infer = infer_truth,
     .formula = "Y = all r..: select(isinf_only != 0, abs(X[r..]) != inf, select(isnan_only != 0, "
                "X[r..] == X[r..], abs(X[r..]) < inf))"},
    {MS, .name = "IsAllFinite", .doc = "whether no element of any input is an infinity or NaN",
     .in = {{"input", "V", FV_VARIADIC, 1}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("isinf_only", 0), FV_A_INT("isnan_only", 0)},
     .types = {{"V", FV_SET_FLOAT}, {"T", FV_SET(BOOL)}}, .infer = infer_all_finite,
     .decompose = decompose_all_finite},
    {MS, .name = "FusedGemm", .doc = "Gemm and an activation",
     .in = {{"A", "T", .rank = FV_RANK(2)},
            {"B", "T", .rank = FV_RANK(2)},
            {"C", "T", OPTIONAL, .rank = FV_RANKS(0, 2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_FLOAT("beta", 1.0f), FV_A_INT("transA", 0),
               FV_A_INT("transB", 0), FV_A_OPTIONAL("activation", STRING),
               FV_A_OPTIONAL("activation_alpha", FLOAT), FV_A_OPTIONAL("activation_beta", FLOAT),
               FV_A_OPTIONAL("activation_gamma", FLOAT)},
     .types = FLOATS, .infer = infer_fused_gemm, .decompose = decompose_fused_gemm},
    {MS, .name = "MatMulInteger16", .doc = "matrix product of integers of 16 bits, in 32 bits",
     .in = {{"A", "T1", .rank = FV_RANK_FROM(1)}, {"B", "T2", .rank = FV_RANK_FROM(1)}},
     .out = {{"Y", "T3"}},
     .types = {{"T1", FV_SET(I16) | FV_SET(U16)},
               {"T2", FV_SET(I16) | FV_SET(U16)},
               {"T3", FV_SET(I32) | FV_SET(U32)}},
     .infer = infer_wide_product, .body = "MatMulInteger16"},
    {MS, .name = "MulInteger", .doc = "products of integers from which zero points are subtracted",
     .in = {{"A", "T"},
            {"A_zero_point", "T", OPTIONAL, .rank = FV_SCALAR},
            {"B", "T"},
            {"B_zero_point", "T", OPTIONAL, .rank = FV_SCALAR}},
     .out = {{"C", "T1"}}, .types = {{"T", INT8}, {"T1", FV_SET(I32)}}, .infer = infer_mul_integer,
     .body = "MulInteger"},
    {MS, .name = "ReduceSumInteger", .doc = "sums of integers over axes, in 32 bits",
     .in = {{"data", "T1"}}, .out = {{"reduced", "T2"}},
     .attrs = {FV_A_REQUIRED("axes", INTS), FV_A_REQUIRED("keepdims", INT)},
     .types = {{"T1", INT8}, {"T2", FV_SET(I32) | FV_SET(U32)}}, .infer = infer_sum_integer,
     .decompose = decompose_sum_integer},
    {MS, .name = "MatMulIntegerToFloat", .doc = "MatMulInteger, scaled, and a bias",
     .in = {{"A", "T1", .rank = FV_RANK_FROM(1)},
            {"B", "T2", .rank = FV_RANK_FROM(1)},
            {"a_scale", "F"},
            {"b_scale", "F"},
            {"a_zero_point", "T1", OPTIONAL},
            {"b_zero_point", "T2", OPTIONAL},
            {"bias", "F", OPTIONAL}},
     .out = {{"Y", "F"}}, .types = QUANTIZED, .infer = infer_integer_product,
     .body = "scaled_product"},
    {MS, .name = "DynamicQuantizeMatMul",
     .doc = "a matrix product plus a bias, whose left factor is quantized "
            "by its range",
     .in = {{"A", "F", .rank = FV_RANK_FROM(1)},
            {"B", "T2", .rank = FV_RANK_FROM(1)},
            {"b_scale", "F"},
            {"b_zero_point", "T2", OPTIONAL},
            {"bias", "F", OPTIONAL}},
     .out = {{"Y", "F"}}, .types = {{"T2", INT8}, {"F", FV_SET(F32)}},
     .infer = infer_dynamic_product, .body = "DynamicQuantizeMatMul"},

    {0}};
