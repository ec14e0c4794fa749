/* microsoft_grouped.c - GroupQueryAttention and SparseAttention of ONNX Runtime's domain
 * com.microsoft: causal attention in which several query heads share a key head, with a cache in
 * which each sequence has a length of its own. */
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ir/rule/body.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/ops.h"

enum { QUERY, KEY, VALUE, PAST_KEY, PAST_VALUE };
enum { OUTPUT, PRESENT_KEY, PRESENT_VALUE, OUTPUT_QK };

/* Indices of operands. */
typedef struct operands {
    int lengths, total, cos, sin;
} operands;

enum {
    /* operands of GroupQueryAttention only */
    POSITIONS = 9,
    BIAS,
    SINK,
    KEY_SCALE,
    VALUE_SCALE,
    QUERY_NORM,
    KEY_NORM
};
enum {
    /* operands of SparseAttention only */
    ROW_INDICES = 5,
    COLUMN_INDICES
};

static const operands of_groups = {.lengths = 5, .total = 6, .cos = 7, .sin = 8};
static const operands of_sparse = {.total = 7, .lengths = 8, .cos = 9, .sin = 10};

/* d.keys is the number of new keys, d.past that of rows in the past, d.total that of rows attended
 * to. */
typedef struct grouped {
    fv_attention_dims d;
    const operands *at;
    bool sparse, packed; /* packed: key and value follow the query in one tensor */
    bool fresh;          /* whether there is no past */
    /* total_sequence_length: the number of positions of the longest sequence */
    const fv_dim *longest;
    const fv_dim *present; /* number of rows of the cache after the run */
    /* number of elements in a row of the cache: the size of a head, or half of it if a byte has
     * two */
    const fv_dim *width;
    int64_t window; /* number of keys that a query attends to, its own included; 0: all */
    bool sliding;   /* whether the cache contains the newest positions only */
} grouped;

static bool read_heads(fv_op *op, grouped *g) {
    fv_attention_dims *s = &g->d;
    int64_t q = fv_op_int(op, "num_heads"), kv = fv_op_int(op, "kv_num_heads");
    if (q < 1 || kv < 1 || q > INT32_MAX || kv > INT32_MAX || q % kv)
        return fv_op_error(op, "num_heads is %lld, kv_num_heads %lld", (long long)q, (long long)kv);
    s->q_heads = fv_dim_const(s->t, q);
    s->kv_heads = fv_dim_const(s->t, kv);
    return true;
}

/* Key and value have as many rows as the query, or no rows, in which case the past has all keys. */
static bool read_rows(fv_op *op, grouped *g) {
    fv_attention_dims *s = &g->d;
    const fv_type *q = fv_in_type(op, QUERY), *k = fv_in_type(op, KEY), *v = fv_in_type(op, VALUE);
    s->batch = q->dims[0];
    s->queries = s->keys = q->dims[1];
    g->packed = !k;
    if (!k != !v)
        return fv_op_error(op, "key and value come together");
    const fv_dim *parts = fv_dim_add(s->t, s->q_heads,
                                     k ? fv_dim_const(s->t, 0)
                                       : fv_dim_mul(s->t, s->kv_heads, fv_dim_const(s->t, 2)));
    if (!fv_split_dim(op, q->dims[2], parts, &s->head, "size of query and its heads"))
        return false;
    s->v_head = s->head;
    if (!k)
        return true;
    const fv_dim *hidden = fv_dim_mul(s->t, s->kv_heads, s->head);
    bool none = !g->sparse && fv_dim_is_const(k->dims[1]) && !k->dims[1]->value;
    s->keys = none ? k->dims[1] : s->queries;
    return fv_same_dim(op, k->dims[0], s->batch, "batch of key") &&
           fv_same_dim(op, v->dims[0], s->batch, "batch of value") &&
           fv_same_dim(op, k->dims[1], s->keys, "lengths of query and key") &&
           fv_same_dim(op, v->dims[1], s->keys, "lengths of query and value") &&
           fv_same_dim(op, k->dims[2], hidden, "size of key and its heads") &&
           fv_same_dim(op, v->dims[2], hidden, "size of value and its heads");
}

static bool at_most(fv_op *op, const fv_dim *a, const fv_dim *b, const char *why) {
    fv_module *m = fv_op_module(op);
    const char *says =
        fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, a), fv_dim_str(m->arena, b));
    return fv_module_require(m, fv_dim_max(m->dims, a, b), b, why, says) ||
           fv_op_error(op, "%s: not %s", why, says);
}

/* Computes the row width of the cache: two numbers of 4 bits are stored in a byte. */
static bool read_width(fv_op *op, grouped *g) {
    g->width = g->d.head;
    return g->sparse || fv_op_int(op, "kv_cache_bit_width") != 4 ||
           fv_split_dim(op, g->d.head, fv_dim_const(g->d.t, 2), &g->width,
                        "size of a head, two in a byte");
}

/* Reads the number of rows of the past and of the cache. */
static bool read_cache(fv_op *op, grouped *g) {
    fv_attention_dims *s = &g->d;
    const fv_type *k = fv_in_type(op, PAST_KEY), *v = fv_in_type(op, PAST_VALUE);
    const fv_dim *const *e, *zero = fv_dim_const(s->t, 0);
    int n;
    if (!k != !v)
        return fv_op_error(op, "past_key and past_value come together");
    if (!fv_int_operand(op, g->at->total, &n, &e))
        return false;
    g->longest = e[0];
    s->past = k ? k->dims[2] : zero;
    g->fresh = fv_dim_is_const(s->past) && !s->past->value && !g->sparse && !g->sliding;
    const fv_type *caches[2] = {k, v};
    for (int i = 0; i < 2 && k; i++)
        if (!fv_same_dim(op, caches[i]->dims[0], s->batch, "batch of the past") ||
            !fv_same_dim(op, caches[i]->dims[1], s->kv_heads, "heads of the past") ||
            !fv_same_dim(op, caches[i]->dims[2], s->past, "lengths of past_key and past_value") ||
            !fv_same_dim(op, caches[i]->dims[3], g->width, "head size of the past"))
            return false;
    if (g->fresh) {
        s->total = g->present = s->queries;
        return fv_same_dim(op, g->longest, s->queries, "total_sequence_length without a past");
    }
    if (g->sliding) {
        s->total = fv_dim_add(s->t, s->past, s->keys);
        g->present = s->past;
        return (k || fv_op_error(op, "sliding_window_cache needs a past")) &&
               at_most(op, fv_dim_const(s->t, g->window), s->past, "window and cache") &&
               at_most(op, s->queries, g->longest, "queries and total_sequence_length");
    }
    const fv_dim *all = fv_dim_max(s->t, g->longest, s->past);
    bool fits = g->sparse || fv_module_equal(fv_op_module(op), all, s->past);
    g->present = s->total = fits ? s->past : all;
    return at_most(op, s->queries, g->longest, "queries and total_sequence_length") &&
           at_most(op, g->longest, g->sparse ? s->past : fv_dim_add(s->t, s->past, s->keys),
                   "total_sequence_length and the cache");
}

static bool read_rotary(fv_op *op, const grouped *g) {
    const fv_type *cos = fv_in_type(op, g->at->cos), *sin = fv_in_type(op, g->at->sin);
    if (!cos != !sin)
        return fv_op_error(op, "cos_cache and sin_cache come together");
    if (!fv_op_int(op, "do_rotary"))
        return true;
    if (!cos)
        return fv_op_error(op, "do_rotary needs cos_cache and sin_cache");
    const fv_dim *turned = fv_dim_mul(g->d.t, cos->dims[1], fv_dim_const(g->d.t, 2));
    return fv_same_dim(op, cos->dims[0], sin->dims[0], "lengths of cos_cache and sin_cache") &&
           fv_same_dim(op, cos->dims[1], sin->dims[1], "sizes of cos_cache and sin_cache") &&
           (fv_dim_is_const(turned)
                ? at_most(op, turned, g->d.head, "what is rotated of a head")
                : fv_same_dim(op, turned, g->d.head, "what is rotated of a head"));
}

/* Lengths are one number for each sequence of the batch, as a vector or as a column. */
static bool read_lengths(fv_op *op, const grouped *g) {
    const fv_type *t = fv_in_type(op, g->at->lengths);
    return fv_same_dim(op, t->dims[0], g->d.batch, "batch of lengths") &&
           (t->rank == 1 ||
            fv_same_dim(op, t->dims[1], fv_dim_const(g->d.t, 1), "a column of lengths"));
}

static bool read_grouped(fv_op *op, grouped *g, bool sparse) {
    int64_t window = sparse ? -1 : fv_op_int(op, "local_window_size");
    *g = (grouped){
        .d.t = fv_op_module(op)->dims, .sparse = sparse, .at = sparse ? &of_sparse : &of_groups};
    g->sliding = !sparse && fv_op_int(op, "sliding_window_cache") != 0;
    if (window < -1 || !window || window > INT32_MAX)
        return fv_op_error(op, "local_window_size is %lld, expected -1 or a number of keys",
                           (long long)window);
    g->window = window < 0 ? 0 : window;
    if (g->sliding && !g->window)
        return fv_op_error(op, "sliding_window_cache needs local_window_size");
    return read_heads(op, g) && read_rows(op, g) && read_width(op, g) && read_cache(op, g) &&
           read_lengths(op, g) && read_rotary(op, g);
}

static void infer_results(fv_op *op, const grouped *g, fv_elem cache) {
    const fv_attention_dims *s = &g->d;
    fv_infer_out(op, OUTPUT, fv_in_type(op, QUERY)->elem, 3,
                 (const fv_dim *[]){s->batch, s->queries, fv_dim_mul(s->t, s->q_heads, s->head)});
    for (int i = PRESENT_KEY; i <= PRESENT_VALUE; i++)
        fv_infer_out(op, i, cache, 4,
                     (const fv_dim *[]){s->batch, s->kv_heads, g->present, g->width});
}

/* ---- positions ---- */

/* Positions in the cache, all i64 [batch, 1, 1, 1]. */
typedef struct positions {
    fv_value *total; /* number of positions of a sequence */
    fv_value *start; /* the position of its first query */
    fv_value *row;   /* the row of the cache at which new rows are stored */
    fv_value *base;  /* the position of row 0; NULL: it is 0 */
    fv_value *drop;  /* number of rows removed from the front of the cache; NULL: none */
} positions;

static positions positions_of(fv_rewriter *w, const fv_op *op, const grouped *g) {
    fv_value *v[5];
    const fv_dim *one = fv_dim_const(g->d.t, 1),
                 *rows = fv_dim_sub(g->d.t, g->sliding ? g->longest : g->present, one);
    /* GroupQueryAttention gets each length minus 1 */
    FV_CALL_N(w, 5, v, "grouped_positions", {op->in[g->at->lengths]}, FV_DIM(g->d.batch),
              FV_DIM(g->d.queries), FV_DIM(rows), FV_DIM(g->present),
              FV_INT(g->sliding ? g->window : 0), FV_INT(g->sparse));
    return (positions){v[0], v[1], v[2], v[3], v[4]};
}

static fv_value *seen_by(fv_rewriter *w, const grouped *g, const positions *p, bool causal) {
    return FV_CALL(w, "grouped_seen", {p->total}, {p->start}, {p->base}, FV_DIM(g->d.queries),
                   FV_DIM(g->d.total), FV_INT(g->window), FV_INT(causal));
}

/* ---- queries, keys and values ---- */

static fv_value *rotated(fv_rewriter *w, const fv_op *op, const grouped *g, fv_value *x,
                         fv_value *at) {
    if (!at)
        return x;
    const fv_dim *half = fv_in_type(op, g->at->cos)->dims[1];
    fv_value *in[4] = {x, op->in[g->at->cos], op->in[g->at->sin], at};
    fv_attr a[2] = {fv_attr_int(w->module, "interleaved", fv_op_int(op, "rotary_interleaved")),
                    fv_attr_int(w->module, "rotary_embedding_dim",
                                fv_dim_is_const(half) ? 2 * half->value : 0)};
    return fv_w_op(w, FV_OP_RotaryEmbedding, 4, in, 2, a);
}

/* The positions that determine the rotation of each row, i64 [batch, queries]; NULL: no
 * rotation. */
static fv_value *angles_at(fv_rewriter *w, const fv_op *op, const grouped *g, const positions *p) {
    const fv_attention_dims *s = &g->d;
    if (!fv_op_int(op, "do_rotary"))
        return NULL;
    const fv_dim *prompt = fv_dim_is(s->t, fv_dim_sub(s->t, g->longest, s->queries), 0);
    return FV_CALL(w, "rotary_positions", {p->start}, {g->sparse ? NULL : fv_op_in(op, POSITIONS)},
                   FV_DIM(s->queries), FV_DIM(g->fresh ? fv_dim_const(s->t, 1) : prompt));
}

static void heads_of(fv_rewriter *w, const fv_op *op, const grouped *g, const positions *p,
                     fv_value **qkv) {
    const fv_attention_dims *s = &g->d;
    const fv_dim *start = fv_dim_const(s->t, 0);
    fv_value *at = angles_at(w, op, g, p);
    for (int i = QUERY; i <= VALUE; i++) {
        const fv_dim *heads = i ? s->kv_heads : s->q_heads,
                     *size = fv_dim_mul(s->t, heads, s->head);
        fv_value *x = g->packed ? fv_w_part(w, op->in[QUERY], 2, start, size) : op->in[i];
        start = fv_dim_add(s->t, start, size);
        x = fv_w_split_heads(w, s, x, i ? s->keys : s->queries, heads, s->head);
        if (!g->sparse && i != VALUE)
            x = FV_CALL(w, "with_norm", {x}, {fv_op_in(op, i ? KEY_NORM : QUERY_NORM)},
                        FV_FLOAT((double)fv_op_float(op, "qk_norm_epsilon")));
        bool none = i && fv_dim_is_const(s->keys) && !s->keys->value;
        qkv[i] = i == VALUE || none ? x : rotated(w, op, g, x, at);
    }
}

/* The rows of keys or values that are attended to; *present: the cache after the run. */
static fv_value *cached(fv_rewriter *w, const grouped *g, const positions *p, fv_value *past,
                        fv_value *x, fv_value **present) {
    *present = x;
    if (g->fresh || !x || !past)
        return x;
    fv_value *all = FV_CALL(w, "cached_rows", {past}, {x}, {p->row}, FV_DIM(g->d.total));
    *present = p->drop ? FV_CALL(w, "remaining_rows", {all}, {p->drop}, FV_DIM(g->present)) : all;
    return all;
}

/* ---- GroupQueryAttention ---- */

enum { NO_QK, BEFORE_SOFTMAX, AFTER_SOFTMAX }; /* qk_output */

static bool string_is(fv_string s, const char *text) {
    return s.n == strlen(text) && !memcmp(s.s, text, s.n);
}

static bool is_quantized(const fv_op *op) {
    return !string_is(fv_op_string(op, "k_quant_type"), "NONE");
}

/* Checks that the cache has one scale, or one for each head and channel. */
static bool check_scale(fv_op *op, const grouped *g, int in, const char *attr) {
    const fv_type *t = fv_in_type(op, in);
    fv_string how = fv_op_string(op, attr);
    bool all = string_is(how, "PER_TENSOR");
    if (!all && !string_is(how, "PER_CHANNEL"))
        return fv_op_error(op, "%s is '%.*s', expected NONE, PER_TENSOR or PER_CHANNEL", attr,
                           (int)(how.n > 40 ? 40 : how.n), how.s);
    if (!t)
        return fv_op_error(op, "%s needs %s", attr, op->def->in[in].name);
    const fv_dim *n = all ? fv_dim_const(g->d.t, 1) : fv_dim_mul(g->d.t, g->d.kv_heads, g->d.head);
    return fv_same_dim(op, fv_dim_product(g->d.t, t->rank, t->dims), n,
                       "elements of a scale of the cache");
}

static fv_elem cache_type(const fv_op *op) {
    return !is_quantized(op)                          ? fv_in_type(op, QUERY)->elem
           : fv_op_int(op, "kv_cache_bit_width") == 4 ? FV_U8
                                                      : FV_I8;
}

/* Checks that the cache has the type of the queries, or 8 or 4 bits and scales. */
static bool check_cache_type(fv_op *op, const grouped *g) {
    bool quantized = is_quantized(op);
    fv_elem e = cache_type(op);
    int64_t bits = fv_op_int(op, "kv_cache_bit_width");
    for (int i = PAST_KEY; i <= PAST_VALUE; i++)
        if (fv_op_in(op, i) && fv_in_type(op, i)->elem != e)
            return fv_op_error(op, "the past is %s, expected %s",
                               fv_elem_name(fv_in_type(op, i)->elem), fv_elem_name(e));
    if (quantized != !string_is(fv_op_string(op, "v_quant_type"), "NONE"))
        return fv_op_error(op, "of keys and values one is quantized");
    if (quantized ? bits != 8 && bits != 4 : bits == 4)
        return fv_op_error(op, "kv_cache_bit_width is %lld%s", (long long)bits,
                           quantized ? ", expected 8 or 4" : ", the cache is not quantized");
    if (!quantized && (fv_op_in(op, KEY_SCALE) || fv_op_in(op, VALUE_SCALE)))
        return fv_op_error(op, "k_scale and v_scale are for a quantized cache");
    return !quantized || (check_scale(op, g, KEY_SCALE, "k_quant_type") &&
                          check_scale(op, g, VALUE_SCALE, "v_quant_type"));
}

static bool check_groups(fv_op *op, const grouped *g) {
    const fv_attention_dims *s = &g->d;
    int64_t mode = fv_op_int(op, "qk_output"), causal = fv_op_int(op, "causal");
    bool wanted = fv_op_is_read(op, OUTPUT_QK);
    const fv_type *bias = fv_in_type(op, BIAS);
    const fv_dim *dims[4] = {s->batch, s->q_heads, s->queries, g->fresh ? s->queries : g->longest};
    if (!check_cache_type(op, g))
        return false;
    if (mode < NO_QK || mode > AFTER_SOFTMAX || (wanted && (mode == NO_QK || g->sliding)))
        return fv_op_error(op, "qk_output is %lld%s", (long long)mode,
                           !wanted      ? ""
                           : g->sliding ? ", the cache slides"
                                        : ", output_qk is wanted");
    if (causal < 0 || causal > 1 || (!causal && g->window))
        return fv_op_error(op, "causal is %lld%s", (long long)causal,
                           g->window ? ", with a window" : "");
    if (!fv_op_in(op, QUERY_NORM) != !fv_op_in(op, KEY_NORM))
        return fv_op_error(op, "q_norm_weight and k_norm_weight come together");
    for (int i = QUERY_NORM; i <= KEY_NORM; i++)
        if (fv_op_in(op, i) &&
            !fv_same_dim(op, fv_in_type(op, i)->dims[0], s->head, "size of a norm's weight"))
            return false;
    if (fv_op_in(op, SINK) &&
        !fv_same_dim(op, fv_in_type(op, SINK)->dims[0], s->q_heads, "heads of head_sink"))
        return false;
    if (fv_op_in(op, POSITIONS) &&
        (!fv_same_dim(op, fv_in_type(op, POSITIONS)->dims[0], s->batch, "batch of position_ids") ||
         !fv_same_dim(op, fv_in_type(op, POSITIONS)->dims[1], s->queries,
                      "length of position_ids")))
        return false;
    return !bias || (fv_same_dim(op, bias->dims[2], s->queries, "queries of attention_bias") &&
                     fv_same_dim(op, bias->dims[3], dims[3], "keys of attention_bias") &&
                     fv_infer_fits(op, BIAS, 4, dims));
}

static bool infer_groups(fv_op *op) {
    grouped g;
    if (!read_grouped(op, &g, false) || !check_groups(op, &g))
        return false;
    const fv_attention_dims *s = &g.d;
    const fv_dim *zero = fv_dim_const(s->t, 0),
                 *longest = g.fresh ? s->queries : fv_dim_max(s->t, g.longest, zero);
    fv_elem e = fv_in_type(op, QUERY)->elem;
    infer_results(op, &g, cache_type(op));
    fv_infer_out(op, OUTPUT_QK, e, 4,
                 (const fv_dim *[]){s->batch, s->q_heads, s->queries, longest});
    return true;
}

static fv_value *sink_of(fv_rewriter *w, const fv_op *op, const grouped *g) {
    if (fv_op_in(op, SINK))
        return op->in[SINK];
    return fv_op_int(op, "smooth_softmax") == 1
               ? fv_w_expand(w, fv_w_float(w, FV_F32, 0), 1, &g->d.q_heads)
               : NULL;
}

/* cached(), for a cache that may be quantized: new rows are quantized as well before they are
 * attended to. */
static fv_value *quantized_cache(fv_rewriter *w, const fv_op *op, const grouped *g,
                                 const positions *p, int in, fv_value *x, fv_value **present) {
    bool keys = in == PAST_KEY, bytes = cache_type(op) == FV_U8;
    const fv_dim *one = fv_dim_const(g->d.t, 1),
                 *channels[4] = {one, g->d.kv_heads, one, g->d.head};
    if (!is_quantized(op))
        return cached(w, g, p, fv_op_in(op, in), x, present);
    bool all = string_is(fv_op_string(op, keys ? "k_quant_type" : "v_quant_type"), "PER_TENSOR");
    fv_value *scale =
        fv_w_reshape(w, op->in[keys ? KEY_SCALE : VALUE_SCALE], all ? 0 : 4, channels);
    x = FV_CALL(w, "quantized_rows", {x}, {scale}, FV_INT(bytes), FV_DIM(g->width));
    return FV_CALL(w, "dequantized_rows", {cached(w, g, p, fv_op_in(op, in), x, present)}, {scale},
                   FV_INT(bytes), FV_DIM(g->d.head));
}

static bool decompose_groups(fv_rewriter *w, fv_op *op) {
    grouped g;
    fv_value *qkv[3], *result[4] = {0};
    if (!read_grouped(op, &g, false))
        return false;
    const fv_attention_dims *s = &g.d;
    positions p = positions_of(w, op, &g);
    if (w->failed)
        return false;
    heads_of(w, op, &g, &p, qkv);
    fv_attend a = {.d = g.d,
                   .q = qkv[QUERY],
                   .scale = fv_op_float(op, "scale"),
                   .cap = fv_op_float(op, "softcap"),
                   .clamped = true};
    a.k = quantized_cache(w, op, &g, &p, PAST_KEY, qkv[KEY], &result[PRESENT_KEY]);
    a.v = quantized_cache(w, op, &g, &p, PAST_VALUE, qkv[VALUE], &result[PRESENT_VALUE]);
    a.seen = seen_by(w, &g, &p, fv_op_int(op, "causal") != 0);
    a.bias = FV_CALL(w, "bias_of_rows", {fv_op_in(op, BIAS)}, {p.base}, FV_DIM(s->batch),
                     FV_DIM(s->total));
    a.sink = sink_of(w, op, &g);
    result[OUTPUT] = fv_w_merge_heads(w, fv_w_attend(w, &a));
    if (fv_op_is_read(op, OUTPUT_QK)) {
        bool before = fv_op_int(op, "qk_output") == BEFORE_SOFTMAX;
        fv_value *qk =
            before ? FV_W3(w, FV_OP_Where, a.seen, a.scores, fv_w_float(w, FV_F32, 0)) : a.weights;
        result[OUTPUT_QK] =
            fv_w_part(w, qk, 3, fv_dim_const(s->t, 0), op->out[OUTPUT_QK]->type->dims[3]);
    }
    for (int i = 0; i < op->nout; i++)
        if (op->out[i] && (i != OUTPUT_QK || fv_op_is_read(op, i)))
            fv_w_result(w, i, fv_w_cast(w, result[i], op->out[i]->type->elem));
    return !w->failed;
}

/* ---- SparseAttention ---- */

static const fv_dim *blocks_of(const fv_op *op, const grouped *g) {
    return fv_dim_sub(g->d.t, fv_in_type(op, ROW_INDICES)->dims[1], fv_dim_const(g->d.t, 1));
}

static bool check_sparse(fv_op *op, const grouped *g) {
    const fv_attention_dims *s = &g->d;
    const fv_type *rows = fv_in_type(op, ROW_INDICES), *columns = fv_in_type(op, COLUMN_INDICES);
    int64_t size = fv_op_int(op, "sparse_block_size");
    const fv_dim *groups;
    if (size != 16 && size != 32 && size != 64 && size != 128)
        return fv_op_error(op, "sparse_block_size is %lld, expected 16, 32, 64 or 128",
                           (long long)size);
    return fv_same_dim(op, rows->dims[0], columns->dims[0],
                       "layouts of block_row_indices and block_col_indices") &&
           fv_split_dim(op, s->q_heads, rows->dims[0], &groups,
                        "num_heads and layouts of blocks") &&
           at_most(op, s->total, fv_dim_mul(s->t, blocks_of(op, g), fv_dim_const(s->t, size)),
                   "the cache and its blocks");
}

static bool infer_sparse(fv_op *op) {
    grouped g;
    if (!read_grouped(op, &g, true) || !check_sparse(op, &g))
        return false;
    infer_results(op, &g, fv_in_type(op, QUERY)->elem);
    return true;
}

static bool decompose_sparse(fv_rewriter *w, fv_op *op) {
    grouped g;
    fv_value *qkv[3], *result[3];
    if (!read_grouped(op, &g, true))
        return false;
    positions p = positions_of(w, op, &g);
    if (w->failed)
        return false;
    heads_of(w, op, &g, &p, qkv);
    fv_attend a = {.d = g.d, .q = qkv[QUERY], .scale = fv_op_float(op, "scale")};
    a.k = cached(w, &g, &p, op->in[PAST_KEY], qkv[KEY], &result[PRESENT_KEY]);
    a.v = cached(w, &g, &p, op->in[PAST_VALUE], qkv[VALUE], &result[PRESENT_VALUE]);
    a.seen = seen_by(w, &g, &p, true);
    a.bias = FV_CALL(w, "block_bias", {p.start}, {op->in[ROW_INDICES]}, {op->in[COLUMN_INDICES]},
                     FV_INT(fv_op_int(op, "sparse_block_size")), FV_DIM(g.d.q_heads),
                     FV_DIM(g.d.queries), FV_DIM(g.d.total));
    result[OUTPUT] =
        fv_w_cast(w, fv_w_merge_heads(w, fv_w_attend(w, &a)), fv_in_type(op, QUERY)->elem);
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, result[i]);
    return !w->failed;
}

#define MS       .domain = "com.microsoft", .since = {1}
#define OPTIONAL FV_OPTIONAL_OPERAND
#define FLOATS   (FV_SET(F32) | FV_SET(F16) | FV_SET(BF16))
#define QUERY_KEY_VALUE                                                                            \
    {"query", "T", .rank = FV_RANK(3)}, {"key", "T", OPTIONAL, .rank = FV_RANK(3)}, {              \
        "value", "T", OPTIONAL, .rank = FV_RANK(3)                                                 \
    }
#define ROTARY                                                                                     \
    {"cos_cache", "T", OPTIONAL, .rank = FV_RANK(2)}, {                                            \
        "sin_cache", "T", OPTIONAL, .rank = FV_RANK(2)                                             \
    }

const fv_opdef fv_ops_microsoft_grouped[] = {
    {MS, .name = "GroupQueryAttention", .id = FV_OP_com_microsoft_GroupQueryAttention,
     .doc = "causal attention of heads in groups, to a cache in which each sequence has its "
            "length; rotated, in a window, "
            "capped, with sinks",
     .in = {QUERY_KEY_VALUE,
            {"past_key", "C", OPTIONAL, .rank = FV_RANK(4)},
            {"past_value", "C", OPTIONAL, .rank = FV_RANK(4)},
            {"seqlens_k", "M", .rank = FV_RANKS(1, 2)},
            {"total_sequence_length", "M", .rank = FV_SCALAR},
            ROTARY,
            {"position_ids", "I", OPTIONAL, .rank = FV_RANK(2)},
            {"attention_bias", "T", OPTIONAL, .rank = FV_RANK(4)},
            {"head_sink", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"k_scale", "S", OPTIONAL},
            {"v_scale", "S", OPTIONAL},
            {"q_norm_weight", "T", OPTIONAL, .rank = FV_RANK(1)},
            {"k_norm_weight", "T", OPTIONAL, .rank = FV_RANK(1)}},
     .out = {{"output", "T"},
             {"present_key", "C", OPTIONAL},
             {"present_value", "C", OPTIONAL},
             {"output_qk", "T", OPTIONAL}},
     .attrs = {FV_A_INT("causal", 1), FV_A_INT("do_rotary", 0), FV_A_STRING("k_quant_type", "NONE"),
               FV_A_INT("kv_cache_bit_width", 0), FV_A_REQUIRED("kv_num_heads", INT),
               FV_A_INT("local_window_size", -1), FV_A_REQUIRED("num_heads", INT),
               FV_A_FLOAT("qk_norm_epsilon", 1e-6f), FV_A_INT("qk_output", 0),
               FV_A_INT("rotary_interleaved", 0), FV_A_FLOAT("scale", 0.0f),
               FV_A_INT("sliding_window_cache", 0), FV_A_INT("smooth_softmax", 0),
               FV_A_FLOAT("softcap", 0.0f), FV_A_STRING("v_quant_type", "NONE")},
     .types = {{"T", FLOATS},
               {"C", FLOATS | FV_SET(I8) | FV_SET(U8)},
               {"M", FV_SET(I32)},
               {"I", FV_SET(I64)},
               {"S", FV_SET(F32)}},
     .infer = infer_groups, .decompose = decompose_groups},
    {MS, .name = "SparseAttention",
     .doc = "causal attention of heads in groups, to a cache, in blocks of keys that lists name "
            "for each block of queries",
     .in = {QUERY_KEY_VALUE,
            {"past_key", "T", .rank = FV_RANK(4)},
            {"past_value", "T", .rank = FV_RANK(4)},
            {"block_row_indices", "M", .rank = FV_RANK(2)},
            {"block_col_indices", "M", .rank = FV_RANK(2)},
            {"total_sequence_length", "M", .rank = FV_SCALAR},
            {"key_total_sequence_lengths", "M", .rank = FV_RANK(1)},
            ROTARY},
     .out = {{"output", "T"}, {"present_key", "T"}, {"present_value", "T"}},
     .attrs = {FV_A_INT("do_rotary", 0), FV_A_REQUIRED("kv_num_heads", INT),
               FV_A_REQUIRED("num_heads", INT), FV_A_INT("rotary_interleaved", 0),
               FV_A_FLOAT("scale", 0.0f), FV_A_REQUIRED("sparse_block_size", INT)},
     .types = {{"T", FLOATS}, {"M", FV_SET(I32)}}, .infer = infer_sparse,
     .decompose = decompose_sparse},

    {0}};
