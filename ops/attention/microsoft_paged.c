/* microsoft_paged.c - PagedAttention of ONNX Runtime's domain com.microsoft: tokens of all
 * sequences behind each other, and a cache in blocks that a table gives to sequences. All are one
 * attention in which a query sees the keys of its own sequence. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/ops.h"

enum {
    QUERY,
    KEY,
    VALUE,
    KEY_CACHE,
    VALUE_CACHE,
    ENDS,
    PASTS,
    TABLE,
    COS,
    SIN,
    SLOTS,
    SINK,
    QUERY_NORM,
    KEY_NORM,
    KEY_SCALE,
    VALUE_SCALE,
    METADATA
};
enum { OUTPUT, KEY_CACHE_OUT, VALUE_CACHE_OUT };

/* d.batch is 1; d.queries are tokens, d.keys places in all blocks that the table names. */
typedef struct paged {
    fv_attention_dims d;
    /* of the batch; in the cache; rows of one; places of a sequence */
    const fv_dim *sequences, *blocks, *block, *room;
    /* query has key and value behind it; values are the first channels of keys */
    bool packed, latent;
} paged;

static bool string_is(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

/* The names that a model may give the type of its cache, if it is the type that the cache has. */
static bool is_plain(fv_op *op, const char *quant, const char *type) {
    fv_elem e = fv_in_type(op, KEY_CACHE)->elem;
    fv_string s = fv_op_string(op, type);
    const char *name = e == FV_F16 ? "float16" : e == FV_BF16 ? "bfloat16" : "float";
    return string_is(fv_op_string(op, quant), "NONE") && (!s.n || string_is(s, name));
}

static bool read_heads(fv_op *op, paged *p) {
    fv_attention_dims *s = &p->d;
    int64_t q = fv_op_int(op, "num_heads"), kv = fv_op_int(op, "kv_num_heads");
    fv_string layout = fv_op_string(op, "kv_cache_layout");
    p->latent = string_is(layout, "LATENT");
    if (q < 1 || kv < 1 || q > INT32_MAX || kv > INT32_MAX || q % kv)
        return fv_op_error(op, "num_heads is %lld, kv_num_heads %lld", (long long)q, (long long)kv);
    if (!p->latent && !string_is(layout, "SEPARATE"))
        return fv_op_error(op, "kv_cache_layout is '%.*s', expected SEPARATE or LATENT",
                           (int)(layout.n > 40 ? 40 : layout.n), layout.s);
    if (p->latent &&
        (kv != 1 || fv_op_in(op, VALUE) || fv_op_in(op, VALUE_CACHE) || !fv_op_in(op, KEY)))
        return fv_op_error(
            op, "kv_cache_layout LATENT has one head of keys, and no value and value_cache");
    if (!p->latent && !fv_op_in(op, VALUE_CACHE))
        return fv_op_error(op, "needs value_cache");
    if (!p->latent && !fv_op_in(op, KEY) != !fv_op_in(op, VALUE))
        return fv_op_error(op, "key and value come together");
    s->q_heads = fv_dim_const(s->t, q);
    s->kv_heads = fv_dim_const(s->t, kv);
    p->packed = !fv_op_in(op, KEY);
    return true;
}

static bool read_sizes(fv_op *op, paged *p) {
    fv_attention_dims *s = &p->d;
    const fv_dim *const *q = fv_in_type(op, QUERY)->dims, *zero = fv_dim_const(s->t, 0);
    const fv_dim *more = p->packed ? fv_dim_mul(s->t, s->kv_heads, fv_dim_const(s->t, 2)) : zero;
    int64_t values = fv_op_int(op, "v_head_size");
    s->queries = q[0];
    if (!fv_split_dim(op, q[1], fv_dim_add(s->t, s->q_heads, more), &s->head,
                      "size of query and its heads"))
        return false;
    const fv_dim *hidden = fv_dim_mul(s->t, s->kv_heads, s->head);
    s->v_head = values && p->latent ? fv_dim_const(s->t, values) : s->head;
    if (values < 0 || values > INT32_MAX || (fv_dim_is_const(s->head) && values > s->head->value))
        return fv_op_error(op, "v_head_size is %lld of %s", (long long)values,
                           fv_dim_str(fv_op_module(op)->arena, s->head));
    if (values && !p->latent &&
        !fv_same_dim(op, fv_dim_const(s->t, values), s->head, "v_head_size and the size of a head"))
        return false;
    if (s->v_head != s->head && fv_op_float(op, "scale") == 0)
        return fv_op_error(op, "a v_head_size of its own needs a scale");
    for (int i = KEY; i <= VALUE; i++)
        if (fv_op_in(op, i) &&
            (!fv_same_dim(op, fv_in_type(op, i)->dims[0], s->queries, "tokens of key and value") ||
             !fv_same_dim(op, fv_in_type(op, i)->dims[1], hidden,
                          "size of key or value and its heads")))
            return false;
    return true;
}

static bool read_blocks(fv_op *op, paged *p) {
    fv_attention_dims *s = &p->d;
    const fv_dim *const *k = fv_in_type(op, KEY_CACHE)->dims, *const *table =
                                                                  fv_in_type(op, TABLE)->dims;
    const fv_dim *one = fv_dim_const(s->t, 1);
    p->blocks = k[0];
    p->block = k[1];
    p->sequences = table[0];
    p->room = fv_dim_mul(s->t, table[1], p->block);
    s->batch = one;
    s->past = fv_dim_const(s->t, 0);
    s->keys = s->total = fv_dim_mul(s->t, p->sequences, p->room);
    if (!is_plain(op, "k_quant_type", "k_cache_dtype") ||
        (!p->latent && !is_plain(op, "v_quant_type", "v_cache_dtype")) || fv_op_in(op, KEY_SCALE) ||
        fv_op_in(op, VALUE_SCALE))
        return fv_op_error(op, "a quantized cache is not supported");
    for (int i = 0; i < 4 && fv_op_in(op, VALUE_CACHE); i++)
        if (!fv_same_dim(op, fv_in_type(op, VALUE_CACHE)->dims[i], k[i],
                         "shapes of key_cache and value_cache"))
            return false;
    return fv_same_dim(op, k[2], s->kv_heads, "heads of key_cache") &&
           fv_same_dim(op, k[3], s->head, "head size of key_cache") &&
           fv_same_dim(op, fv_in_type(op, PASTS)->dims[0], p->sequences, "batch of past_seqlens") &&
           fv_same_dim(op, fv_in_type(op, ENDS)->dims[0], fv_dim_add(s->t, p->sequences, one),
                       "cumulative_sequence_length");
}

static bool read_rotary(fv_op *op, const paged *p) {
    const fv_type *cos = fv_in_type(op, COS), *sin = fv_in_type(op, SIN);
    int64_t offset = fv_op_int(op, "rotary_offset");
    if (!cos != !sin)
        return fv_op_error(op, "cos_cache and sin_cache come together");
    if (offset < 0 || offset % 8 || offset > INT32_MAX)
        return fv_op_error(op, "rotary_offset is %lld, expected a multiple of 8",
                           (long long)offset);
    if (!fv_op_int(op, "do_rotary"))
        return true;
    if (!cos)
        return fv_op_error(op, "do_rotary needs cos_cache and sin_cache");
    if (!fv_dim_is_const(cos->dims[1]))
        return fv_op_error(op, "cos_cache has %s angles, must be constant",
                           fv_dim_str(fv_op_module(op)->arena, cos->dims[1]));
    const fv_dim *end = fv_dim_const(p->d.t, offset + 2 * cos->dims[1]->value);
    return fv_same_dim(op, cos->dims[1], sin->dims[1], "sizes of cos_cache and sin_cache") &&
           fv_same_dim(op, cos->dims[0], sin->dims[0], "lengths of cos_cache and sin_cache") &&
           (fv_infer_inside(op, p->d.head, fv_dim_const(p->d.t, 0), fv_dim_const(p->d.t, 1), end) ||
            fv_op_error(op, "more is rotated than a head has"));
}

static bool read_paged(fv_op *op, paged *p) {
    *p = (paged){.d.t = fv_op_module(op)->dims};
    if (!read_heads(op, p) || !read_sizes(op, p) || !read_blocks(op, p) || !read_rotary(op, p))
        return false;
    const fv_attention_dims *s = &p->d;
    int64_t window = fv_op_int(op, "local_window_size"), causal = fv_op_int(op, "is_causal");
    if (window < -1 || !window || window > INT32_MAX)
        return fv_op_error(op, "local_window_size is %lld, expected -1 or a number of keys",
                           (long long)window);
    if (causal < 0 || causal > 1)
        return fv_op_error(op, "is_causal is %lld", (long long)causal);
    if (!fv_op_in(op, QUERY_NORM) != !fv_op_in(op, KEY_NORM))
        return fv_op_error(op, "q_norm_weight and k_norm_weight come together");
    for (int i = QUERY_NORM; i <= KEY_NORM; i++)
        if (fv_op_in(op, i) &&
            !fv_same_dim(op, fv_in_type(op, i)->dims[0], s->head, "size of a norm's weight"))
            return false;
    return (!fv_op_in(op, SLOTS) || fv_same_dim(op, fv_in_type(op, SLOTS)->dims[0], s->queries,
                                                "tokens of slot_mapping")) &&
           (!fv_op_in(op, SINK) ||
            fv_same_dim(op, fv_in_type(op, SINK)->dims[0], s->q_heads, "heads of head_sink"));
}

/* Is there a cache of values, if its result is read? */
static bool has_values(const fv_op *op, const paged *p) {
    return !p->latent || !fv_op_is_read(op, VALUE_CACHE_OUT) ||
           fv_op_error(op, "kv_cache_layout LATENT has no value_cache_out, but result '%s' is read",
                       op->out[VALUE_CACHE_OUT]->name);
}

static bool infer_paged(fv_op *op) {
    paged p;
    if (!read_paged(op, &p))
        return false;
    const fv_attention_dims *s = &p.d;
    if (!has_values(op, &p))
        return false;
    fv_infer_out(op, OUTPUT, fv_in_type(op, QUERY)->elem, 2,
                 (const fv_dim *[]){s->queries, fv_dim_mul(s->t, s->q_heads, s->v_head)});
    fv_infer_like(op, KEY_CACHE_OUT, KEY_CACHE);
    fv_infer_like(op, VALUE_CACHE_OUT, p.latent ? KEY_CACHE : VALUE_CACHE);
    return true;
}

/* ---- where tokens are ---- */

/* All i64 [tokens]. */
typedef struct places {
    /* end: positions that its sequence has with what is new */
    fv_value *sequence, *position, *end, *slot;
} places;

static fv_value *number(fv_rewriter *w, const fv_dim *d) {
    return fv_w_ints(w, FV_I64, 0, 1, &d);
}

static fv_value *picked(fv_rewriter *w, fv_value *x, fv_value *at) {
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    return fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){x, at}, 1, &axis);
}

static fv_value *default_slot(fv_rewriter *w, const fv_op *op, const paged *p, const places *at) {
    const fv_dim *column[2] = {p->d.queries, fv_dim_const(p->d.t, 1)};
    fv_attr last = fv_attr_int(w->module, "axis", -1);
    fv_value *size = number(w, p->block), *page = FV_W2(w, FV_OP_Div, at->position, size);
    fv_value *in[2] = {fv_w_reshape(w, at->sequence, 2, column), fv_w_reshape(w, page, 2, column)};
    fv_value *block =
        FV_W2(w, FV_OP_GatherND, op->in[TABLE], fv_w_op(w, FV_OP_Concat, 2, in, 1, &last));
    fv_value *row = FV_W2(w, FV_OP_Sub, at->position, FV_W2(w, FV_OP_Mul, page, size));
    return FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, fv_w_cast(w, block, FV_I64), size), row);
}

static places places_of(fv_rewriter *w, const fv_op *op, const paged *p) {
    const fv_attention_dims *s = &p->d;
    const fv_dim *one = fv_dim_const(s->t, 1), *zero = fv_dim_const(s->t, 0),
                 *last = fv_dim_sub(s->t, p->sequences, one);
    const fv_dim *row[2] = {one, p->sequences};
    fv_value *ends = fv_w_cast(w, op->in[ENDS], FV_I64),
             *pasts = fv_w_cast(w, op->in[PASTS], FV_I64);
    fv_value *first = fv_w_part(w, ends, 0, zero, p->sequences),
             *end = fv_w_part(w, ends, 0, one, p->sequences);
    fv_value *over = FV_W2(w, FV_OP_LessOrEqual, fv_w_reshape(w, end, 2, row),
                           fv_w_positions(w, s->queries, 2, 0));
    fv_value *sum[2] = {fv_w_cast(w, over, FV_I64),
                        fv_const_ints(w->module, "axes", 1, (int64_t[]){1})};
    fv_attr drop = fv_attr_int(w->module, "keepdims", 0);
    places at = {.sequence = FV_W2(w, FV_OP_Min, fv_w_op(w, FV_OP_ReduceSum, 2, sum, 1, &drop),
                                   number(w, last))};
    fv_value *past = picked(w, pasts, at.sequence), *start = picked(w, first, at.sequence);
    at.position =
        FV_W2(w, FV_OP_Add, past, FV_W2(w, FV_OP_Sub, fv_w_positions(w, s->queries, 1, 0), start));
    at.end = FV_W2(w, FV_OP_Add, past, FV_W2(w, FV_OP_Sub, picked(w, end, at.sequence), start));
    at.slot =
        fv_op_in(op, SLOTS) ? fv_w_cast(w, op->in[SLOTS], FV_I64) : default_slot(w, op, p, &at);
    return at;
}

/* ---- queries, keys and values ---- */

/* x [1, heads, tokens, head], of which some channels are rotated */
static fv_value *rotated(fv_rewriter *w, const fv_op *op, const paged *p, fv_value *x,
                         fv_value *position) {
    const fv_attention_dims *s = &p->d;
    if (!fv_op_int(op, "do_rotary") || !x)
        return x;
    const fv_dim *from = fv_dim_const(s->t, fv_op_int(op, "rotary_offset")),
                 *dims[2] = {s->batch, s->queries};
    fv_value *part = fv_w_part(w, x, 3, from, fv_dim_sub(s->t, s->head, from)),
             *at = fv_w_reshape(w, position, 2, dims);
    fv_attr a[2] = {
        fv_attr_int(w->module, "interleaved", fv_op_int(op, "rotary_interleaved")),
        fv_attr_int(w->module, "rotary_embedding_dim", 2 * fv_in_type(op, COS)->dims[1]->value)};
    part = fv_w_op(w, FV_OP_RotaryEmbedding, 4, (fv_value *[]){part, op->in[COS], op->in[SIN], at},
                   2, a);
    if (!from->value)
        return part;
    fv_attr axis = fv_attr_int(w->module, "axis", 3);
    return fv_w_op(w, FV_OP_Concat, 2,
                   (fv_value *[]){fv_w_part(w, x, 3, fv_dim_const(s->t, 0), from), part}, 1, &axis);
}

static void heads_of(fv_rewriter *w, const fv_op *op, const paged *p, const places *at,
                     fv_value **qkv) {
    const fv_attention_dims *s = &p->d;
    const fv_dim *start = fv_dim_const(s->t, 0);
    for (int i = QUERY; i <= VALUE; i++) {
        const fv_dim *heads = i ? s->kv_heads : s->q_heads,
                     *size = fv_dim_mul(s->t, heads, s->head);
        fv_value *x = p->packed ? fv_w_part(w, op->in[QUERY], 1, start, size) : op->in[i];
        int norm = i == QUERY ? QUERY_NORM : KEY_NORM;
        fv_attr a[2] = {fv_attr_int(w->module, "axis", -1),
                        fv_attr_float(w->module, "epsilon", fv_op_float(op, "qk_norm_epsilon"))};
        start = fv_dim_add(s->t, start, size);
        qkv[i] = x ? fv_w_split_heads(w, s, x, s->queries, heads, s->head) : NULL;
        if (i == VALUE)
            continue;
        if (fv_op_in(op, norm))
            qkv[i] =
                fv_w_op(w, FV_OP_RMSNormalization, 2, (fv_value *[]){qkv[i], op->in[norm]}, 2, a);
        qkv[i] = rotated(w, op, p, qkv[i], at->position);
    }
}

/* The cache with x [1, heads, tokens, head] written to its slots; tokens whose slot is negative go
 * to a row that is dropped. */
static fv_value *written(fv_rewriter *w, const paged *p, fv_value *cache, fv_value *x,
                         fv_value *slot) {
    static const int perm[4] = {0, 2, 1, 3};
    const fv_attention_dims *s = &p->d;
    const fv_dim *zero = fv_dim_const(s->t, 0), *one = fv_dim_const(s->t, 1),
                 *rows = fv_dim_mul(s->t, p->blocks, p->block);
    const fv_dim *flat[3] = {rows, s->kv_heads, s->head},
                 *more[3] = {fv_dim_add(s->t, rows, one), s->kv_heads, s->head};
    const fv_dim *begin[3] = {zero, zero, zero}, *column[2] = {s->queries, one},
                 *tokens[3] = {s->queries, s->kv_heads, s->head};
    fv_attr a[2] = {fv_attr_dims(w->module, "begin", 3, begin),
                    fv_attr_dims(w->module, "dims", 3, more)};
    fv_value *all = fv_w_reshape(w, cache, 3, flat),
             *skipped = FV_W2(w, FV_OP_Less, slot, fv_w_int(w, FV_I64, 0));
    fv_value *at =
        fv_w_reshape(w, FV_W3(w, FV_OP_Where, skipped, number(w, rows), slot), 2, column);
    all = fv_w_op(w, FV_OP_fv_Pad, 1, &all, 2, a);
    x = fv_w_reshape(w, fv_w_transpose(w, x, perm), 3, tokens);
    all = fv_w_part(w, FV_W3(w, FV_OP_ScatterND, all, at, x), 0, zero, rows);
    return fv_w_reshape(w, all, 4, cache->type->dims);
}

/* [1, kv_heads, keys, head] of the blocks that the table names; entries of places that nobody has
 * may be anything */
static fv_value *in_order(fv_rewriter *w, const fv_op *op, const paged *p, fv_value *cache) {
    const fv_attention_dims *s = &p->d;
    const fv_dim *last = fv_dim_sub(s->t, p->blocks, fv_dim_const(s->t, 1));
    fv_value *table =
        FV_W2(w, FV_OP_Max, fv_w_cast(w, op->in[TABLE], FV_I64), fv_w_int(w, FV_I64, 0));
    table = FV_W2(w, FV_OP_Min, table, number(w, last));
    return fv_w_split_heads(w, s, picked(w, cache, table), s->keys, s->kv_heads, s->head);
}

/* [1, 1, tokens, keys] */
static fv_value *seen_by(fv_rewriter *w, const fv_op *op, const paged *p, const places *at) {
    const fv_attention_dims *s = &p->d;
    const fv_dim *one = fv_dim_const(s->t, 1), *rows[4] = {one, one, s->queries, one};
    int64_t window = fv_op_int(op, "local_window_size");
    fv_value *key = fv_w_positions(w, s->keys, 4, 3), *room = number(w, p->room);
    fv_value *sequence = FV_W2(w, FV_OP_Div, key, room);
    fv_value *place = FV_W2(w, FV_OP_Sub, key, FV_W2(w, FV_OP_Mul, sequence, room));
    fv_value *position = fv_w_reshape(w, at->position, 4, rows);
    fv_value *seen = FV_W2(w, FV_OP_Equal, sequence, fv_w_reshape(w, at->sequence, 4, rows));
    seen = fv_w_both(w, seen,
                     fv_op_int(op, "is_causal")
                         ? FV_W2(w, FV_OP_LessOrEqual, place, position)
                         : FV_W2(w, FV_OP_Less, place, fv_w_reshape(w, at->end, 4, rows)));
    if (window > 0)
        seen = fv_w_both(w, seen,
                         FV_W2(w, FV_OP_Less,
                               FV_W2(w, FV_OP_Sub, position, fv_w_int(w, FV_I64, window)), place));
    return seen;
}

static bool decompose_paged(fv_rewriter *w, fv_op *op) {
    paged p;
    fv_value *qkv[3], *result[3] = {NULL};
    if (!read_paged(op, &p) || !has_values(op, &p))
        return false;
    const fv_attention_dims *s = &p.d;
    places at = places_of(w, op, &p);
    heads_of(w, op, &p, &at, qkv);
    result[KEY_CACHE_OUT] = written(w, &p, op->in[KEY_CACHE], qkv[KEY], at.slot);
    fv_attend a = {.d = *s,
                   .q = qkv[QUERY],
                   .scale = fv_op_float(op, "scale"),
                   .cap = fv_op_float(op, "softcap"),
                   .sink = fv_op_in(op, SINK)};
    a.k = in_order(w, op, &p, result[KEY_CACHE_OUT]);
    if (p.latent) {
        a.v = fv_w_part(w, a.k, 3, fv_dim_const(s->t, 0), s->v_head);
    } else {
        result[VALUE_CACHE_OUT] = written(w, &p, op->in[VALUE_CACHE], qkv[VALUE], at.slot);
        a.v = in_order(w, op, &p, result[VALUE_CACHE_OUT]);
    }
    a.seen = seen_by(w, op, &p, &at);
    const fv_dim *dims[2] = {s->queries, fv_dim_mul(s->t, s->q_heads, s->v_head)};
    fv_value *y = fv_w_reshape(w, fv_w_merge_heads(w, fv_w_attend(w, &a)), 2, dims);
    result[OUTPUT] = fv_w_cast(w, y, fv_in_type(op, QUERY)->elem);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && (i != VALUE_CACHE_OUT || !p.latent))
            fv_w_result(w, i, result[i]);
    return !w->failed;
}

#define OPTIONAL FV_OPTIONAL_OPERAND

const fv_opdef fv_ops_microsoft_paged[] = {
    {.domain = "com.microsoft",
     .name = "PagedAttention",
     .since = {1},
     .doc = "causal attention of tokens of many sequences, to a cache in blocks that a table gives "
            "to sequences",
     .in = {{"query", "T", .rank = FV_RANK(2)},
            {"key", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"value", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"key_cache", "T", .rank = FV_RANK(4)},
            {"value_cache", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"cumulative_sequence_length", "S", .rank = FV_RANK(1)},
            {"past_seqlens", "S", .rank = FV_RANK(1)},
            {"block_table", "S", .rank = FV_RANK(2)},
            {"cos_cache", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"sin_cache", "T", OPTIONAL, .rank = FV_RANK(2)},
            {"slot_mapping", "S", OPTIONAL, .rank = FV_RANK(1)},
            {"head_sink", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"q_norm_weight", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"k_norm_weight", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"k_scale", "F", OPTIONAL},
            {"v_scale", "F", OPTIONAL},
            {"attention_metadata", "S", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {{"output", "T"}, {"key_cache_out", "T", OPTIONAL}, {"value_cache_out", "T", OPTIONAL}},
     .attrs = {FV_A_INT("do_rotary", 0), FV_A_INT("is_causal", 1), FV_A_STRING("k_cache_dtype", ""),
               FV_A_STRING("k_quant_type", "NONE"), FV_A_STRING("kv_cache_layout", "SEPARATE"),
               FV_A_REQUIRED("kv_num_heads", INT), FV_A_INT("local_window_size", -1),
               FV_A_REQUIRED("num_heads", INT), FV_A_FLOAT("qk_norm_epsilon", 1e-6f),
               FV_A_INT("rotary_interleaved", 0), FV_A_INT("rotary_offset", 0),
               FV_A_FLOAT("scale", 0.0f), FV_A_FLOAT("softcap", 0.0f),
               FV_A_STRING("v_cache_dtype", ""), FV_A_INT("v_head_size", 0),
               FV_A_STRING("v_quant_type", "NONE")},
     .types = {{"T", FV_SET(F32) | FV_SET(F16) | FV_SET(BF16)},
               {"S", FV_SET(I32)},
               {"F", FV_SET(F32)}},
     .infer = infer_paged,
     .decompose = decompose_paged},

    {0}};
