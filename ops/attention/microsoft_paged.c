/* microsoft_paged.c - PagedAttention of ONNX Runtime's domain com.microsoft: the tokens of all
 * sequences are concatenated, and a table assigns blocks of a cache to sequences. All of them are
 * one attention, in which a query uses the keys of its own sequence only. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
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

/* d.batch is 1; d.queries is the number of tokens, d.keys that of rows in all blocks of the
 * table. */
typedef struct paged {
    fv_attention_dims d;
    /* numbers of sequences, of blocks in the cache, of rows in a block, and of rows of a
     * sequence */
    const fv_dim *sequences, *blocks, *block, *room;
    /* packed: key and value follow the query in one tensor. latent: values are the first channels
     * of the keys */
    bool packed, latent;
} paged;

static bool string_is(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

/* Whether the cache is not quantized, and the attribute with its type is absent or names its
 * element type. */
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

/* Checks that there is a cache of values if the result with that cache is used. */
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

/* For each token, i64 [tokens]: its sequence, its position, and its row in the cache (slot). */
typedef struct places {
    /* end: number of positions of its sequence, new ones included */
    fv_value *sequence, *position, *end, *slot;
} places;

static places places_of(fv_rewriter *w, const fv_op *op, const paged *p) {
    fv_value *v[4];
    FV_CALL_N(w, 4, v, "paged_places", {op->in[ENDS]}, {op->in[PASTS]}, {op->in[TABLE]},
              {fv_op_in(op, SLOTS)}, FV_DIM(p->d.queries), FV_DIM(p->sequences), FV_DIM(p->block));
    return (places){v[0], v[1], v[2], v[3]};
}

/* ---- queries, keys and values ---- */

static void heads_of(fv_rewriter *w, const fv_op *op, const paged *p, const places *at,
                     fv_value **qkv) {
    const fv_attention_dims *s = &p->d;
    const fv_dim *start = fv_dim_const(s->t, 0);
    for (int i = QUERY; i <= VALUE; i++) {
        const fv_dim *heads = i ? s->kv_heads : s->q_heads,
                     *size = fv_dim_mul(s->t, heads, s->head);
        fv_value *x = p->packed ? fv_w_part(w, op->in[QUERY], 1, start, size) : op->in[i];
        int norm = i == QUERY ? QUERY_NORM : KEY_NORM;
        start = fv_dim_add(s->t, start, size);
        qkv[i] = x ? fv_w_split_heads(w, s, x, s->queries, heads, s->head) : NULL;
        if (i == VALUE)
            continue;
        qkv[i] = FV_CALL(w, "with_norm", {qkv[i]}, {fv_op_in(op, norm)},
                         FV_FLOAT((double)fv_op_float(op, "qk_norm_epsilon")));
        if (fv_op_int(op, "do_rotary") && qkv[i])
            qkv[i] = FV_CALL(w, "paged_rotated", {qkv[i]}, {op->in[COS]}, {op->in[SIN]},
                             {at->position}, FV_INT(fv_op_int(op, "rotary_offset")),
                             FV_INT(fv_op_int(op, "rotary_interleaved")));
    }
}

/* Keys or values [1, kv_heads, keys, head] in the blocks that the table names. Table entries of
 * unused rows may have any value. */
static fv_value *in_order(fv_rewriter *w, const fv_op *op, const paged *p, fv_value *cache) {
    const fv_attention_dims *s = &p->d;
    fv_value *rows = FV_CALL(w, "paged_in_order", {cache}, {op->in[TABLE]});
    return fv_w_split_heads(w, s, rows, s->keys, s->kv_heads, s->head);
}

static bool decompose_paged(fv_rewriter *w, fv_op *op) {
    paged p;
    fv_value *qkv[3], *result[3] = {NULL};
    if (!read_paged(op, &p) || !has_values(op, &p))
        return false;
    const fv_attention_dims *s = &p.d;
    places at = places_of(w, op, &p);
    heads_of(w, op, &p, &at, qkv);
    result[KEY_CACHE_OUT] = FV_CALL(w, "paged_written", {op->in[KEY_CACHE]}, {qkv[KEY]}, {at.slot});
    fv_attend a = {.d = *s,
                   .q = qkv[QUERY],
                   .scale = fv_op_float(op, "scale"),
                   .cap = fv_op_float(op, "softcap"),
                   .sink = fv_op_in(op, SINK)};
    a.k = in_order(w, op, &p, result[KEY_CACHE_OUT]);
    if (p.latent) {
        a.v = fv_w_part(w, a.k, 3, fv_dim_const(s->t, 0), s->v_head);
    } else {
        result[VALUE_CACHE_OUT] =
            FV_CALL(w, "paged_written", {op->in[VALUE_CACHE]}, {qkv[VALUE]}, {at.slot});
        a.v = in_order(w, op, &p, result[VALUE_CACHE_OUT]);
    }
    a.seen = FV_CALL(w, "paged_seen", {at.sequence}, {at.position}, {at.end}, FV_DIM(p.room),
                     FV_DIM(s->keys), FV_INT(fv_op_int(op, "local_window_size")),
                     FV_INT(fv_op_int(op, "is_causal")));
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
