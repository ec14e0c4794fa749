/* microsoft_norm.c - norms of ONNX Runtime's domain com.microsoft: of sums, of groups of channels,
 * and with gates. */
#include "ops/common/dims.h"

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/common/attribute.h"
#include "ops/common/scales.h"
#include "ops/nn/window.h"

/* ---- norms of vectors ---- */

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
    return fv_infer_fits(op, 1, x->rank, x->dims);
}

/* if the mean is not subtracted, operand 3 (BETA) is the bias */
enum { INPUT, SKIP, GAMMA, BETA, BIAS };
enum { OUTPUT, MEAN, INVERSE, SUM };

static bool is_simple(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_SkipSimplifiedLayerNormalization);
}

/* Checks that the mean is not used if the operator has none; exporters list that result anyway. */
static bool has_mean(const fv_op *op) {
    return !is_simple(op) || !fv_op_is_read(op, MEAN) ||
           fv_op_error(op, "result '%s' is read, but the operator has no mean",
                       op->out[MEAN]->name);
}

/* The skip may lack the batch axis, or have a batch of 1. */
static bool infer_skip_norm(fv_op *op) {
    const fv_type *x = fv_in_type(op, INPUT);
    const fv_dim *dims[FV_MAX_RANK];
    if (!has_mean(op) || !fv_infer_fits(op, SKIP, x->rank, x->dims))
        return false;
    for (int i = GAMMA; i < op->nin; i++)
        if (fv_op_in(op, i) && !fv_infer_per_channel(op, i, x->dims[x->rank - 1]))
            return false;
    for (int i = 0; i < x->rank; i++)
        dims[i] = i < x->rank - 1 ? x->dims[i] : fv_dim_const(fv_op_module(op)->dims, 1);
    fv_infer_like(op, OUTPUT, INPUT);
    fv_infer_out(op, MEAN, FV_F32, x->rank, dims);
    fv_infer_out(op, INVERSE, FV_F32, x->rank, dims);
    fv_infer_like(op, SUM, INPUT);
    return true;
}

static bool decompose_simple_skip_norm(fv_rewriter *w, fv_op *op) {
    return has_mean(op) && fv_body_expand_as(w, op, "SkipSimplifiedLayerNormalization");
}

/* ---- EmbedLayerNormalization, QEmbedLayerNormalization ---- */

enum { IDS, SEGMENTS, WORDS, PLACES, SEGMENT_TABLE, E_GAMMA, E_BETA, E_MASK };
/* operands of QEmbedLayerNormalization: scales and zero points of words, positions, segments, gamma
 * and beta */
enum { SCALES = 8, SEGMENT_SCALE = SCALES + 2, ZEROS = 13, SEGMENT_ZERO = ZEROS + 2 };

static bool is_quantized(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_QEmbedLayerNormalization);
}

/* The index of operand position_ids, or -1 if the operator does not have it. */
static int position_ids(const fv_op *op) {
    return is_quantized(op) ? -1 : 8;
}

/* Checks that scale and zero point of the segments' table are present if and only if the table
 * is. */
static bool check_quantization(fv_op *op) {
    bool has = fv_op_in(op, SEGMENT_TABLE) != NULL;
    if (is_quantized(op) && (has != (fv_op_in(op, SEGMENT_SCALE) != NULL) ||
                             has != (fv_op_in(op, SEGMENT_ZERO) != NULL)))
        return fv_op_error(op, "segment_embedding, its scale and its zero point come together");
    return !is_quantized(op) ||
           FV_INFER_SCALES(op, SCALES, SCALES + 1, SEGMENT_SCALE, SCALES + 3, SCALES + 4);
}

/* Without position_ids, the first n rows of the table are used, so it must have n rows. */
static bool enough_places(fv_op *op, const fv_dim *n, const fv_dim *places) {
    fv_module *m = fv_op_module(op);
    return fv_op_in(op, position_ids(op)) ||
           fv_module_assume(m, n, fv_dim_min(m->dims, n, places),
                            "as many positions as position_embedding has") ||
           fv_op_error(op, "position_embedding has %s positions for %s ids",
                       fv_dim_str(m->arena, places), fv_dim_str(m->arena, n));
}

static bool has_dim_of_ids(fv_op *op, int in, int axis) {
    fv_module *m = fv_op_module(op);
    const fv_dim *d = fv_in_type(op, in)->dims[axis], *n = fv_in_type(op, IDS)->dims[axis];
    return fv_module_assume(m, d, n, "dims of input_ids") ||
           fv_op_error(op, "input '%s' has %s on axis %d, 'input_ids' %s", op->def->in[in].name,
                       fv_dim_str(m->arena, d), axis, fv_dim_str(m->arena, n));
}

static bool has_width_of_ids(fv_op *op, int in) {
    return has_dim_of_ids(op, in, 1);
}

/* Checks that the operand, if present, has one number for each id. */
static bool is_of_ids(fv_op *op, int in) {
    return !fv_op_in(op, in) || (has_dim_of_ids(op, in, 0) && has_width_of_ids(op, in));
}

static bool infer_embed(fv_op *op) {
    const fv_type *ids = fv_in_type(op, IDS), *words = fv_in_type(op, WORDS);
    if (!fv_op_in(op, SEGMENTS) != !fv_op_in(op, SEGMENT_TABLE))
        return fv_op_error(op, "segment_ids and segment_embedding come together");
    const fv_dim *dims[3] = {ids->dims[0], ids->dims[1], words->dims[1]};
    for (int i = PLACES; i <= SEGMENT_TABLE; i++)
        if (fv_op_in(op, i) && !fv_module_assume(fv_op_module(op), fv_in_type(op, i)->dims[1],
                                                 dims[2], "widths of embeddings"))
            return fv_op_error(op, "input '%s' and '%s' differ in width", op->def->in[i].name,
                               op->def->in[WORDS].name);
    if (!fv_infer_per_channel(op, E_GAMMA, dims[2]) || !fv_infer_per_channel(op, E_BETA, dims[2]) ||
        !is_of_ids(op, SEGMENTS) || !is_of_ids(op, E_MASK) ||
        !fv_infer_fits(op, position_ids(op), 2, dims) ||
        (fv_op_in(op, position_ids(op)) && !has_width_of_ids(op, position_ids(op))))
        return false;
    fv_infer_out(op, 0, is_quantized(op) ? FV_F32 : words->elem, 3, dims);
    fv_infer_out(op, 1, FV_I32, 1, dims);
    fv_infer_out(op, 2, words->elem, 3, dims);
    return check_quantization(op) &&
           enough_places(op, ids->dims[1], fv_in_type(op, PLACES)->dims[0]);
}

/* ---- GroupNorm, SkipGroupNorm ---- */

enum { G_X, G_GAMMA, G_BETA, G_SKIP, G_BIAS };

static bool is_channels_last(const fv_op *op) {
    return fv_op_int(op, "channels_last") != 0;
}

/* The skip has the shape of x, or one number for each channel of a sample: of rank 2, or with dims
 * of 1. */
static bool check_skip(fv_op *op, const fv_type *x, const fv_dim *channels) {
    const fv_type *skip = fv_in_type(op, G_SKIP);
    if (!skip || skip->rank == x->rank)
        return fv_infer_fits(op, G_SKIP, x->rank, x->dims);
    const fv_dim *dims[2] = {x->dims[0], channels};
    if (skip->rank != 2)
        return fv_op_error(op, "input 'skip' has rank %d, expected 2 or %d", skip->rank, x->rank);
    return fv_infer_fits(op, G_SKIP, 2, dims);
}

static bool infer_groups(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, G_X);
    const fv_dim *channels = x->dims[is_channels_last(op) ? x->rank - 1 : 1];
    int64_t groups = fv_op_int(op, "groups"), activation = fv_op_int(op, "activation");
    if (groups < 1 || groups > FV_DIM_MAX ||
        (fv_dim_is_const(channels) && channels->value % groups))
        return fv_op_error(op, "groups is %lld for %s channels", (long long)groups,
                           fv_dim_str(m->arena, channels));
    if (activation != 0 && activation != 1)
        return fv_op_error(op, "activation is %lld, expected 0 (none) or 1 (SiLU)",
                           (long long)activation);
    if (!fv_infer_per_channel(op, G_GAMMA, channels) ||
        !fv_infer_per_channel(op, G_BETA, channels) ||
        (fv_op_in(op, G_BIAS) && !fv_infer_per_channel(op, G_BIAS, channels)) ||
        !check_skip(op, x, channels))
        return false;
    fv_infer_like(op, 0, G_X);
    fv_infer_like(op, 1, G_X);
    return true;
}

/* ---- GatedRMSNorm ---- */

/* The norm is over rows of the last axis with as many elements as scale has. */
static bool infer_gated_rms(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *scale = fv_in_type(op, 1), *gate = fv_in_type(op, 2);
    const fv_dim *last = x->dims[x->rank - 1], *c = scale->dims[0];
    if (!fv_module_assume(m, last, fv_dim_mul(m->dims, fv_dim_floordiv(m->dims, last, c), c),
                          "rows of GatedRMSNorm"))
        return fv_op_error(
            op, "the last axis of X has %s elements, which scale with %s does not divide",
            fv_dim_str(m->arena, last), fv_dim_str(m->arena, c));
    for (int i = 0; i < x->rank; i++)
        if (!fv_module_assume(m, gate->dims[i], x->dims[i], "a gate for each element"))
            return fv_op_error(op, "axis %d has %s in X, %s in gate", i,
                               fv_dim_str(m->arena, x->dims[i]),
                               fv_dim_str(m->arena, gate->dims[i]));
    if (x->rank == FV_MAX_RANK)
        return fv_op_error(op, "rank %d is more than %d", x->rank, FV_MAX_RANK - 1);
    if (!fv_attr_is(op, "activation", "silu") && !fv_attr_is(op, "activation", "swish") &&
        !fv_attr_is(op, "activation", "sigmoid"))
        return fv_op_error(op, "activation is neither silu, swish nor sigmoid");
    fv_infer_like(op, 0, 0);
    return true;
}

/* ---- EngramGate: sigmoid(+-sqrt|d|) * value, d the product of a normalised key and query ---- */

enum { KEY, QUERY, VALUE, KEY_SCALE, QUERY_SCALE, CONV_SCALE };

static bool infer_engram(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *q = fv_in_type(op, QUERY);
    const fv_dim *const *d = q->dims, *value[3] = {d[0], d[1], d[3]};
    for (int i = KEY; i <= CONV_SCALE; i++) {
        const fv_type *t = fv_in_type(op, i);
        const fv_dim *const *want = i < VALUE ? d : i == VALUE ? value : d + 2;
        for (int k = 0; t && k < t->rank; k++)
            if (!fv_module_assume(m, t->dims[k], want[k], "dims of EngramGate"))
                return fv_op_error(op, "input '%s' has %s on axis %d, expected %s",
                                   op->def->in[i].name, fv_dim_str(m->arena, t->dims[k]), k,
                                   fv_dim_str(m->arena, want[k]));
    }
    if (fv_op_is_read(op, 1) && !fv_op_in(op, CONV_SCALE))
        return fv_op_error(op, "gated_value_normed needs conv_norm_scale");
    fv_infer_like(op, 0, QUERY);
    fv_infer_like(op, 1, QUERY);
    return true;
}

/* ---- BiasSoftmax ---- */

/* Scores are rows of the axes from `axis` on. The bias has fewer rows: each is added to `each`
 * adjacent rows, or to every rows-th one. */
typedef struct bias_rows {
    const fv_dim *row, *rows, *each;
} bias_rows;

static bool read_bias(fv_op *op, bias_rows *r) {
    fv_module *m = fv_op_module(op);
    fv_dims *t = m->dims;
    const fv_type *x = fv_in_type(op, 0), *b = fv_in_type(op, 1);
    int axis;
    if (!fv_infer_axis(op, fv_op_int(op, "axis"), x->rank, &axis))
        return false;
    const fv_dim *all = fv_dim_product(t, axis, x->dims),
                 *size = fv_dim_product(t, b->rank, b->dims);
    r->row = fv_dim_product(t, x->rank - axis, x->dims + axis);
    r->rows = fv_dim_floordiv(t, size, r->row);
    r->each = fv_dim_floordiv(t, all, r->rows);
    if (!fv_module_assume(m, size, fv_dim_mul(t, r->rows, r->row), "rows of a bias") ||
        !fv_module_assume(m, all, fv_dim_mul(t, r->rows, r->each), "rows of a bias"))
        return fv_op_error(op, "a bias of %s does not broadcast to %s", fv_type_str(m->arena, b),
                           fv_type_str(m->arena, x));
    return true;
}

static bool infer_bias_softmax(fv_op *op) {
    bias_rows r;
    fv_infer_like(op, 0, 0);
    return read_bias(op, &r);
}

#define MS       .domain = "com.microsoft", .since = {1}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define NORM_OUT                                                                                   \
    {"output", "T"}, {"mean", "U", OPTIONAL}, {"inv_std_var", "U", OPTIONAL}, {                    \
        "input_skip_bias_sum", "T", OPTIONAL                                                       \
    }
#define GROUP_ATTRS                                                                                \
    FV_A_REQUIRED("activation", INT), FV_A_INT("channels_last", 1), FV_A_FLOAT("epsilon", 1e-05f), \
        FV_A_REQUIRED("groups", INT)

const fv_opdef fv_ops_microsoft_norm[] = {
    {MS, .name = "SimplifiedLayerNormalization",
     .id = FV_OP_com_microsoft_SimplifiedLayerNormalization,
     .doc = "RMSNormalization; models may also have it in the standard's domain",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)}, {"scale", "V"}},
     .out = {{"Y", "V"}, {"inv_std_var", "U", OPTIONAL}},
     .attrs = {FV_A_INT("axis", -1), FV_A_FLOAT("epsilon", 1e-05f), FV_A_INT("stash_type", 1)},
     .types = {{"T", FV_SET_FLOAT}, {"V", FV_SET_FLOAT}, {"U", FV_SET(F32)}}, .infer = infer_rms,
     .body = "SimplifiedLayerNormalization"},
    {MS, .name = "SkipLayerNormalization", .id = FV_OP_com_microsoft_SkipLayerNormalization,
     .doc = "LayerNormalization of a sum",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)},
            {"skip", "T"},
            {"gamma", "T", .rank = FV_RANK(1)},
            {"beta", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {NORM_OUT}, .attrs = {FV_A_FLOAT("epsilon", 1e-12f)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(F32)}}, .infer = infer_skip_norm,
     .body = "SkipLayerNormalization"},
    {MS, .name = "SkipSimplifiedLayerNormalization",
     .id = FV_OP_com_microsoft_SkipSimplifiedLayerNormalization, .doc = "RMSNormalization of a sum",
     .in = {{"input", "T", .rank = FV_RANK_FROM(1)},
            {"skip", "T"},
            {"gamma", "T", .rank = FV_RANK(1)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {NORM_OUT}, .attrs = {FV_A_FLOAT("epsilon", 1e-12f)},
     .types = {{"T", FV_SET_FLOAT}, {"U", FV_SET(F32)}}, .infer = infer_skip_norm,
     .decompose = decompose_simple_skip_norm},
    {MS, .name = "EmbedLayerNormalization",
     .doc =
         "LayerNormalization of the sum of word, position and segment embeddings; the mask's sums",
     .in = {{"input_ids", "I", .rank = FV_RANK(2)},
            {"segment_ids", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"word_embedding", "T", .rank = FV_RANK(2)},
            {"position_embedding", "T", .rank = FV_RANK(2)},
            {"segment_embedding", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"gamma", "T", .rank = FV_RANK(1)},
            {"beta", "T", .rank = FV_RANK(1)},
            {"mask", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"position_ids", "I", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"output", "T"}, {"mask_index", "I", OPTIONAL}, {"embedding_sum", "T", OPTIONAL}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-12f), FV_A_INT("mask_index_type", 0)},
     .types = {{"T", FV_SET_FLOAT}, {"I", FV_SET(I32)}}, .infer = infer_embed,
     .body = "EmbedLayerNormalization"},
    {MS, .name = "QEmbedLayerNormalization", .id = FV_OP_com_microsoft_QEmbedLayerNormalization,
     .doc = "EmbedLayerNormalization of quantized tables, gamma and beta",
     .in = {{"input_ids", "I", .rank = FV_RANK(2)},
            {"segment_ids", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"word_embedding_quant", "Q", .rank = FV_RANK(2)},
            {"position_embedding_quant", "Q", .rank = FV_RANK(2)},
            {"segment_embedding", "Q", OPTIONAL, .rank = FV_RANK(2)},
            {"gamma_quant", "Q", .rank = FV_RANK(1)},
            {"beta_quant", "Q", .rank = FV_RANK(1)},
            {"mask", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"word_embedding_scale", "T", .rank = FV_SCALAR},
            {"position_embedding_scale", "T", .rank = FV_SCALAR},
            {"segment_embedding_scale", "T", OPTIONAL, .rank = FV_SCALAR},
            {"gamma_scale", "T", .rank = FV_SCALAR},
            {"beta_scale", "T", .rank = FV_SCALAR},
            {"word_embedding_zero_point", "Q", .rank = FV_SCALAR},
            {"position_embedding_zero_point", "Q", .rank = FV_SCALAR},
            {"segment_embedding_zero_point", "Q", OPTIONAL, .rank = FV_SCALAR},
            {"gamma_zero_point", "Q", .rank = FV_SCALAR},
            {"beta_zero_point", "Q", .rank = FV_SCALAR}},
     .out = {{"layernorm_out", "T"}, {"mask_index_out", "I", OPTIONAL}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-12f)},
     .types = {{"T", FV_SET(F32)}, {"Q", FV_SET(I8) | FV_SET(U8)}, {"I", FV_SET(I32)}},
     .infer = infer_embed, .body = "QEmbedLayerNormalization"},
    {MS, .name = "GroupNorm",
     .doc = "GroupNormalization, of channels in the last axis or in axis 1, and SiLU on request",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"gamma", "M", .rank = FV_RANK(1)},
            {"beta", "M", .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}}, .attrs = {GROUP_ATTRS},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET_FLOAT}}, .infer = infer_groups,
     .body = "GroupNorm"},
    {MS, .name = "SkipGroupNorm", .doc = "GroupNorm of a sum",
     .in = {{"X", "T", .rank = FV_RANK_FROM(3)},
            {"gamma", "M", .rank = FV_RANK(1)},
            {"beta", "M", .rank = FV_RANK(1)},
            {"skip", "T", .rank = FV_RANK_FROM(2)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {{"Y", "T"}, {"S", "T", OPTIONAL}}, .attrs = {GROUP_ATTRS},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET_FLOAT}}, .infer = infer_groups,
     .body = "GroupNorm"},
    {MS, .name = "GatedRMSNorm",
     .doc = "RMSNormalization of rows as long as scale, times SiLU or the sigmoid of a gate",
     .in = {{"X", "T", .rank = FV_RANK_FROM(1)},
            {"scale", "T", .rank = FV_RANK(1)},
            {"gate", "T", .rank = FV_RANK_AS("X")}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_STRING("activation", "silu"), FV_A_FLOAT("epsilon", 1e-05f)},
     .types = {{"T", FV_SET_FLOAT}}, .infer = infer_gated_rms, .body = "GatedRMSNorm"},
    {MS, .name = "EngramGate",
     .doc = "value times the sigmoid of the signed root of a product of normalised keys and "
            "queries; normalised, too",
     .in = {{"key", "T", .rank = FV_RANK(4)},
            {"query", "T", .rank = FV_RANK(4)},
            {"value", "T", .rank = FV_RANK(3)},
            {"key_norm_scale", "T", .rank = FV_RANK(2)},
            {"query_norm_scale", "T", .rank = FV_RANK(2)},
            {"conv_norm_scale", "T", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"output", "T"}, {"gated_value_normed", "T", OPTIONAL}},
     .attrs = {FV_A_FLOAT("epsilon", 1e-05f)}, .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_engram, .body = "EngramGate"},
    {MS, .name = "BiasSoftmax",
     .doc = "Softmax of X + bias over the axes from `axis` on; each row of "
            "the bias is used for several rows of X, consecutive or at "
            "equal distances",
     .in = {{"data", "T", .rank = FV_RANK_FROM(1)}, {"bias", "T"}}, .out = {{"output", "T"}},
     .attrs = {FV_A_INT("axis", 1), FV_A_REQUIRED("is_inner_broadcast", INT)},
     .types = {{"T", FV_SET_FLOAT}}, .infer = infer_bias_softmax, .body = "BiasSoftmax"},

    {0}};
