/* quantized_experts.c - QMoE: a mixture of experts (experts.c) whose weights are integers of 2, 4
 * or 8 bits in bytes, with a scale for each row or for each block of a row. */
#include "ops/contrib/experts.h"

#include "ir/definition/definition.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"
#include "ops/common/dims.h"

enum { X, ROUTER, FC1 = 2, FC2 = 5, FC3 = 8, ZEROS = 11, MIXING = 14, FLOAT_SCALES = 15 };
enum { SCALES = 1, BIAS = 2 }; /* indices of a layer's operands, relative to its weights */

typedef struct layout {
    int64_t bits, block; /* block 0: a scale for each row */
    const fv_dim *experts, *per_byte;
} layout;

static bool read_layout(fv_op *op, layout *q) {
    fv_dims *t = fv_op_module(op)->dims;
    *q = (layout){.bits = fv_op_int(op, "expert_weight_bits"),
                  .block = fv_op_int(op, "block_size"),
                  .experts = fv_in_type(op, ROUTER)->dims[1]};
    if (q->bits != 2 && q->bits != 4 && q->bits != 8)
        return fv_op_error(op, "expert_weight_bits is %lld, expected 2, 4 or 8",
                           (long long)q->bits);
    if (q->block && (q->block < 16 || q->block > INT32_MAX || (q->block & (q->block - 1))))
        return fv_op_error(op, "block_size is %lld, expected a power of two from 16 on",
                           (long long)q->block);
    q->per_byte = fv_dim_const(t, 8 / q->bits);
    return true;
}

/* Floating-point weights, and weights in other layouts, are only for other devices. */
static bool check_kind(fv_op *op) {
    fv_string s = fv_op_string(op, "quant_type");
    if (!fv_attr_is(op, "quant_type", "int"))
        return fv_op_error(op, "quant_type is '%.*s', only 'int' is supported",
                           (int)(s.n > 40 ? 40 : s.n), s.s);
    for (int i = FLOAT_SCALES; i < op->nin; i++)
        if (fv_op_in(op, i))
            return fv_op_error(op, "input '%s' is of weights of floats", op->def->in[i].name);
    return fv_op_int(op, "weights_prepacked") != 1 ||
           fv_op_error(op, "weights_prepacked is 1: they are in the layout of another device");
}

/* The number of blocks of a row; its columns must be a multiple of the block. */
static bool count_blocks(fv_op *op, const layout *q, const fv_dim *columns, const fv_dim **n) {
    fv_module *m = fv_op_module(op);
    const fv_dim *size = q->block ? fv_dim_const(m->dims, q->block) : columns;
    *n = q->block ? fv_dim_floordiv(m->dims, columns, size) : fv_dim_const(m->dims, 1);
    return !q->block ||
           fv_module_assume(m, fv_dim_mul(m->dims, *n, size), columns, "blocks of a row") ||
           fv_op_error(op, "blocks of %lld do not divide rows of %s", (long long)q->block,
                       fv_dim_str(m->arena, columns));
}

/* Checks that an operand has scales (per_byte 1) or zero points for each block of a row; if a row
 * is one block, the axis of blocks may be left out. Zero points in the same byte are adjacent along
 * the last axis. */
static bool check_blocks(fv_op *op, int in, const layout *q, const fv_dim *rows,
                         const fv_dim *blocks, const fv_dim *per_byte) {
    const fv_dim *dims[3] = {q->experts, rows, blocks};
    const fv_type *type = fv_in_type(op, in);
    int rank = type && type->rank == 2 && fv_dim_is_one(blocks) ? 2 : q->block ? 3 : 2;
    dims[rank - 1] = fv_dim_ceildiv(fv_op_module(op)->dims, dims[rank - 1], per_byte);
    return fv_has_dims(op, in, rank, dims);
}

/* Checks a layer [experts, rows, columns]: its weights are operand `in`, its zero points operand
 * `zeros`. */
static bool check_layer(fv_op *op, const layout *q, int in, int zeros, const fv_dim *rows,
                        const fv_dim *columns) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_dim *dims[3] = {q->experts, rows, fv_dim_ceildiv(t, columns, q->per_byte)}, *blocks;
    if (!fv_op_in(op, in))
        return true;
    if (!fv_op_in(op, in + SCALES))
        return fv_op_error(op, "input '%s' is missing", op->def->in[in + SCALES].name);
    return fv_has_dims(op, in, 3, dims) && count_blocks(op, q, columns, &blocks) &&
           check_blocks(op, in + SCALES, q, rows, blocks, fv_dim_const(t, 1)) &&
           fv_has_dims(op, in + BIAS, 2, dims) &&
           check_blocks(op, zeros, q, rows, blocks, q->per_byte);
}

static bool infer_qmoe(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, X);
    layout q;
    if (!read_layout(op, &q) || !check_kind(op) || !fv_infer_experts(op, FC3))
        return false;
    const fv_dim *hidden = x->dims[x->rank - 1],
                 *inner = fv_dim_mul(t, fv_in_type(op, FC2)->dims[2], q.per_byte);
    const fv_dim *first =
        fv_experts_are_fused(op) ? fv_dim_mul(t, inner, fv_dim_const(t, 2)) : inner;
    return check_layer(op, &q, FC1, ZEROS, first, hidden) &&
           check_layer(op, &q, FC2, ZEROS + 1, hidden, inner) &&
           check_layer(op, &q, FC3, ZEROS + 2, inner, hidden) &&
           fv_has_dims(op, MIXING, 2, fv_in_type(op, ROUTER)->dims);
}

#define OPTIONAL FV_OPTIONAL_OPERAND
#define REALS    (FV_SET(F32) | FV_SET(F16) | FV_SET(BF16))
#define LAYER(name, needed)                                                                        \
    {name "_experts_weights", "T1", needed, .rank = FV_RANK(3)},                                   \
        {name "_scales", "T2", OPTIONAL, .rank = FV_RANKS(2, 3)}, {                                \
        name "_experts_bias", "T", OPTIONAL, .rank = FV_RANK(2)                                    \
    }
#define ZERO_POINTS(name) {name "_zero_points", "T1", OPTIONAL, .rank = FV_RANKS(2, 3)}

const fv_opdef fv_ops_quantized_experts[] = {
    {.domain = "com.microsoft",
     .name = "QMoE",
     .since = {1},
     .doc = "MoE with weights of 2, 4 or 8 bits, computed in f32; experts are weighted by the "
            "softmax of the k largest logits, or by router_weights",
     .in = {{"input", "T", .rank = FV_RANKS(2, 3)},
            {"router_probs", "T", .rank = FV_RANK(2)},
            LAYER("fc1", FV_REQUIRED),
            LAYER("fc2", FV_REQUIRED),
            LAYER("fc3", OPTIONAL),
            ZERO_POINTS("fc1"),
            ZERO_POINTS("fc2"),
            ZERO_POINTS("fc3"),
            {"router_weights", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"fc1_global_scale", "T4", OPTIONAL},
            {"fc2_global_scale", "T4", OPTIONAL},
            {"fc1_act_scale", "T4", OPTIONAL},
            {"fc2_act_scale", "T4", OPTIONAL},
            {"fc1_act_block_scale", "T4", OPTIONAL},
            {"fc2_act_block_scale", "T4", OPTIONAL}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_INT("accuracy_level", 0), FV_A_FLOAT("activation_alpha", 1.0f),
               FV_A_FLOAT("activation_beta", 0.0f), FV_A_STRING("activation_type", "relu"),
               FV_A_INT("block_size", 0), FV_A_INT("expert_weight_bits", 4), FV_A_INT("k", 1),
               FV_A_INT("normalize_routing_weights", 0), FV_A_STRING("quant_type", "int"),
               FV_A_INT("swiglu_fusion", 0), FV_A_OPTIONAL("swiglu_limit", FLOAT),
               FV_A_INT("use_sparse_mixer", 0), FV_A_INT("weights_prepacked", -1)},
     .types =
         {{"T", REALS}, {"T1", FV_SET(U8)}, {"T2", REALS}, {"T4", FV_SET(F32) | FV_SET(F8E8M0)}},
     .infer = infer_qmoe,
     .body = "QMoE"},

    {0}};
