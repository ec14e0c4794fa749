/* experts.c - mixtures of experts: each token is multiplied by the layers of the few experts that a
 * router chose. */
#include "ops/contrib/experts.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/attribute.h"
#include "ops/common/dims.h"

/* ---- fv.ExpertProduct: products with the weights of the expert that an index selects ---- */

static bool infer_expert_product(fv_op *op) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, 0), *e = fv_in_type(op, 1), *w = fv_in_type(op, 2),
                  *b = fv_in_type(op, 3);
    const fv_dim *dims[3] = {e->dims[0], e->dims[1], w->dims[1]};
    fv_infer_out(op, 0, x->elem, 3, dims);
    if (!fv_module_assume(m, x->dims[2], w->dims[2], "inner dims of a matrix product"))
        return fv_op_error(op, "X has inner dim %s, W has %s", fv_dim_str(m->arena, x->dims[2]),
                           fv_dim_str(m->arena, w->dims[2]));
    const fv_dim *rows[3] = {e->dims[0], e->dims[1], x->dims[2]};
    if (b && (!fv_module_assume(m, b->dims[0], w->dims[0], "experts") ||
              !fv_module_assume(m, b->dims[1], w->dims[1], "a bias an element")))
        return fv_op_error(op, "B is %s, W %s", fv_type_str(m->arena, b), fv_type_str(m->arena, w));
    return fv_infer_fits(op, 0, 3, rows);
}

/* ---- MoE ---- */

enum { X, ROUTER, FC1, FC1_BIAS, FC2, FC2_BIAS, FC3, FC3_BIAS };
/* values of swiglu_fusion: how gates and gated numbers are stored in the first layer */
enum { SEPARATE, INTERLEAVED, HALVES };

static bool is_swiglu(const fv_op *op) {
    return fv_attr_is(op, "activation_type", "swiglu");
}

bool fv_experts_are_fused(const fv_op *op) {
    return is_swiglu(op) && fv_op_int(op, "swiglu_fusion") != SEPARATE;
}

static bool check_activation(fv_op *op, int fc3) {
    static const char *const known[] = {"relu", "gelu", "silu", "swiglu", "identity"};
    fv_string s = fv_op_string(op, "activation_type");
    int64_t fusion = fv_op_int(op, "swiglu_fusion");
    int i = 0;
    while (i < 5 && !fv_attr_is(op, "activation_type", known[i]))
        i++;
    if (i == 5)
        return fv_op_error(
            op, "activation_type is '%.*s', expected relu, gelu, silu, swiglu or identity",
            (int)(s.n > 40 ? 40 : s.n), s.s);
    if (is_swiglu(op) && (fusion < SEPARATE || fusion > HALVES))
        return fv_op_error(op, "swiglu_fusion is %lld, expected 0 to 2", (long long)fusion);
    if (is_swiglu(op) && !fv_experts_are_fused(op) && !fv_op_in(op, fc3))
        return fv_op_error(op, "swiglu that is not fused needs fc3_experts_weights");
    if (fv_experts_are_fused(op) && fv_op_in(op, fc3))
        return fv_op_error(op, "swiglu that is fused has no fc3_experts_weights");
    return true;
}

/* Checks the weights [experts, rows, columns] of a layer, and the bias [experts, rows], which is
 * the next operand. */
static bool check_layer(fv_op *op, int in, const fv_dim *experts, const fv_dim *rows,
                        const fv_dim *columns) {
    const fv_dim *dims[3] = {experts, rows, columns};
    if (!fv_has_dims(op, in, 3, dims) || !fv_has_dims(op, in + 1, 2, dims))
        return false;
    return fv_op_in(op, in) || !fv_op_in(op, in + 1) ||
           fv_op_error(op, "a bias comes without its weights");
}

bool fv_infer_experts(fv_op *op, int fc3) {
    fv_module *m = fv_op_module(op);
    const fv_type *x = fv_in_type(op, X), *router = fv_in_type(op, ROUTER);
    const fv_dim *tokens = fv_dim_product(m->dims, x->rank - 1, x->dims);
    const fv_dim *experts = router->dims[1];
    int64_t k = fv_op_int(op, "k");
    if (!check_activation(op, fc3))
        return false;
    if (fv_op_int(op, "use_sparse_mixer"))
        return fv_op_error(op, "use_sparse_mixer: how it chooses is not documented");
    if (k < 1 || (fv_dim_is_const(experts) && k > experts->value))
        return fv_op_error(op, "k is %lld of %s experts", (long long)k,
                           fv_dim_str(m->arena, experts));
    if (!fv_module_assume(m, router->dims[0], tokens, "tokens of router_probs"))
        return fv_op_error(op, "router_probs has %s tokens, input has %s",
                           fv_dim_str(m->arena, router->dims[0]), fv_dim_str(m->arena, tokens));
    fv_infer_like(op, 0, X);
    return true;
}

static bool infer_moe(fv_op *op) {
    fv_dims *t = fv_op_module(op)->dims;
    const fv_type *x = fv_in_type(op, X);
    const fv_dim *hidden = x->dims[x->rank - 1], *experts = fv_in_type(op, ROUTER)->dims[1],
                 *inner = fv_in_type(op, FC2)->dims[2];
    const fv_dim *first =
        fv_experts_are_fused(op) ? fv_dim_mul(t, inner, fv_dim_const(t, 2)) : inner;
    return fv_infer_experts(op, FC3) && check_layer(op, FC1, experts, first, hidden) &&
           check_layer(op, FC2, experts, hidden, inner) &&
           check_layer(op, FC3, experts, inner, hidden);
}

#define OPTIONAL FV_OPTIONAL_OPERAND

const fv_opdef fv_ops_experts[] = {
    {.domain = "fv",
     .name = "ExpertProduct",
     .id = FV_OP_fv_ExpertProduct,
     .since = {1},
     .doc = "for each row of X, the product with the transpose of the matrix of W with the index "
            "in experts, plus the bias of that matrix",
     .in = {{"X", "T", .rank = FV_RANK(3)},
            {"experts", "I", .rank = FV_RANK(2)},
            {"W", "T", .rank = FV_RANK(3)},
            {"B", "T", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .types = {{"T", FV_SET_FLOAT}, {"I", FV_SET(I64)}},
     .infer = infer_expert_product,
     .formula = "e = experts[b..]; s = sum c: X[b.., c] * W[e, j, c]; Y[b.., j] = select(has(B), s "
                "+ B[e, j], s)"},
    {.domain = "com.microsoft",
     .name = "MoE",
     .since = {1},
     .doc = "each token passes through two layers of the k experts with the "
            "highest scores of a router, weighted by its probabilities",
     .in = {{"input", "T", .rank = FV_RANKS(2, 3)},
            {"router_probs", "T", .rank = FV_RANK(2)},
            {"fc1_experts_weights", "T", .rank = FV_RANK(3)},
            {"fc1_experts_bias", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"fc2_experts_weights", "T", .rank = FV_RANK(3)},
            {"fc2_experts_bias", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"fc3_experts_weights", "T", OPTIONAL, .rank = FV_RANK(3)},
            {"fc3_experts_bias", "T", OPTIONAL, .rank = FV_RANK(2)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_FLOAT("activation_alpha", 1.0f), FV_A_FLOAT("activation_beta", 0.0f),
               FV_A_STRING("activation_type", "relu"), FV_A_INT("k", 1),
               FV_A_INT("normalize_routing_weights", 0), FV_A_INT("swiglu_fusion", 0),
               FV_A_OPTIONAL("swiglu_limit", FLOAT), FV_A_INT("use_sparse_mixer", 0)},
     .types = {{"T", FV_SET_FLOAT}},
     .infer = infer_moe,
     .body = "MoE"},

    {0}};
