/* microsoft_attention.c - MultiHeadAttention, Attention, and the operators that decode with them
 * step by step, of ONNX Runtime's domain com.microsoft. Each computes heads of queries, keys and
 * values, some by a projection, and then fv_w_multi_head. */
#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/attention/multi_head.h"
#include "ops/common/scales.h"
#include "ops/ops.h"

/* ---- MultiHeadAttention, DecoderMaskedMultiHeadAttention ---- */

enum { OUTPUT, PRESENT_KEY, PRESENT_VALUE, QK };

/* Indices of operands; -1: the operator does not have it. */
typedef struct operands {
    int bias, mask, added, past_key, past_value, past_length, beam_width, beams;
} operands;

enum { QUERY, KEY, VALUE };

static const operands of_multi_head = {.bias = 3,
                                       .mask = 4,
                                       .added = 5,
                                       .past_key = 6,
                                       .past_value = 7,
                                       .past_length = 8,
                                       .beam_width = -1,
                                       .beams = 9};
static const operands of_decoder = {.mask = 3,
                                    .added = 4,
                                    .past_key = 5,
                                    .past_value = 6,
                                    .past_length = 7,
                                    .beam_width = 8,
                                    .beams = 9,
                                    .bias = 10};

/* The layouts of query, key and value. */
typedef enum layout {
    APART,        /* [batch, length, heads * size] each */
    BY_HEADS,     /* key and value are [batch, heads, length, size], their bias already added */
    KEY_VALUE,    /* key is [batch, length, heads, 2, size] and contains key and value */
    TOGETHER,     /* query is [batch, length, heads, 3, size] and contains all three */
    TOGETHER_FLAT /* query is [batch, length, 3 * heads * size] and contains all three */
} layout;

typedef struct inputs {
    fv_multi_head m;
    const operands *at;
    layout layout;
} inputs;

static bool is_decoder(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_DecoderMaskedMultiHeadAttention);
}

static bool read_apart(fv_op *op, fv_attention_dims *s) {
    const fv_dim *const *k = fv_in_type(op, KEY)->dims;
    const fv_type *v = fv_in_type(op, VALUE);
    const fv_dim *hidden = fv_in_type(op, QUERY)->dims[2];
    if (!v || v->rank != 3)
        return fv_op_error(op, "a key of rank 3 needs a value of rank 3");
    s->keys = k[1];
    return fv_split_dim(op, hidden, s->q_heads, &s->head, "size of query and its heads") &&
           fv_split_dim(op, v->dims[2], s->q_heads, &s->v_head, "size of value and its heads") &&
           fv_same_dim(op, k[2], hidden, "sizes of query and key") &&
           fv_same_dim(op, k[0], s->batch, "batch of key") &&
           fv_same_dim(op, v->dims[0], s->batch, "batch of value") &&
           fv_same_dim(op, v->dims[1], s->keys, "lengths of key and value");
}

static bool read_by_heads(fv_op *op, const operands *at, fv_attention_dims *s) {
    const fv_dim *const *k = fv_in_type(op, KEY)->dims;
    const fv_type *v = fv_in_type(op, VALUE);
    if (!v || v->rank != 4)
        return fv_op_error(op, "a key of rank 4 needs a value of rank 4");
    if (fv_op_in(op, at->past_key) || fv_op_in(op, at->past_value))
        return fv_op_error(op,
                           "a key of rank 4 has all keys: past_key and past_value are not allowed");
    s->keys = k[2];
    s->v_head = v->dims[3];
    return fv_split_dim(op, fv_in_type(op, QUERY)->dims[2], s->q_heads, &s->head,
                        "size of query and its heads") &&
           fv_same_dim(op, k[0], s->batch, "batch of key") &&
           fv_same_dim(op, k[1], s->q_heads, "heads of key") &&
           fv_same_dim(op, k[3], s->head, "head size of key") &&
           fv_same_dim(op, v->dims[0], s->batch, "batch of value") &&
           fv_same_dim(op, v->dims[1], s->q_heads, "heads of value") &&
           fv_same_dim(op, v->dims[2], s->keys, "lengths of key and value");
}

static bool read_key_value(fv_op *op, fv_attention_dims *s) {
    const fv_dim *const *k = fv_in_type(op, KEY)->dims;
    s->keys = k[1];
    s->head = s->v_head = k[4];
    if (fv_op_in(op, VALUE))
        return fv_op_error(op, "a key of rank 5 has the value in it");
    return fv_same_dim(op, k[0], s->batch, "batch of key") &&
           fv_same_dim(op, k[2], s->q_heads, "heads of key") &&
           fv_same_dim(op, k[3], fv_dim_const(s->t, 2), "key and value in one") &&
           fv_same_dim(op, fv_in_type(op, QUERY)->dims[2], fv_dim_mul(s->t, s->q_heads, s->head),
                       "size of query and its heads");
}

static bool read_together(fv_op *op, layout l, fv_attention_dims *s) {
    const fv_dim *const *q = fv_in_type(op, QUERY)->dims, *three = fv_dim_const(s->t, 3);
    s->keys = s->queries;
    if (fv_op_in(op, VALUE))
        return fv_op_error(op, "a value needs a key");
    if (l == TOGETHER) {
        s->head = s->v_head = q[4];
        return fv_same_dim(op, q[2], s->q_heads, "heads of query") &&
               fv_same_dim(op, q[3], three, "query, key and value in one");
    }
    bool ok = fv_split_dim(op, q[2], fv_dim_mul(s->t, three, s->q_heads), &s->head,
                           "size of query, key and value in one");
    s->v_head = s->head;
    return ok;
}

static bool read_layout(fv_op *op, inputs *x) {
    fv_attention_dims *s = &x->m.d;
    const fv_type *q = fv_in_type(op, QUERY), *k = fv_in_type(op, KEY);
    s->batch = q->dims[0];
    s->queries = q->dims[1];
    if (q->rank == 4 || (k && q->rank == 5))
        return fv_op_error(op, "query has rank %d, expected %s", q->rank, k ? "3" : "3 or 5");
    if (!k && q->rank == 3 && !is_decoder(op))
        return fv_op_error(op, "a query of rank 3 needs a key");
    x->layout = !k             ? (q->rank == 5 ? TOGETHER : TOGETHER_FLAT)
                : k->rank == 3 ? APART
                : k->rank == 4 ? BY_HEADS
                               : KEY_VALUE;
    switch (x->layout) {
    case APART: return read_apart(op, s);
    case BY_HEADS: return read_by_heads(op, x->at, s);
    case KEY_VALUE: return read_key_value(op, s);
    case TOGETHER:
    case TOGETHER_FLAT: return read_together(op, x->layout, s);
    }
    return false;
}

/* Checks that there is one query, and that the cache is one buffer for past and present. */
static bool check_decoder(fv_op *op, const inputs *x) {
    bool shared = fv_op_int(op, "past_present_share_buffer") != 0,
         past = fv_op_in(op, x->at->past_key) != NULL;
    const fv_type *mask = fv_in_type(op, x->at->mask);
    if (!fv_same_dim(op, x->m.d.queries, fv_dim_const(x->m.d.t, 1), "one query"))
        return false;
    if (mask && mask->rank != 2)
        return fv_op_error(op, "mask_index has rank %d, expected 2", mask->rank);
    if (past && shared && !fv_op_in(op, x->at->past_length))
        return fv_op_error(op, "past_present_share_buffer needs past_sequence_length");
    if (past && !shared && fv_op_in(op, x->at->past_length))
        return fv_op_error(op, "past_sequence_length is for past_present_share_buffer");
    return true;
}

static bool read_inputs(fv_op *op, inputs *x) {
    fv_multi_head *m = &x->m;
    if (!fv_read_multi_head(op, m))
        return false;
    x->at = is_decoder(op) ? &of_decoder : &of_multi_head;
    m->mask = x->at->mask;
    m->bias = x->at->added;
    if (!read_layout(op, x) || (is_decoder(op) && !check_decoder(op, x)) ||
        !fv_read_cache(op, m, x->at->past_key, x->at->past_value, x->at->past_length) ||
        !fv_read_beams(op, m, fv_op_in(op, x->at->past_key), x->at->beam_width, x->at->beams))
        return false;
    fv_attention_dims *s = &m->d;
    const fv_dim *hidden =
        fv_dim_add(s->t, fv_dim_mul(s->t, fv_dim_const(s->t, 2), s->head), s->v_head);
    return (!fv_op_in(op, x->at->bias) ||
            fv_infer_per_channel(op, x->at->bias, fv_dim_mul(s->t, hidden, s->q_heads))) &&
           fv_check_mask(op, m, false) && fv_check_attention_bias(op, s, m->bias);
}

static bool infer_multi_head(fv_op *op) {
    inputs x = {.layout = APART};
    if (!read_inputs(op, &x))
        return false;
    const fv_attention_dims *s = &x.m.d;
    fv_elem e = fv_in_type(op, QUERY)->elem;
    fv_infer_out(op, OUTPUT, e, 3,
                 (const fv_dim *[]){s->batch, s->queries, fv_dim_mul(s->t, s->q_heads, s->v_head)});
    fv_infer_present(op, PRESENT_KEY, &x.m, e, s->head);
    fv_infer_present(op, PRESENT_VALUE, &x.m, e, s->v_head);
    fv_infer_out(op, QK, e, 4, (const fv_dim *[]){s->batch, s->q_heads, s->queries, s->total});
    return true;
}

/* x: [batch, length, heads, size], plus the part of the bias that begins at `start`, transposed to
 * [batch, heads, length, size]. */
static fv_value *projected(fv_rewriter *w, const fv_op *op, const inputs *x, fv_value *v,
                           const fv_dim *length, const fv_dim *start, const fv_dim *size) {
    const fv_attention_dims *s = &x->m.d;
    const fv_dim *dims[4] = {s->batch, length, s->q_heads, size};
    fv_value *bias = fv_op_in(op, x->at->bias);
    v = fv_w_reshape(w, v, 4, dims);
    if (bias)
        v = FV_W2(w, FV_OP_Add, v,
                  fv_w_reshape(w, fv_w_part(w, bias, 0, start, fv_dim_mul(s->t, s->q_heads, size)),
                               2, dims + 2));
    return fv_w_split_heads(w, s, v, length, s->q_heads, size);
}

/* Query (i = 0), key (1) or value (2) from an operand that contains the last n of them. */
static fv_value *one_of(fv_rewriter *w, const inputs *x, fv_value *all, int i, int n) {
    const fv_attention_dims *s = &x->m.d;
    const fv_dim *length = n == 2 ? s->keys : s->queries, *at = fv_dim_const(s->t, i - (3 - n));
    const fv_dim *dims[4] = {s->batch, length, s->q_heads, s->head},
                 *hidden = fv_dim_mul(s->t, s->q_heads, s->head);
    if (x->layout == TOGETHER_FLAT)
        return fv_w_reshape(w, fv_w_part(w, all, 2, fv_dim_mul(s->t, at, hidden), hidden), 4, dims);
    return fv_w_reshape(w, fv_w_part(w, all, 3, at, fv_dim_const(s->t, 1)), 4, dims);
}

static void parts(fv_rewriter *w, const fv_op *op, const inputs *x, fv_value **qkv) {
    const fv_attention_dims *s = &x->m.d;
    const fv_dim *start = fv_dim_const(s->t, 0), *hidden = fv_dim_mul(s->t, s->q_heads, s->head);
    for (int i = QUERY; i <= VALUE; i++) {
        int n = x->layout == KEY_VALUE && i                           ? 2
                : x->layout == TOGETHER || x->layout == TOGETHER_FLAT ? 3
                                                                      : 1;
        fv_value *v = n == 1 ? op->in[i] : one_of(w, x, op->in[n == 2 ? KEY : QUERY], i, n);
        bool ready = x->layout == BY_HEADS && i;
        qkv[i] = ready ? v
                       : projected(w, op, x, v, i ? s->keys : s->queries, start,
                                   i == VALUE ? s->v_head : s->head);
        start = fv_dim_add(s->t, start, hidden);
    }
}

static bool decompose_multi_head(fv_rewriter *w, fv_op *op) {
    inputs x = {.layout = APART};
    fv_value *qkv[3], *result[4];
    if (!read_inputs(op, &x))
        return false;
    fv_elem e = fv_in_type(op, QUERY)->elem;
    parts(w, op, &x, qkv);
    fv_value *k = fv_w_cached(w, op, &x.m, fv_op_in(op, x.at->past_key), qkv[KEY], true,
                              &result[PRESENT_KEY]);
    fv_value *v = fv_w_cached(w, op, &x.m, fv_op_in(op, x.at->past_value), qkv[VALUE], false,
                              &result[PRESENT_VALUE]);
    result[OUTPUT] = fv_w_multi_head(w, op, &x.m, qkv[QUERY], k, v, e, &result[QK]);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, fv_w_cast(w, result[i], e));
    return !w->failed;
}

/* ---- Attention, QAttention, DecoderMaskedSelfAttention ---- */

enum { INPUT, WEIGHTS, PROJECTION_BIAS };
enum { PRESENT = 1 };

/* Indices of further operands; -1: the operator does not have it. */
typedef struct self_operands {
    int mask, past, added, past_length, beam_width, indirection;
} self_operands;

static const self_operands of_self = {
    .mask = 3, .past = 4, .added = 5, .past_length = 6, .beam_width = 7, .indirection = 8};
static const self_operands of_quantized = {
    .mask = 5, .past = 8, .added = -1, .past_length = -1, .beam_width = -1, .indirection = -1};
enum { INPUT_SCALE = 3, WEIGHT_SCALE = 4, INPUT_ZERO = 6, WEIGHT_ZERO = 7 };

static bool is_quantized(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_QAttention);
}

static const self_operands *at(const fv_op *op) {
    return is_quantized(op) ? &of_quantized : &of_self;
}

/* The type of the attention; with quantized operands, that of the bias. */
static fv_elem self_elem(const fv_op *op) {
    return fv_in_type(op, is_quantized(op) ? PROJECTION_BIAS : INPUT)->elem;
}

static bool is_self_decoder(const fv_op *op) {
    return fv_op_is(op, FV_OP_com_microsoft_DecoderMaskedSelfAttention);
}

/* The sizes of queries and keys, and of values, after the projection: a third of the columns of the
 * weights, or the attribute qkv_hidden_sizes. */
static bool read_sizes(fv_op *op, fv_attention_dims *s, const fv_dim **hidden,
                       const fv_dim **v_hidden) {
    const fv_dim *columns = fv_in_type(op, WEIGHTS)->dims[1], *two = fv_dim_const(s->t, 2);
    bool has = fv_opdef_attr(op->def, "qkv_hidden_sizes") != NULL;
    int n = 0;
    const int64_t *sizes = has ? fv_op_ints(op, "qkv_hidden_sizes", &n) : NULL;
    if (sizes && (n != 3 || sizes[0] < 1 || sizes[0] != sizes[1] || sizes[2] < 1 ||
                  sizes[0] > INT32_MAX || sizes[2] > INT32_MAX))
        return fv_op_error(op,
                           "qkv_hidden_sizes are not three sizes, of which the first two are one");
    if (!sizes &&
        !fv_split_dim(op, columns, fv_dim_const(s->t, 3), hidden, "three projections of one size"))
        return false;
    *hidden = sizes ? fv_dim_const(s->t, sizes[0]) : *hidden;
    *v_hidden = sizes ? fv_dim_const(s->t, sizes[2]) : *hidden;
    return fv_same_dim(op, columns, fv_dim_add(s->t, fv_dim_mul(s->t, two, *hidden), *v_hidden),
                       "columns of weights") &&
           fv_same_dim(op, fv_in_type(op, WEIGHTS)->dims[0], fv_in_type(op, INPUT)->dims[2],
                       "rows of weights") &&
           (!fv_op_in(op, PROJECTION_BIAS) || fv_infer_per_channel(op, PROJECTION_BIAS, columns)) &&
           fv_split_dim(op, *hidden, s->q_heads, &s->head, "a projection and its heads") &&
           fv_split_dim(op, *v_hidden, s->q_heads, &s->v_head,
                        "the projection of values and its heads");
}

/* `past` contains keys followed by values. */
static bool read_past(fv_op *op, fv_multi_head *m) {
    fv_attention_dims *s = &m->d;
    const fv_type *t = fv_in_type(op, at(op)->past);
    bool shared = fv_op_int(op, "past_present_share_buffer") != 0;
    s->past = fv_dim_const(s->t, 0);
    s->total = s->keys;
    if (!t)
        return !shared || fv_op_error(op, "past_present_share_buffer needs a past");
    if (shared != (fv_op_in(op, at(op)->past_length) != NULL))
        return fv_op_error(op, "past_present_share_buffer and past_sequence_length come together");
    return fv_same_dim(op, s->head, s->v_head, "head sizes of keys and values in one past") &&
           fv_same_dim(op, t->dims[0], fv_dim_const(s->t, 2), "keys and values in one past") &&
           fv_same_dim(op, t->dims[1], s->batch, "batch of past") &&
           fv_same_dim(op, t->dims[2], s->q_heads, "heads of past") &&
           fv_same_dim(op, t->dims[4], s->head, "head size of past") &&
           fv_read_past_length(op, m, t->dims[3], at(op)->past_length);
}

/* Reads the mask. One with a single column for all keys has no effect; one of rank 4 is square, and
 * its row at the position of the query is used. */
static bool read_mask(fv_op *op, fv_multi_head *m) {
    const fv_type *t = fv_in_type(op, at(op)->mask);
    const fv_attention_dims *s = &m->d;
    m->mask = at(op)->mask;
    if (is_self_decoder(op) && t && t->rank != 2)
        return fv_op_error(op, "mask_index has rank %d, expected 2", t->rank);
    if (t && t->rank == 2 && fv_dim_is_one(t->dims[1])) {
        m->mask = -1;
        return fv_infer_is_fit(fv_op_module(op), t->dims[0], s->batch) ||
               fv_same_dim(op, t->dims[0], s->batch, "batch of mask_index");
    }
    if (!t || t->rank != 4)
        return fv_check_mask(op, m, true);
    if (m->causal)
        return fv_op_error(op, "mask_index of rank 4 is not allowed with unidirectional");
    return fv_same_dim(op, t->dims[0], s->batch, "batch of mask_index") &&
           fv_same_dim(op, t->dims[1], fv_dim_const(s->t, 1), "second axis of mask_index") &&
           fv_same_dim(op, t->dims[2], t->dims[3], "square of mask_index") &&
           (fv_infer_inside(op, t->dims[3], fv_dim_const(s->t, 0), fv_dim_const(s->t, 1),
                            s->total) ||
            fv_op_error(op, "mask_index is of %s positions, there are %s",
                        fv_dim_str(fv_op_module(op)->arena, t->dims[3]),
                        fv_dim_str(fv_op_module(op)->arena, s->total)));
}

/* Checks scales, and the zero point of the weights: one number, or one for each column. */
static bool read_quantization(fv_op *op) {
    const fv_type *weights = fv_in_type(op, WEIGHTS);
    return !is_quantized(op) || (fv_infer_fits_matrix(op, WEIGHT_SCALE, weights, -1) &&
                                 fv_infer_fits_matrix(op, WEIGHT_ZERO, weights, -1) &&
                                 FV_INFER_SCALES(op, INPUT_SCALE, WEIGHT_SCALE));
}

static bool read_self(fv_op *op, fv_multi_head *m, const fv_dim **hidden, const fv_dim **v_hidden) {
    const fv_type *x = fv_in_type(op, INPUT);
    if (!fv_read_multi_head(op, m))
        return false;
    m->d.batch = x->dims[0];
    m->d.queries = m->d.keys = x->dims[1];
    m->bias = at(op)->added;
    m->reordered = is_self_decoder(op);
    if (fv_op_int(op, "do_rotary"))
        return fv_op_error(op, "do_rotary is set: by which angles, the operator does not say; "
                               "RotaryEmbedding before a "
                               "MultiHeadAttention does");
    if (m->reordered && !fv_same_dim(op, m->d.queries, fv_dim_const(m->d.t, 1), "one query"))
        return false;
    if (!read_sizes(op, &m->d, hidden, v_hidden) || !read_quantization(op) || !read_past(op, m) ||
        !read_mask(op, m) || !fv_check_attention_bias(op, &m->d, at(op)->added))
        return false;
    const fv_dim *block = fv_dim_const(m->d.t, 128 / fv_elem_bits(self_elem(op))), *blocks;
    if (m->reordered && (!m->capacity || !fv_split_dim(op, m->d.head, block, &blocks,
                                                       "blocks of keys of 16 bytes")))
        return m->capacity ? false : fv_op_error(op, "needs past_present_share_buffer");
    return !is_self_decoder(op) || fv_read_beams(op, m, fv_op_in(op, at(op)->past),
                                                 at(op)->beam_width, at(op)->indirection);
}

static bool infer_self(fv_op *op) {
    fv_multi_head m;
    const fv_dim *hidden, *v_hidden;
    if (!read_self(op, &m, &hidden, &v_hidden))
        return false;
    const fv_attention_dims *s = &m.d;
    fv_elem e = self_elem(op);
    const fv_dim *length = m.capacity ? m.capacity : s->total;
    if (PRESENT < op->nout && op->out[PRESENT] &&
        !fv_same_dim(op, s->head, s->v_head, "head sizes of keys and values in one present"))
        return false;
    fv_infer_out(op, OUTPUT, e, 3, (const fv_dim *[]){s->batch, s->queries, v_hidden});
    fv_infer_out(op, PRESENT, e, 5,
                 (const fv_dim *[]){fv_dim_const(s->t, 2), s->batch, s->q_heads, length, s->head});
    return true;
}

/* The keys (i = 0) or values (1) from a past that contains both. */
static fv_value *past_of(fv_rewriter *w, const fv_op *op, int i) {
    fv_dims *t = w->module->dims;
    fv_value *past = fv_op_in(op, at(op)->past);
    if (!past)
        return NULL;
    return fv_w_reshape(w, fv_w_part(w, past, 0, fv_dim_const(t, i), fv_dim_const(t, 1)), 4,
                        past->type->dims + 1);
}

static fv_value *stacked(fv_rewriter *w, fv_value *k, fv_value *v) {
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    if (!k || !v)
        return NULL;
    const fv_dim *const *d = k->type->dims,
                        *dims[5] = {fv_dim_const(w->module->dims, 1), d[0], d[1], d[2], d[3]};
    fv_value *both[2] = {fv_w_reshape(w, k, 5, dims), fv_w_reshape(w, v, 5, dims)};
    return fv_w_op(w, FV_OP_Concat, 2, both, 1, &axis);
}

/* Queries, keys and values, concatenated along the last axis. */
static fv_value *projection(fv_rewriter *w, const fv_op *op) {
    fv_value *bias = fv_op_in(op, PROJECTION_BIAS);
    if (is_quantized(op))
        return FV_CALL(w, "quantized_projection", {op->in[INPUT]}, {op->in[WEIGHTS]}, {bias},
                       {op->in[INPUT_SCALE]}, {op->in[WEIGHT_SCALE]}, {fv_op_in(op, INPUT_ZERO)},
                       {fv_op_in(op, WEIGHT_ZERO)});
    fv_value *all = FV_W2(w, FV_OP_MatMul, op->in[INPUT], op->in[WEIGHTS]);
    return bias ? FV_W2(w, FV_OP_Add, all, bias) : all;
}

static bool decompose_self(fv_rewriter *w, fv_op *op) {
    fv_multi_head m;
    const fv_dim *hidden, *v_hidden;
    fv_value *qkv[3], *present[2], *all = projection(w, op);
    if (!read_self(op, &m, &hidden, &v_hidden))
        return false;
    const fv_attention_dims *s = &m.d;
    for (int i = QUERY; i <= VALUE; i++) {
        fv_value *x = fv_w_part(w, all, 2, fv_dim_mul(s->t, hidden, fv_dim_const(s->t, i)),
                                i == VALUE ? v_hidden : hidden);
        qkv[i] = fv_w_split_heads(w, s, x, s->keys, s->q_heads, i == VALUE ? s->v_head : s->head);
    }
    fv_value *k = fv_w_cached(w, op, &m, past_of(w, op, 0), qkv[KEY], true, &present[0]);
    fv_value *v = fv_w_cached(w, op, &m, past_of(w, op, 1), qkv[VALUE], false, &present[1]);
    if (PRESENT < op->nout && op->out[PRESENT])
        fv_w_result(w, PRESENT, stacked(w, present[0], present[1]));
    fv_w_result(w, OUTPUT, fv_w_multi_head(w, op, &m, qkv[QUERY], k, v, self_elem(op), NULL));
    return !w->failed;
}

#define MS       .domain = "com.microsoft", .since = {1}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define INT8     (FV_SET(I8) | FV_SET(U8))
#define TYPES                                                                                      \
    {                                                                                              \
        {"T", FV_SET(F32) | FV_SET(F16) | FV_SET(BF16)}, {                                         \
            "M", FV_SET(I32)                                                                       \
        }                                                                                          \
    }
#define PRESENTS                                                                                   \
    {"present_key", "T", OPTIONAL}, {"present_value", "T", OPTIONAL}, {                            \
        "qk", "T", OPTIONAL                                                                        \
    }
#define MASKED                                                                                     \
    FV_A_FLOAT("mask_filter_value", -10000.0f), FV_A_REQUIRED("num_heads", INT),                   \
        FV_A_FLOAT("scale", 0.0f)

const fv_opdef fv_ops_microsoft_attention[] = {
    {MS, .name = "MultiHeadAttention", .id = FV_OP_com_microsoft_MultiHeadAttention,
     .doc =
         "attention by heads, of itself or across, with a bias, masks that are added, and a cache",
     .in = {{"query", "T", .rank = FV_RANKS(3, 5)},
            {"key", "T", OPTIONAL, .rank = FV_RANKS(3, 5)},
            {"value", "T", OPTIONAL, .rank = FV_RANKS(3, 4)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"key_padding_mask", "M", OPTIONAL, .rank = FV_RANKS(1, 3)},
            {"attention_bias", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_key", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_value", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_sequence_length", "M", OPTIONAL, .rank = FV_SCALAR},
            {"cache_indirection", "M", OPTIONAL, .rank = FV_RANK(3)}},
     .out = {{"output", "T"}, PRESENTS}, .attrs = {MASKED, FV_A_INT("unidirectional", 0)},
     .types = TYPES, .infer = infer_multi_head, .decompose = decompose_multi_head},
    {MS, .name = "DecoderMaskedMultiHeadAttention",
     .id = FV_OP_com_microsoft_DecoderMaskedMultiHeadAttention,
     .doc = "attention of one query by heads, to a cache to which its key "
            "and value are written, or cross attention; with beams",
     .in = {{"query", "T", .rank = FV_RANK(3)},
            {"key", "T", OPTIONAL, .rank = FV_RANKS(3, 4)},
            {"value", "T", OPTIONAL, .rank = FV_RANKS(3, 4)},
            {"mask_index", "M", OPTIONAL, .rank = FV_RANKS(1, 3)},
            {"attention_bias", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_key", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_value", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_sequence_length", "M", OPTIONAL, .rank = FV_SCALAR},
            {"beam_width", "M", OPTIONAL, .rank = FV_SCALAR},
            {"cache_indirection", "M", OPTIONAL, .rank = FV_RANK(3)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {{"output", "T"}, PRESENTS},
     .attrs = {MASKED, FV_A_INT("output_qk", 0), FV_A_INT("past_present_share_buffer", 0)},
     .types = TYPES, .infer = infer_multi_head, .decompose = decompose_multi_head},
    {MS, .name = "Attention", .id = FV_OP_com_microsoft_Attention,
     .doc = "a projection to queries, keys and values, and their attention by heads, with masks "
            "that are added, and a cache",
     .in = {{"input", "T", .rank = FV_RANK(3)},
            {"weights", "T", .rank = FV_RANK(2)},
            {"bias", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"mask_index", "M", OPTIONAL, .rank = FV_RANKS(1, 4)},
            {"past", "T", OPTIONAL, .rank = FV_RANK(5)},
            {"attention_bias", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_sequence_length", "M", OPTIONAL, .rank = FV_SCALAR}},
     .out = {{"output", "T"}, {"present", "T", OPTIONAL}},
     .attrs = {MASKED, FV_A_INT("do_rotary", 0), FV_A_INT("past_present_share_buffer", 0),
               FV_A_OPTIONAL("qkv_hidden_sizes", INTS), FV_A_INT("rotary_embedding_dim", 0),
               FV_A_INT("unidirectional", 0)},
     .types = TYPES, .infer = infer_self, .decompose = decompose_self},
    {MS, .name = "QAttention", .id = FV_OP_com_microsoft_QAttention,
     .doc = "Attention, of a quantized input and quantized weights",
     .in = {{"input", "T1", .rank = FV_RANK(3)},
            {"weight", "T2", .rank = FV_RANK(2)},
            {"bias", "T", .rank = FV_RANK(1)},
            {"input_scale", "T", .rank = FV_SCALAR},
            {"weight_scale", "T", .rank = FV_RANKS(0, 1)},
            {"mask_index", "M", OPTIONAL, .rank = FV_RANKS(1, 4)},
            {"input_zero_point", "T1", OPTIONAL, .rank = FV_SCALAR},
            {"weight_zero_point", "T2", OPTIONAL, .rank = FV_RANKS(0, 1)},
            {"past", "T", OPTIONAL, .rank = FV_RANK(5)}},
     .out = {{"output", "T"}, {"present", "T", OPTIONAL}},
     .attrs = {MASKED, FV_A_INT("do_rotary", 0), FV_A_INT("past_present_share_buffer", 0),
               FV_A_INT("unidirectional", 0)},
     .types = {{"T", FV_SET(F32) | FV_SET(F16)}, {"M", FV_SET(I32)}, {"T1", INT8}, {"T2", INT8}},
     .infer = infer_self, .decompose = decompose_self},
    {MS, .name = "DecoderMaskedSelfAttention", .id = FV_OP_com_microsoft_DecoderMaskedSelfAttention,
     .doc = "attention of one query, with a cache to which its key and value are written, in which "
            "keys are stored in blocks of 16 bytes; with beams",
     .in = {{"input", "T", .rank = FV_RANK(3)},
            {"weights", "T", .rank = FV_RANK(2)},
            {"bias", "T", .rank = FV_RANK(1)},
            {"mask_index", "M", OPTIONAL, .rank = FV_RANKS(1, 4)},
            {"past", "T", .rank = FV_RANK(5)},
            {"attention_bias", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"past_sequence_length", "M", OPTIONAL, .rank = FV_SCALAR},
            {"beam_width", "M", OPTIONAL, .rank = FV_SCALAR},
            {"cache_indirection", "M", OPTIONAL, .rank = FV_RANK(3)}},
     .out = {{"output", "T"}, {"present", "T"}},
     .attrs = {MASKED, FV_A_INT("do_rotary", 0), FV_A_INT("past_present_share_buffer", 0)},
     .types = TYPES, .infer = infer_self, .decompose = decompose_self},

    {0}};
