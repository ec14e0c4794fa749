/* microsoft.c - operators of ONNX Runtime's domain com.microsoft: what its optimizer makes of products,
 * norms and activations. */

#include "ir/ops/microsoft.h"

#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/ops/matrix.h"
#include "ir/ops/quant.h"

/* ---- activations by name ---- */

typedef struct named_activation {
    const char *name;
    fv_op_id op;
    const char *params[2]; /* attributes that the parameters are */
} named_activation;

static const named_activation *find_activation(fv_string s) {
    static const named_activation known[] = {
        {"Relu", FV_OP_Relu, {0}}, {"Tanh", FV_OP_Tanh, {0}}, {"Sigmoid", FV_OP_Sigmoid, {0}}, {"Softsign", FV_OP_Softsign, {0}}, {"Softplus", FV_OP_Softplus, {0}},
        {"LeakyRelu", FV_OP_LeakyRelu, {"alpha"}}, {"Elu", FV_OP_Elu, {"alpha"}}, {"ThresholdedRelu", FV_OP_ThresholdedRelu, {"alpha"}},
        {"HardSigmoid", FV_OP_HardSigmoid, {"alpha", "beta"}}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strlen(known[i].name) == s.n && !memcmp(known[i].name, s.s, s.n))
            return &known[i];
    return NULL;
}

static bool is_clip(fv_string s) {
    return s.n == 4 && !memcmp(s.s, "Clip", 4);
}

bool fv_infer_activation(fv_op *op, int nparams) {
    fv_string s = fv_op_string_or(op, "activation", "");
    return !s.n || find_activation(s) || (is_clip(s) && nparams == 2) ||
           fv_op_error(op, "activation '%.*s' is not known", (int)(s.n > 40 ? 40 : s.n), s.s);
}

bool fv_w_activation(fv_rewriter *w, fv_string name, int nparams, const float *params, fv_value **x) {
    const named_activation *f = find_activation(name);
    fv_attr a[2];
    int n = 0;
    if (!name.n || !*x)
        return true;
    if (is_clip(name) && nparams == 2) {
        fv_elem e = (*x)->type->elem;
        *x = FV_W3(w, FV_OP_Clip, *x, fv_w_float(w, e, (double)params[0]), fv_w_float(w, e, (double)params[1]));
        return true;
    }
    for (; n < 2 && n < nparams && f->params[n]; n++)
        a[n] = fv_attr_float(w->module, f->params[n], params[n]);
    *x = fv_w_op(w, f->op, 1, x, n, a);
    return true;
}

/* ---- Gelu and its like ---- */

static fv_value *gelu(fv_rewriter *w, fv_value *x, bool fast) {
    fv_attr a = fv_attr_string(w->module, "approximate", fast ? "tanh" : "none");
    return fv_w_op(w, FV_OP_Gelu, 1, &x, 1, &a);
}

static bool decompose_gelu(fv_rewriter *w, fv_op *op) {
    fv_value *x = op->in[0], *bias = fv_op_in(op, 1);
    if (bias)
        x = FV_W2(w, FV_OP_Add, x, bias);
    fv_w_result(w, 0, gelu(w, x, fv_op_is(op, FV_OP_com_microsoft_FastGelu)));
    return true;
}

/* ---- FusedMatMul ---- */

/* Transposed as the attributes say: the batch axes stand behind the first one, the last two are swapped. */
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
    fv_w_result(w, 0, y);
    return true;
}

/* ---- FusedGemm ---- */

static bool infer_fused_gemm(fv_op *op) {
    bool both = fv_op_find_attr(op, "activation_alpha") && fv_op_find_attr(op, "activation_beta");
    return fv_infer_gemm(op) && fv_infer_activation(op, both ? 2 : 0);
}

static bool decompose_fused_gemm(fv_rewriter *w, fv_op *op) {
    static const char *const own[] = {"alpha", "beta", "transA", "transB"};
    static const char *const params[] = {"activation_alpha", "activation_beta"};
    fv_attr a[4];
    float given[2];
    int n = 0, k = 0;
    for (int i = 0; i < 4; i++)
        if (fv_op_find_attr(op, own[i]))
            a[n++] = *fv_op_find_attr(op, own[i]);
    for (; k < 2 && fv_op_find_attr(op, params[k]); k++)
        given[k] = fv_op_find_attr(op, params[k])->u.f;
    fv_value *y = fv_w_op(w, FV_OP_Gemm, op->nin, op->in, n, a);
    if (!fv_w_activation(w, fv_op_string_or(op, "activation", ""), k, given, &y))
        return false;
    fv_w_result(w, 0, y);
    return true;
}

/* ---- norms ---- */

static bool infer_rms(fv_op *op) {
    const fv_type *x = fv_in_type(op, 0);
    const fv_dim *dims[FV_MAX_RANK];
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < axis ? x->dims[i] : fv_dim_const(fv_op_module(op)->dims, 1);
    fv_infer_out(op, 0, fv_in_type(op, 1)->elem, x->rank, x->dims);
    fv_infer_out(op, 1, FV_F32, x->rank, dims);
    return fv_infer_fits(op, 1, x->rank - axis, x->dims + axis);
}

/* 1 / sqrt(mean of squares + epsilon) over the axes from `axis` on. */
static fv_value *inverse_rms(fv_rewriter *w, fv_value *x, int axis, float epsilon) {
    int64_t axes[FV_MAX_RANK];
    int n = 0;
    for (int i = axis; i < x->type->rank; i++)
        axes[n++] = i;
    x = fv_w_cast(w, x, FV_F32);
    fv_value *mean = FV_W2(w, FV_OP_ReduceMean, FV_W2(w, FV_OP_Mul, x, x), fv_const_ints(w->module, "axes", n, axes));
    mean = FV_W2(w, FV_OP_Add, mean, fv_w_float(w, FV_F32, (double)epsilon));
    return FV_W1(w, FV_OP_Reciprocal, FV_W1(w, FV_OP_Sqrt, mean));
}

static bool has_result(const fv_op *op, int i) {
    return i < op->nout && op->out[i];
}

static bool decompose_rms(fv_rewriter *w, fv_op *op) {
    int axis;
    float epsilon = fv_op_float(op, "epsilon");
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), fv_in_type(op, 0)->rank, &axis))
        return false;
    fv_attr a[2] = {fv_attr_int(w->module, "axis", axis), fv_attr_float(w->module, "epsilon", epsilon)};
    fv_value *y = fv_w_op(w, FV_OP_RMSNormalization, 2, op->in, 2, a);
    if (has_result(op, 1))
        fv_w_result(w, 1, inverse_rms(w, op->in[0], axis, epsilon));
    fv_w_result(w, 0, y);
    return true;
}

enum { INPUT, SKIP, GAMMA, BETA, BIAS }; /* BETA is the bias where the mean is not subtracted */
enum { OUTPUT, MEAN, INVERSE, SUM };

/* The skip may lack the batch, or have one of 1. */
static bool infer_skip_norm(fv_op *op) {
    const fv_type *x = fv_in_type(op, INPUT);
    const fv_dim *dims[FV_MAX_RANK];
    for (int i = SKIP; i < op->nin; i++)
        if (!fv_infer_fits(op, i, x->rank, x->dims))
            return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < x->rank - 1 ? x->dims[i] : fv_dim_const(fv_op_module(op)->dims, 1);
    fv_infer_like(op, OUTPUT, INPUT);
    fv_infer_out(op, MEAN, FV_F32, x->rank, dims);
    fv_infer_out(op, INVERSE, FV_F32, x->rank, dims);
    fv_infer_like(op, SUM, INPUT);
    return true;
}

static fv_value *expanded_like(fv_rewriter *w, fv_value *x, const fv_type *t) {
    return fv_w_expand(w, x, t->rank, t->dims);
}

static bool decompose_skip_norm(fv_rewriter *w, fv_op *op) {
    bool simple = fv_op_is(op, FV_OP_com_microsoft_SkipSimplifiedLayerNormalization);
    const fv_type *x = fv_in_type(op, INPUT);
    float epsilon = fv_op_float(op, "epsilon");
    fv_value *bias = fv_op_in(op, simple ? BETA : BIAS);
    fv_value *sum = FV_W2(w, FV_OP_Add, op->in[INPUT], expanded_like(w, op->in[SKIP], x));
    if (bias)
        sum = FV_W2(w, FV_OP_Add, sum, bias);
    fv_attr a[2] = {fv_attr_int(w->module, "axis", -1), fv_attr_float(w->module, "epsilon", epsilon)};
    fv_value *in[3] = {sum, op->in[GAMMA], simple ? NULL : fv_op_in(op, BETA)};
    if (has_result(op, MEAN) && simple)
        return fv_op_error(op, "has no mean");
    if (simple) {
        fv_w_result(w, OUTPUT, fv_w_op(w, FV_OP_RMSNormalization, 2, in, 2, a));
        if (has_result(op, INVERSE) && sum)
            fv_w_result(w, INVERSE, inverse_rms(w, sum, x->rank - 1, epsilon));
    } else {
        fv_op *norm = fv_w_op_n(w, FV_OP_LayerNormalization, 3, in, 2, a, 3);
        for (int i = OUTPUT; norm && i <= INVERSE; i++)
            if (has_result(op, i))
                fv_w_result(w, i, norm->out[i]);
    }
    if (has_result(op, SUM))
        fv_w_result(w, SUM, sum);
    return !w->failed;
}

/* ---- EmbedLayerNormalization ---- */

enum { IDS, SEGMENTS, WORDS, PLACES, SEGMENT_TABLE, E_GAMMA, E_BETA, E_MASK, POSITION_IDS };

/* Ids without places of their own take the first rows of the table, as many as there are ids. */
static bool enough_places(fv_op *op, const fv_dim *n, const fv_dim *places) {
    fv_module *m = fv_op_module(op);
    return fv_op_in(op, POSITION_IDS) ||
           fv_module_assume(m, n, fv_dim_min(m->dims, n, places), "as many positions as position_embedding has") ||
           fv_op_error(op, "position_embedding has %s positions for %s ids", fv_dim_str(m->arena, places),
                       fv_dim_str(m->arena, n));
}

static bool infer_embed(fv_op *op) {
    const fv_type *ids = fv_in_type(op, IDS), *words = fv_in_type(op, WORDS);
    if (!fv_op_in(op, SEGMENTS) != !fv_op_in(op, SEGMENT_TABLE))
        return fv_op_error(op, "segment_ids and segment_embedding come together");
    const fv_dim *dims[3] = {ids->dims[0], ids->dims[1], words->dims[1]};
    for (int i = PLACES; i <= SEGMENT_TABLE; i++)
        if (fv_op_in(op, i) && !fv_module_assume(fv_op_module(op), fv_in_type(op, i)->dims[1], dims[2], "widths of embeddings"))
            return fv_op_error(op, "input '%s' and 'word_embedding' differ in width", op->def->in[i].name);
    if (!fv_infer_per_channel(op, E_GAMMA, dims[2]) || !fv_infer_per_channel(op, E_BETA, dims[2]) ||
        !fv_infer_fits(op, SEGMENTS, 2, dims) || !fv_infer_fits(op, E_MASK, 2, dims) ||
        !fv_infer_fits(op, POSITION_IDS, 2, dims))
        return false;
    fv_infer_out(op, 0, words->elem, 3, dims);
    fv_infer_out(op, 1, FV_I32, 1, dims);
    fv_infer_out(op, 2, words->elem, 3, dims);
    return enough_places(op, ids->dims[1], fv_in_type(op, PLACES)->dims[0]);
}

static fv_value *rows(fv_rewriter *w, fv_value *table, fv_value *at) {
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    return fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){table, at}, 1, &axis);
}

static fv_value *first_places(fv_rewriter *w, const fv_op *op) {
    fv_dims *t = w->module->dims;
    const fv_dim *const *table = fv_in_type(op, PLACES)->dims, *n = fv_in_type(op, IDS)->dims[1];
    const fv_dim *zero = fv_dim_const(t, 0), *one = fv_dim_const(t, 1);
    const fv_dim *start[2] = {zero, zero}, *step[2] = {one, one}, *dims[2] = {n, table[1]};
    return fv_w_slice(w, op->in[PLACES], start, step, dims);
}

static bool decompose_embed(fv_rewriter *w, fv_op *op) {
    const fv_type *ids = fv_in_type(op, IDS);
    fv_value *places = fv_op_in(op, POSITION_IDS), *mask = fv_op_in(op, E_MASK);
    places = places ? rows(w, op->in[PLACES], places) : first_places(w, op);
    fv_value *sum = FV_W2(w, FV_OP_Add, rows(w, op->in[WORDS], op->in[IDS]), places);
    if (fv_op_in(op, SEGMENTS))
        sum = FV_W2(w, FV_OP_Add, sum, rows(w, op->in[SEGMENT_TABLE], op->in[SEGMENTS]));
    fv_attr a[2] = {fv_attr_int(w->module, "axis", -1),
                    fv_attr_float(w->module, "epsilon", fv_op_float(op, "epsilon"))};
    fv_value *in[3] = {sum, op->in[E_GAMMA], op->in[E_BETA]};
    fv_value *y = fv_w_op(w, FV_OP_LayerNormalization, 3, in, 2, a);
    if (has_result(op, 1)) {
        fv_value *axes = fv_const_ints(w->module, "axes", 1, (int64_t[]){1});
        fv_attr drop = fv_attr_int(w->module, "keepdims", 0);
        fv_value *n = mask ? fv_w_op(w, FV_OP_ReduceSum, 2, (fv_value *[]){mask, axes}, 1, &drop)
                           : fv_w_expand(w, fv_w_int(w, FV_I32, 0), 1, ids->dims);
        fv_w_result(w, 1, n);
    }
    if (has_result(op, 2))
        fv_w_result(w, 2, sum);
    fv_w_result(w, 0, y);
    return true;
}

/* ---- products of integers ---- */

enum { I_A_SCALE = 2, I_B_SCALE, I_A_ZERO, I_B_ZERO, I_BIAS };

/* Of the result: scales and bias; of the factors: zero points. */
static bool infer_integer_product(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    if (!fv_infer_matmul(op, a, b, FV_F32))
        return false;
    const fv_type *y = op->out[0]->type;
    return fv_infer_fits(op, I_A_SCALE, y->rank, y->dims) && fv_infer_fits(op, I_B_SCALE, y->rank, y->dims) &&
           fv_infer_fits_matrix(op, I_A_ZERO, a, -2) && fv_infer_fits_matrix(op, I_B_ZERO, b, -1) &&
           fv_infer_fits(op, I_BIAS, y->rank, y->dims);
}

static bool infer_dynamic_product(fv_op *op) {
    const fv_type *a = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    if (!fv_infer_matmul(op, a, b, FV_F32))
        return false;
    const fv_type *y = op->out[0]->type;
    return fv_infer_fits(op, 2, y->rank, y->dims) && fv_infer_fits_matrix(op, 3, b, -1) &&
           fv_infer_fits(op, 4, y->rank, y->dims);
}

/* (a - a_zero) * (b - b_zero) * a_scale * b_scale + bias */
static fv_value *scaled_product(fv_rewriter *w, fv_value *const *ab, fv_value *a_scale, fv_value *b_scale,
                                fv_value *bias) {
    int n = ab[3] ? 4 : ab[2] ? 3 : 2;
    fv_value *y = fv_w_cast(w, fv_w_op(w, FV_OP_MatMulInteger, n, ab, 0, NULL), FV_F32);
    y = FV_W2(w, FV_OP_Mul, y, FV_W2(w, FV_OP_Mul, a_scale, b_scale));
    return bias ? FV_W2(w, FV_OP_Add, y, bias) : y;
}

static bool decompose_integer_to_float(fv_rewriter *w, fv_op *op) {
    fv_value *ab[4] = {op->in[0], op->in[1], fv_op_in(op, 4), fv_op_in(op, 5)};
    fv_w_result(w, 0, scaled_product(w, ab, op->in[2], op->in[3], fv_op_in(op, 6)));
    return true;
}

static bool decompose_dynamic_quantize(fv_rewriter *w, fv_op *op) {
    fv_op *q = fv_w_op_n(w, FV_OP_DynamicQuantizeLinear, 1, op->in, 0, NULL, 3);
    if (!q)
        return false;
    fv_value *ab[4] = {q->out[0], op->in[1], q->out[2], fv_op_in(op, 3)};
    fv_w_result(w, 0, scaled_product(w, ab, q->out[1], op->in[2], fv_op_in(op, 4)));
    return true;
}

#define MS .domain = "com.microsoft", .since = {1}
#define FLOATS {{"T", FV_SET_FLOAT}}
#define INT8 (FV_SET(I8) | FV_SET(U8))
#define QUANTIZED {{"T1", INT8}, {"T2", INT8}, {"F", FV_SET(F32)}}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define NORM_OUT                                                                                   \
    {"output", "T"}, {"mean", "U", OPTIONAL}, {"inv_std_var", "U", OPTIONAL},                      \
        {"input_skip_bias_sum", "T", OPTIONAL}

const fv_opdef fv_ops_microsoft[] = {
    {MS, .name = "Gelu",
     .doc = "x * Phi(x)",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}}, .types = FLOATS,
     .decompose = decompose_gelu},
    {MS, .name = "BiasGelu",
     .doc = "Gelu of a sum",
     .in = {{"A", "T"}, {"B", "T"}}, .out = {{"C", "T"}}, .types = FLOATS,
     .infer = fv_infer_elementwise, .decompose = decompose_gelu},
    {MS, .name = "FastGelu", .id = FV_OP_com_microsoft_FastGelu,
     .doc = "the tanh approximation of Gelu, of x or a sum",
     .in = {{"X", "T"}, {"bias", "T", OPTIONAL}}, .out = {{"Y", "T"}}, .types = FLOATS,
     .infer = fv_infer_elementwise, .decompose = decompose_gelu},
    {MS, .name = "QuickGelu",
     .doc = "x * sigmoid(alpha * x)",
     .in = {{"X", "T"}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.702f)}, .types = FLOATS,
     .formula = "Y = X * sigmoid(alpha * X)"},
    {MS, .name = "FusedMatMul",
     .doc = "alpha * A * B, with axes transposed on request",
     .in = {{"A", "T", .rank = FV_RANK_FROM(1)}, {"B", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_INT("transA", 0), FV_A_INT("transB", 0),
               FV_A_INT("transBatchA", 0), FV_A_INT("transBatchB", 0)},
     .types = FLOATS,
     .infer = infer_fused_matmul, .decompose = decompose_fused_matmul},
    {MS, .name = "TransposeMatMul",
     .doc = "an older name of FusedMatMul",
     .in = {{"A", "T", .rank = FV_RANK_FROM(1)}, {"B", "T", .rank = FV_RANK_FROM(1)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_INT("transA", 0), FV_A_INT("transB", 0),
               FV_A_INT("transBatchA", 0), FV_A_INT("transBatchB", 0)},
     .types = FLOATS,
     .infer = infer_fused_matmul, .decompose = decompose_fused_matmul},
    {MS, .name = "FusedGemm",
     .doc = "Gemm and an activation",
     .in = {{"A", "T", .rank = FV_RANK(2)}, {"B", "T", .rank = FV_RANK(2)}, {"C", "T", OPTIONAL, .rank = FV_RANKS(0, 2)}}, .out = {{"Y", "T"}},
     .attrs = {FV_A_FLOAT("alpha", 1.0f), FV_A_FLOAT("beta", 1.0f), FV_A_INT("transA", 0),
               FV_A_INT("transB", 0), FV_A_OPTIONAL("activation", STRING),
               FV_A_OPTIONAL("activation_alpha", FLOAT), FV_A_OPTIONAL("activation_beta", FLOAT),
               FV_A_OPTIONAL("activation_gamma", FLOAT)},
     .types = FLOATS,
     .infer = infer_fused_gemm, .decompose = decompose_fused_gemm},
    {MS, .name = "SimplifiedLayerNormalization",
     .doc = "RMSNormalization; also where a model has it in the standard's domain",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"scale", "V"}}, .out = {{"Y", "V"}, {"inv_std_var", "U", OPTIONAL}},
     .attrs = {FV_A_INT("axis", -1), FV_A_FLOAT("epsilon", 1e-05f), FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT}, {"V", FV_SET_FLOAT}, {"U", FV_SET(F32)}},
     .infer = infer_rms, .decompose = decompose_rms},
    {MS, .name = "SkipLayerNormalization",
     .doc = "LayerNormalization of a sum",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}, {"skip", "T"}, {"gamma", "T", .rank = FV_RANK(1)}, {"beta", "T", OPTIONAL, .rank = FV_RANK(1)}, {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {NORM_OUT},
     .attrs = {FV_A_FLOAT("epsilon", 1e-12f)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(F32)}},
     .infer = infer_skip_norm, .decompose = decompose_skip_norm},
    {MS, .name = "SkipSimplifiedLayerNormalization", .id = FV_OP_com_microsoft_SkipSimplifiedLayerNormalization,
     .doc = "RMSNormalization of a sum",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)}, {"skip", "T"}, {"gamma", "T", .rank = FV_RANK(1)}, {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {NORM_OUT},
     .attrs = {FV_A_FLOAT("epsilon", 1e-12f)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(F32)}},
     .infer = infer_skip_norm, .decompose = decompose_skip_norm},
    {MS, .name = "EmbedLayerNormalization",
     .doc = "LayerNormalization of the sum of word, position and segment embeddings; the mask's sums",
     .in = {{"input_ids", "I", .rank = FV_RANK(2)}, {"segment_ids", "I", OPTIONAL, .rank = FV_RANK(2)}, {"word_embedding", "T", .rank = FV_RANK(2)},
            {"position_embedding", "T", .rank = FV_RANK(2)}, {"segment_embedding", "T", OPTIONAL, .rank = FV_RANK(2)}, {"gamma", "T", .rank = FV_RANK(1)}, {"beta", "T", .rank = FV_RANK(1)},
            {"mask", "I", OPTIONAL, .rank = FV_RANK(2)}, {"position_ids", "I", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"output", "T"}, {"mask_index", "I", OPTIONAL}, {"embedding_sum", "T", OPTIONAL}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-12f), FV_A_INT("mask_index_type", 0)},
     .types = {{"T", FV_SET_FLOAT}, {"I", FV_SET(I32)}},
     .infer = infer_embed, .decompose = decompose_embed},
    {MS, .name = "MatMulIntegerToFloat",
     .doc = "MatMulInteger, scaled, and a bias",
     .in = {{"A", "T1", .rank = FV_RANK_FROM(1)}, {"B", "T2", .rank = FV_RANK_FROM(1)}, {"a_scale", "F"}, {"b_scale", "F"}, {"a_zero_point", "T1", OPTIONAL},
            {"b_zero_point", "T2", OPTIONAL}, {"bias", "F", OPTIONAL}},
     .out = {{"Y", "F"}}, .types = QUANTIZED,
     .infer = infer_integer_product, .decompose = decompose_integer_to_float},
    {MS, .name = "DynamicQuantizeMatMul",
     .doc = "a product whose left factor is quantized by its range, and a bias",
     .in = {{"A", "F", .rank = FV_RANK_FROM(1)}, {"B", "T2", .rank = FV_RANK_FROM(1)}, {"b_scale", "F"}, {"b_zero_point", "T2", OPTIONAL}, {"bias", "F", OPTIONAL}},
     .out = {{"Y", "F"}}, .types = {{"T2", INT8}, {"F", FV_SET(F32)}},
     .infer = infer_dynamic_product, .decompose = decompose_dynamic_quantize},

    {0}};
