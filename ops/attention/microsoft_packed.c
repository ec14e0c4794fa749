/* microsoft_packed.c - PackedAttention, PackedMultiHeadAttention and LongformerAttention of ONNX
 * Runtime's domain com.microsoft: attention in sequences whose tokens are concatenated without
 * padding, and attention to tokens within a window. */
#include "ir/base/limits.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/ops.h"

/* ---- PackedAttention, PackedMultiHeadAttention ---- */

enum { INPUT, WEIGHTS, PROJECTION_BIAS };   /* operands of PackedAttention */
enum { QUERY, KEY, VALUE, PROJECTED_BIAS }; /* operands of PackedMultiHeadAttention */

/* d.queries and d.keys are the length of a sequence with its padding. */
typedef struct packed {
    fv_attention_dims d;
    const fv_dim *tokens, *hidden, *v_hidden;
    /* indices of operands token_offset, cumulative_sequence_length, attention_bias */
    int offset, ends, bias;
} packed;

static bool read_heads(fv_op *op, fv_attention_dims *s) {
    int64_t heads = fv_op_int(op, "num_heads");
    s->t = fv_op_module(op)->dims;
    s->q_heads = s->kv_heads = fv_dim_const(s->t, heads);
    return (heads >= 1 && heads <= INT32_MAX) ||
           fv_op_error(op, "num_heads is %lld", (long long)heads);
}

static const fv_dim *all_hidden(const packed *p) {
    return fv_dim_add(p->d.t, fv_dim_mul(p->d.t, fv_dim_const(p->d.t, 2), p->hidden), p->v_hidden);
}

static bool split_hidden(fv_op *op, packed *p) {
    return fv_split_dim(op, p->hidden, p->d.q_heads, &p->d.head, "a projection and its heads") &&
           fv_split_dim(op, p->v_hidden, p->d.q_heads, &p->d.v_head,
                        "the projection of values and its heads");
}

static bool read_projection(fv_op *op, packed *p) {
    const fv_type *x = fv_in_type(op, INPUT), *weights = fv_in_type(op, WEIGHTS);
    int n = 0;
    const int64_t *sizes = fv_op_ints(op, "qkv_hidden_sizes", &n);
    if (sizes && (n != 3 || sizes[0] < 1 || sizes[0] != sizes[1] || sizes[2] < 1 ||
                  sizes[0] > INT32_MAX || sizes[2] > INT32_MAX))
        return fv_op_error(op,
                           "qkv_hidden_sizes are not three sizes, of which the first two are one");
    if (!sizes && !fv_split_dim(op, weights->dims[1], fv_dim_const(p->d.t, 3), &p->hidden,
                                "three projections of one size"))
        return false;
    p->tokens = x->dims[0];
    p->hidden = sizes ? fv_dim_const(p->d.t, sizes[0]) : p->hidden;
    p->v_hidden = sizes ? fv_dim_const(p->d.t, sizes[2]) : p->hidden;
    return fv_same_dim(op, weights->dims[0], x->dims[1], "rows of weights") &&
           fv_same_dim(op, weights->dims[1], all_hidden(p), "columns of weights") &&
           fv_infer_per_channel(op, PROJECTION_BIAS, weights->dims[1]) && split_hidden(op, p);
}

static bool read_projected(fv_op *op, packed *p) {
    const fv_type *q = fv_in_type(op, QUERY), *k = fv_in_type(op, KEY), *v = fv_in_type(op, VALUE);
    p->tokens = q->dims[0];
    if (!k != !v || (!k && q->rank != 4) || (k && q->rank != 2))
        return fv_op_error(op, "needs query, key and value of rank 2, or all in a query of rank 4");
    if (!k) {
        p->hidden = p->v_hidden = fv_dim_mul(p->d.t, q->dims[1], q->dims[3]);
        if (!fv_same_dim(op, q->dims[1], p->d.q_heads, "heads of query") ||
            !fv_same_dim(op, q->dims[2], fv_dim_const(p->d.t, 3), "query, key and value in one"))
            return false;
    } else {
        p->hidden = q->dims[1];
        p->v_hidden = v->dims[1];
        if (!fv_same_dim(op, k->dims[0], p->tokens, "tokens of key") ||
            !fv_same_dim(op, v->dims[0], p->tokens, "tokens of value") ||
            !fv_same_dim(op, k->dims[1], p->hidden, "sizes of query and key"))
            return false;
    }
    return split_hidden(op, p) && (!fv_op_in(op, PROJECTED_BIAS) ||
                                   fv_infer_per_channel(op, PROJECTED_BIAS, all_hidden(p)));
}

static bool is_projected(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_PackedMultiHeadAttention);
}

static bool read_packed(fv_op *op, packed *p) {
    *p = (packed){.offset = is_projected(op) ? 4 : 3};
    p->ends = p->offset + 1;
    p->bias = p->offset + 2;
    if (!read_heads(op, &p->d) ||
        !(is_projected(op) ? read_projected(op, p) : read_projection(op, p)))
        return false;
    fv_attention_dims *s = &p->d;
    const fv_type *at = fv_in_type(op, p->offset), *bias = fv_in_type(op, p->bias);
    const fv_dim *one = fv_dim_const(s->t, 1), *zero = fv_dim_const(s->t, 0);
    s->batch = at->dims[0];
    s->queries = s->keys = s->total = at->dims[1];
    const fv_dim *dims[4] = {s->batch, s->q_heads, s->queries, s->keys};
    return fv_same_dim(op, fv_in_type(op, p->ends)->dims[0], fv_dim_add(s->t, s->batch, one),
                       "cumulative_sequence_length") &&
           (fv_infer_inside(op, fv_dim_mul(s->t, s->batch, s->queries), zero, one, p->tokens) ||
            fv_op_error(op, "has more tokens than token_offset has places")) &&
           (!bias || (fv_same_dim(op, bias->dims[2], s->queries, "queries of attention_bias") &&
                      fv_same_dim(op, bias->dims[3], s->keys, "keys of attention_bias") &&
                      fv_infer_fits(op, p->bias, 4, dims)));
}

static bool infer_packed(fv_op *op) {
    packed p;
    if (!read_packed(op, &p))
        return false;
    fv_infer_out(op, 0, fv_in_type(op, 0)->elem, 2, (const fv_dim *[]){p.tokens, p.v_hidden});
    return true;
}

/* Query, key and value of each token, [tokens, size]: qkv[0 .. 2]. */
static void of_tokens(fv_rewriter *w, const fv_op *op, const packed *p, fv_value **qkv) {
    const fv_dim *start = fv_dim_const(p->d.t, 0), *one = fv_dim_const(p->d.t, 1);
    bool apart = is_projected(op) && fv_op_in(op, KEY);
    fv_value *all =
        is_projected(op) ? op->in[QUERY] : FV_W2(w, FV_OP_MatMul, op->in[INPUT], op->in[WEIGHTS]);
    fv_value *bias = fv_op_in(op, is_projected(op) ? PROJECTED_BIAS : PROJECTION_BIAS);
    for (int i = QUERY; i <= VALUE; i++) {
        const fv_dim *size = i == VALUE ? p->v_hidden : p->hidden, *dims[2] = {p->tokens, size};
        if (apart)
            qkv[i] = op->in[i];
        else if (is_projected(op))
            qkv[i] = fv_w_reshape(w, fv_w_part(w, all, 2, fv_dim_const(p->d.t, i), one), 2, dims);
        else
            qkv[i] = fv_w_part(w, all, 1, start, size);
        if (bias)
            qkv[i] = FV_W2(w, FV_OP_Add, qkv[i], fv_w_part(w, bias, 0, start, size));
        start = fv_dim_add(p->d.t, start, size);
    }
}

static bool decompose_packed(fv_rewriter *w, fv_op *op) {
    packed p;
    fv_value *qkv[3];
    if (!read_packed(op, &p))
        return false;
    const fv_attention_dims *s = &p.d;
    const fv_dim *zero = fv_dim_const(s->t, 0), *one = fv_dim_const(s->t, 1),
                 *dims[4] = {s->batch, one, one, one},
                 *places = fv_dim_mul(s->t, s->batch, s->queries);
    bool may_be_none = p.tokens->lo < 1;
    const fv_dim *last = may_be_none ? p.tokens : fv_dim_sub(s->t, p.tokens, one),
                 *rows[2] = {places, p.v_hidden};
    fv_value *ends = fv_w_cast(w, op->in[p.ends], FV_I64);
    fv_value *first = fv_w_part(w, ends, 0, zero, s->batch),
             *length = FV_W2(w, FV_OP_Sub, fv_w_part(w, ends, 0, one, s->batch), first);
    fv_value *at = FV_CALL(w, "packed_tokens", {first}, FV_DIM(s->queries), FV_DIM(last));
    of_tokens(w, op, &p, qkv);
    for (int i = QUERY; i <= VALUE && may_be_none; i++)
        qkv[i] = FV_CALL(w, "with_zero_row", {qkv[i]});
    for (int i = QUERY; i <= VALUE; i++)
        qkv[i] = fv_w_split_heads(w, s, FV_CALL(w, "taken_rows", {qkv[i]}, {at}), s->keys,
                                  s->q_heads, i == VALUE ? s->v_head : s->head);
    fv_attend a = {.d = *s,
                   .q = qkv[QUERY],
                   .k = qkv[KEY],
                   .v = qkv[VALUE],
                   .scale = fv_op_float(op, "scale"),
                   .clamped = true};
    a.seen =
        FV_W2(w, FV_OP_Less, fv_w_positions(w, s->keys, 4, 3), fv_w_reshape(w, length, 4, dims));
    a.bias = fv_op_in(op, p.bias);
    fv_value *y = fv_w_reshape(w, fv_w_merge_heads(w, fv_w_attend(w, &a)), 2, rows);
    fv_value *place =
        fv_w_part(w, fv_w_reshape(w, op->in[p.offset], 1, &places), 0, zero, p.tokens);
    fv_w_result(w, 0,
                fv_w_cast(w, FV_CALL(w, "taken_rows", {y}, {place}), fv_in_type(op, 0)->elem));
    return !w->failed;
}

/* ---- LongformerAttention ---- */

enum { L_INPUT, L_WEIGHT, L_BIAS, L_MASK, L_GLOBAL_WEIGHT, L_GLOBAL_BIAS, L_GLOBAL };

static bool read_longformer(fv_op *op, fv_attention_dims *s) {
    const fv_type *x = fv_in_type(op, L_INPUT);
    int64_t window = fv_op_int(op, "window");
    *s = (fv_attention_dims){0};
    if (!read_heads(op, s))
        return false;
    if (window < 1 || window > INT32_MAX)
        return fv_op_error(op, "window is %lld", (long long)window);
    s->batch = x->dims[0];
    s->queries = s->keys = s->total = x->dims[1];
    const fv_dim *hidden = x->dims[2], *all = fv_dim_mul(s->t, hidden, fv_dim_const(s->t, 3)),
                 *blocks;
    if (!fv_split_dim(op, hidden, s->q_heads, &s->head, "size of input and its heads") ||
        !fv_split_dim(op, s->queries, fv_dim_const(s->t, 2 * window), &blocks,
                      "length of input and whole windows"))
        return false;
    s->v_head = s->head;
    for (int i = L_WEIGHT; i <= L_GLOBAL_WEIGHT; i += L_GLOBAL_WEIGHT - L_WEIGHT)
        if (!fv_same_dim(op, fv_in_type(op, i)->dims[0], hidden, "rows of weights") ||
            !fv_same_dim(op, fv_in_type(op, i)->dims[1], all, "columns of weights") ||
            !fv_infer_per_channel(op, i + 1, all))
            return false;
    for (int i = L_MASK; i <= L_GLOBAL; i += L_GLOBAL - L_MASK)
        if (!fv_same_dim(op, fv_in_type(op, i)->dims[0], s->batch, "batch of mask and global") ||
            !fv_same_dim(op, fv_in_type(op, i)->dims[1], s->keys, "length of mask and global"))
            return false;
    return true;
}

static bool infer_longformer(fv_op *op) {
    fv_attention_dims s;
    if (!read_longformer(op, &s))
        return false;
    fv_infer_like(op, 0, L_INPUT);
    return true;
}

/* Attention [batch, heads, queries, head] to projections by these weights; seen: which keys a query
 * attends to, or NULL for all. */
static fv_value *projected_attention(fv_rewriter *w, const fv_op *op, const fv_attention_dims *s,
                                     int weights, fv_value *seen) {
    const fv_dim *one = fv_dim_const(s->t, 1), *keys[4] = {s->batch, one, one, s->keys};
    const fv_dim *hidden = fv_dim_mul(s->t, s->q_heads, s->head);
    fv_value *all = FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_MatMul, op->in[L_INPUT], op->in[weights]),
                          op->in[weights + 1]),
             *qkv[3];
    for (int i = QUERY; i <= VALUE; i++)
        qkv[i] = fv_w_split_heads(
            w, s, fv_w_part(w, all, 2, fv_dim_mul(s->t, hidden, fv_dim_const(s->t, i)), hidden),
            s->keys, s->q_heads, s->head);
    fv_attend a = {
        .d = *s, .q = qkv[QUERY], .k = qkv[KEY], .v = qkv[VALUE], .seen = seen, .clamped = true};
    a.bias = fv_w_reshape(w, op->in[L_MASK], 4, keys);
    return fv_w_attend(w, &a);
}

/* Queries of global tokens, which attend to all keys, use the global projections. Others attend to
 * the keys in their window and to those of global tokens. */
static bool decompose_longformer(fv_rewriter *w, fv_op *op) {
    fv_attention_dims s;
    if (!read_longformer(op, &s))
        return false;
    const fv_dim *one = fv_dim_const(s.t, 1), *queries[4] = {s.batch, one, s.queries, one};
    fv_value *global = FV_W2(w, FV_OP_Less, fv_w_int(w, FV_I32, 0), op->in[L_GLOBAL]);
    fv_value *seen =
        FV_CALL(w, "longformer_seen", {global}, FV_DIM(s.keys), FV_INT(fv_op_int(op, "window")));
    fv_value *y = FV_W3(w, FV_OP_Where, fv_w_reshape(w, global, 4, queries),
                        projected_attention(w, op, &s, L_GLOBAL_WEIGHT, NULL),
                        projected_attention(w, op, &s, L_WEIGHT, seen));
    fv_w_result(w, 0, fv_w_cast(w, fv_w_merge_heads(w, y), fv_in_type(op, L_INPUT)->elem));
    return !w->failed;
}

#define MS       .domain = "com.microsoft", .since = {1}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define FLOATS   (FV_SET(F32) | FV_SET(F16) | FV_SET(BF16))
#define TOKENS                                                                                     \
    {"token_offset", "M", .rank = FV_RANK(2)}, {                                                   \
        "cumulative_sequence_length", "M", .rank = FV_RANK(1)                                      \
    }

const fv_opdef fv_ops_microsoft_packed[] = {
    {MS, .name = "PackedAttention",
     .doc = "Attention of sequences whose tokens are concatenated without padding",
     .in = {{"input", "T", .rank = FV_RANK(2)},
            {"weights", "T", .rank = FV_RANK(2)},
            {"bias", "T", .rank = FV_RANK(1)},
            TOKENS,
            {"attention_bias", "T", OPTIONAL, .rank = FV_RANK(4)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_REQUIRED("num_heads", INT), FV_A_OPTIONAL("qkv_hidden_sizes", INTS),
               FV_A_FLOAT("scale", 0.0f)},
     .types = {{"T", FLOATS}, {"M", FV_SET(I32)}}, .infer = infer_packed,
     .decompose = decompose_packed},
    {MS, .name = "PackedMultiHeadAttention", .id = FV_OP_com_microsoft_PackedMultiHeadAttention,
     .doc = "MultiHeadAttention of sequences whose tokens are concatenated without padding",
     .in = {{"query", "T", .rank = FV_RANKS(2, 4)},
            {"key", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"value", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)},
            TOKENS,
            {"attention_bias", "T", OPTIONAL, .rank = FV_RANK(4)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_FLOAT("mask_filter_value", -10000.0f), FV_A_REQUIRED("num_heads", INT),
               FV_A_FLOAT("scale", 0.0f)},
     .types = {{"T", FLOATS}, {"M", FV_SET(I32)}}, .infer = infer_packed,
     .decompose = decompose_packed},
    {MS, .name = "LongformerAttention",
     .doc = "attention to a window on both sides and to some tokens, which attend to all by "
            "projections of their own",
     .in = {{"input", "T", .rank = FV_RANK(3)},
            {"weight", "T", .rank = FV_RANK(2)},
            {"bias", "T", .rank = FV_RANK(1)},
            {"mask", "T", .rank = FV_RANK(2)},
            {"global_weight", "T", .rank = FV_RANK(2)},
            {"global_bias", "T", .rank = FV_RANK(1)},
            {"global", "G", .rank = FV_RANK(2)}},
     .out = {{"output", "T"}},
     .attrs = {FV_A_REQUIRED("num_heads", INT), FV_A_REQUIRED("window", INT)},
     .types = {{"T", FLOATS}, {"G", FV_SET(I32)}}, .infer = infer_longformer,
     .decompose = decompose_longformer},

    {0}};
