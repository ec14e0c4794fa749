/* microsoft_grouped.c - GroupQueryAttention and SparseAttention of ONNX Runtime's domain
 * com.microsoft: causal attention in which heads of queries share those of keys, to a cache of
 * which each sequence has a length of its own. */
#include <float.h>
#include <string.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/attention/attend.h"
#include "ops/common/dims.h"
#include "ops/ops.h"

enum { QUERY, KEY, VALUE, PAST_KEY, PAST_VALUE };
enum { OUTPUT, PRESENT_KEY, PRESENT_VALUE, OUTPUT_QK };

/* Where operands stand. */
typedef struct operands {
    int lengths, total, cos, sin;
} operands;

enum {
    /* of GroupQueryAttention */
    POSITIONS = 9,
    BIAS,
    SINK,
    KEY_SCALE,
    VALUE_SCALE,
    QUERY_NORM,
    KEY_NORM
};
enum {
    /* of SparseAttention */
    ROW_INDICES = 5,
    COLUMN_INDICES
};

static const operands of_groups = {.lengths = 5, .total = 6, .cos = 7, .sin = 8};
static const operands of_sparse = {.total = 7, .lengths = 8, .cos = 9, .sin = 10};

/* d.keys are new, d.past is how many rows a past has, d.total how many are attended to. */
typedef struct grouped {
    fv_attention_dims d;
    const operands *at;
    bool sparse, packed; /* query has key and value behind it */
    bool fresh;          /* there is no past */
    /* total_sequence_length: positions there are, of the longest sequence */
    const fv_dim *longest;
    const fv_dim *present; /* rows of the cache afterwards */
    /* elements of a row of the cache: as many as a head has, or half of them, two in a byte */
    const fv_dim *width;
    int64_t window; /* keys that a query sees, itself the last; 0: all */
    bool sliding;   /* the cache holds the newest positions only */
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

/* Key and value have as many rows as the query, or none: then the past has all there is. */
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

/* Numbers of 4 bits stand two in a byte. */
static bool read_width(fv_op *op, grouped *g) {
    g->width = g->d.head;
    return g->sparse || fv_op_int(op, "kv_cache_bit_width") != 4 ||
           fv_split_dim(op, g->d.head, fv_dim_const(g->d.t, 2), &g->width,
                        "size of a head, two in a byte");
}

/* How long the past is, and the cache. */
static bool read_cache(fv_op *op, grouped *g) {
    fv_attention_dims *s = &g->d;
    const fv_type *k = fv_in_type(op, PAST_KEY), *v = fv_in_type(op, PAST_VALUE);
    const fv_dim *const *e, *zero = fv_dim_const(s->t, 0);
    int n;
    if (!k != !v)
        return fv_op_error(op, "past_key and past_value come together");
    if (!fv_sized_operand(op, g->at->total, 1, &n, &e))
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

/* Lengths are one for each of the batch; exporters also make a column of them. */
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

/* All i64 [batch, 1, 1, 1]. */
typedef struct positions {
    fv_value *total; /* positions that a sequence has */
    fv_value *start; /* the position of its first query */
    fv_value *row;   /* the row of the cache where what is new goes */
    fv_value *base;  /* the position of row 0; NULL: 0 */
    fv_value *drop;  /* rows that leave the cache at its front; NULL: none */
} positions;

static fv_value *number(fv_rewriter *w, const fv_dim *d) {
    return fv_w_ints(w, FV_I64, 0, 1, &d);
}

/* Of `length` positions the newest that a cache of `room` rows holds: all there are, or what is
 * left when enough of them have left at once. */
static fv_value *resident(fv_rewriter *w, const grouped *g, fv_value *length, const fv_dim *room) {
    const fv_dim *one = fv_dim_const(g->d.t, 1);
    const fv_dim *step =
        fv_dim_add(g->d.t, fv_dim_sub(g->d.t, room, fv_dim_const(g->d.t, g->window)), one);
    fv_value *over =
        FV_W2(w, FV_OP_Max, FV_W2(w, FV_OP_Sub, length, number(w, room)), fv_w_int(w, FV_I64, 0));
    over = FV_W2(w, FV_OP_Add, over, number(w, fv_dim_sub(g->d.t, step, one)));
    fv_value *times = FV_W2(w, FV_OP_Div, over, number(w, step));
    return FV_W2(w, FV_OP_Sub, length, FV_W2(w, FV_OP_Mul, times, number(w, step)));
}

static positions positions_of(fv_rewriter *w, const fv_op *op, const grouped *g) {
    const fv_attention_dims *s = &g->d;
    const fv_dim *one = fv_dim_const(s->t, 1), *dims[4] = {s->batch, one, one, one};
    const fv_dim *last = fv_dim_sub(s->t, g->sliding ? g->longest : g->present, one);
    fv_attr limit = fv_attr_dims(w->module, "most", 1, &last);
    fv_value *n = fv_w_cast(w, fv_w_reshape(w, op->in[g->at->lengths], 1, dims), FV_I64),
             *zero = fv_w_int(w, FV_I64, 0);
    fv_value *single = fv_w_int(w, FV_I64, 1);
    if (g->sparse) /* GroupQueryAttention is given lengths less 1 */
        n = FV_W2(w, FV_OP_Sub, n, single);
    positions p = {.total =
                       FV_W2(w, FV_OP_Add, fv_w_op(w, FV_OP_fv_Lengths, 1, &n, 1, &limit), single)};
    p.total = fv_w_reshape(w, p.total, 4, dims);
    /* a first prompt may be shorter than its rows, which are padded on the right */
    p.start = FV_W2(w, FV_OP_Max, FV_W2(w, FV_OP_Sub, p.total, number(w, s->queries)), zero);
    p.row = p.start;
    if (g->sliding) {
        p.row = resident(w, g, p.start, g->present);
        p.base = FV_W2(w, FV_OP_Sub, p.start, p.row);
        p.drop = FV_W2(w, FV_OP_Sub, FV_W2(w, FV_OP_Sub, p.total, p.base),
                       resident(w, g, p.total, g->present));
    }
    return p;
}

/* Which rows of keys a query sees: [batch, 1, queries, total] */
static fv_value *seen_by(fv_rewriter *w, const grouped *g, const positions *p, bool causal) {
    const fv_attention_dims *s = &g->d;
    fv_value *row = fv_w_positions(w, s->total, 4, 3), *query = fv_w_positions(w, s->queries, 4, 2);
    fv_value *behind =
        FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Add, p->start, query), fv_w_int(w, FV_I64, 1));
    fv_value *end = causal ? FV_W2(w, FV_OP_Min, behind, p->total) : p->total;
    if (p->base)
        end = FV_W2(w, FV_OP_Sub, end, p->base);
    fv_value *seen = FV_W2(w, FV_OP_Less, row, end);
    if (!g->window)
        return seen;
    fv_value *first = FV_W2(w, FV_OP_Sub, end, fv_w_int(w, FV_I64, g->window));
    return fv_w_both(w, seen, FV_W2(w, FV_OP_LessOrEqual, first, row));
}

/* ---- queries, keys and values ---- */

static fv_value *normed(fv_rewriter *w, const fv_op *op, fv_value *x, int weight) {
    if (!fv_op_in(op, weight))
        return x;
    fv_attr a[2] = {fv_attr_int(w->module, "axis", -1),
                    fv_attr_float(w->module, "epsilon", fv_op_float(op, "qk_norm_epsilon"))};
    return fv_w_op(w, FV_OP_RMSNormalization, 2, (fv_value *[]){x, op->in[weight]}, 2, a);
}

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

/* Positions that rows are rotated by, i64 [batch, queries]; NULL: they are not rotated. Of given
 * ones a first prompt takes the first, and counts on from there, as ONNX Runtime does. */
static fv_value *angles_at(fv_rewriter *w, const fv_op *op, const grouped *g, const positions *p) {
    const fv_attention_dims *s = &g->d;
    const fv_dim *dims[2] = {s->batch, s->queries}, *column[2] = {s->batch, fv_dim_const(s->t, 1)},
                 *zero = fv_dim_const(s->t, 0);
    fv_value *given = g->sparse ? NULL : fv_op_in(op, POSITIONS),
             *count = fv_w_positions(w, s->queries, 2, 1);
    if (!fv_op_int(op, "do_rotary"))
        return NULL;
    if (!given)
        return FV_W2(w, FV_OP_Add, fv_w_reshape(w, p->start, 2, column), count);
    fv_value *first = fv_w_part(w, fv_w_part(w, given, 0, zero, column[1]), 1, zero, column[1]);
    first = fv_w_expand(w, FV_W2(w, FV_OP_Add, first, count), 2, dims);
    const fv_dim *prompt = fv_dim_is(s->t, fv_dim_sub(s->t, g->longest, s->queries), 0);
    if (g->fresh)
        return first;
    if (fv_dim_is_const(prompt))
        return prompt->value ? first : given;
    return FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Less, fv_w_int(w, FV_I64, 0), number(w, prompt)),
                 first, given);
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
            x = normed(w, op, x, i ? KEY_NORM : QUERY_NORM);
        bool none = i && fv_dim_is_const(s->keys) && !s->keys->value;
        qkv[i] = i == VALUE || none ? x : rotated(w, op, g, x, at);
    }
}

/* Rows of keys or values that are attended to; *present: of the cache afterwards. */
static fv_value *cached(fv_rewriter *w, const grouped *g, const positions *p, fv_value *past,
                        fv_value *x, fv_value **present) {
    const fv_attention_dims *s = &g->d;
    const fv_dim *zero = fv_dim_const(s->t, 0), *begin[4] = {zero, zero, zero, zero};
    const fv_dim *rows[4] = {s->batch, s->kv_heads, s->total, g->width},
                 *cache[4] = {s->batch, s->kv_heads, g->present, g->width};
    *present = x;
    if (g->fresh || !x || !past)
        return x;
    fv_attr pad[2] = {fv_attr_dims(w->module, "begin", 4, begin),
                      fv_attr_dims(w->module, "dims", 4, rows)};
    if (fv_dim_compare(s->t, s->past, s->total) != FV_DIM_EQUAL)
        past = fv_w_op(w, FV_OP_fv_Pad, 1, &past, 2, pad);
    fv_value *row = fv_w_reshape(w, p->row, 1, &s->batch);
    bool none = fv_dim_is_const(s->keys) && !s->keys->value;
    fv_value *all = none ? past : FV_W3(w, FV_OP_TensorScatter, past, x, row);
    *present = all;
    if (!p->drop)
        return all;
    fv_attr axis = fv_attr_int(w->module, "axis", 2);
    fv_value *from = FV_W2(w, FV_OP_Add, fv_w_positions(w, g->present, 4, 2), p->drop);
    from = FV_W2(w, FV_OP_Min, from, number(w, fv_dim_sub(s->t, s->total, fv_dim_const(s->t, 1))));
    *present = fv_w_op(w, FV_OP_GatherElements, 2,
                       (fv_value *[]){all, fv_w_expand(w, from, 4, cache)}, 1, &axis);
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

/* A scale for all of a cache, or one for each head and channel. */
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

/* The cache is of the type of queries, or of 8 or 4 bits with scales. */
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

/* The bias by rows of the cache, of which it has positions. */
static fv_value *bias_of(fv_rewriter *w, const fv_op *op, const grouped *g, const positions *p) {
    const fv_attention_dims *s = &g->d;
    const fv_dim *zero = fv_dim_const(s->t, 0), *begin[4] = {zero, zero, zero, zero};
    fv_value *bias = fv_op_in(op, BIAS);
    if (!bias)
        return NULL;
    const fv_dim *const *d = bias->type->dims, *rows[4] = {d[0], d[1], d[2], s->total},
                        *all[4] = {s->batch, d[1], d[2], s->total};
    fv_attr a[2] = {fv_attr_dims(w->module, "begin", 4, begin),
                    fv_attr_dims(w->module, "dims", 4, rows)};
    if (!p->base)
        return fv_dim_compare(s->t, d[3], s->total) == FV_DIM_EQUAL
                   ? bias
                   : fv_w_op(w, FV_OP_fv_Pad, 1, &bias, 2, a);
    const fv_dim *wide[4] = {s->batch, d[1], d[2], d[3]};
    fv_attr axis = fv_attr_int(w->module, "axis", 3);
    fv_value *at = FV_W2(w, FV_OP_Add, fv_w_positions(w, s->total, 4, 3), p->base);
    at = FV_W2(w, FV_OP_Min, at, number(w, fv_dim_sub(s->t, d[3], fv_dim_const(s->t, 1))));
    fv_value *in[2] = {fv_w_expand(w, bias, 4, wide), fv_w_expand(w, at, 4, all)};
    return fv_w_op(w, FV_OP_GatherElements, 2, in, 1, &axis);
}

static fv_value *sink_of(fv_rewriter *w, const fv_op *op, const grouped *g) {
    if (fv_op_in(op, SINK))
        return op->in[SINK];
    return fv_op_int(op, "smooth_softmax") == 1
               ? fv_w_expand(w, fv_w_float(w, FV_F32, 0), 1, &g->d.q_heads)
               : NULL;
}

/* The scale of keys or values, as it goes with [batch, kv_heads, rows, head]. */
static fv_value *cache_scale(fv_rewriter *w, const fv_op *op, const grouped *g, int in,
                             const char *attr) {
    const fv_dim *one = fv_dim_const(g->d.t, 1),
                 *channels[4] = {one, g->d.kv_heads, one, g->d.head};
    bool all = string_is(fv_op_string(op, attr), "PER_TENSOR");
    return fv_w_reshape(w, op->in[in], all ? 0 : 4, channels);
}

/* Two of 4 bits each, less 8, in a byte, the first one lowest; and back. */
static fv_value *in_bytes(fv_rewriter *w, const grouped *g, fv_value *x, const fv_dim *rows) {
    const fv_attention_dims *s = &g->d;
    const fv_dim *zero = fv_dim_const(s->t, 0), *one = fv_dim_const(s->t, 1);
    const fv_dim *pairs[5] = {s->batch, s->kv_heads, rows, g->width, fv_dim_const(s->t, 2)};
    x = fv_w_reshape(w, FV_W2(w, FV_OP_Add, x, fv_w_float(w, FV_F32, 8)), 5, pairs);
    fv_value *low = fv_w_part(w, x, 4, zero, one), *high = fv_w_part(w, x, 4, one, one);
    x = FV_W2(w, FV_OP_Add, low, FV_W2(w, FV_OP_Mul, high, fv_w_float(w, FV_F32, 16)));
    return fv_w_cast(w, fv_w_reshape(w, x, 4, pairs), FV_U8);
}

static fv_value *of_bytes(fv_rewriter *w, const grouped *g, fv_value *x, const fv_dim *rows) {
    const fv_attention_dims *s = &g->d;
    const fv_dim *dims[4] = {s->batch, s->kv_heads, rows, s->head};
    const fv_dim *column[5] = {s->batch, s->kv_heads, rows, g->width, fv_dim_const(s->t, 1)};
    fv_attr last = fv_attr_int(w->module, "axis", -1);
    fv_value *sixteen = fv_w_int(w, FV_I32, 16), *bytes = fv_w_cast(w, x, FV_I32);
    fv_value *high = FV_W2(w, FV_OP_Div, bytes, sixteen);
    fv_value *low = FV_W2(w, FV_OP_Sub, bytes, FV_W2(w, FV_OP_Mul, high, sixteen));
    fv_value *in[2] = {fv_w_reshape(w, low, 5, column), fv_w_reshape(w, high, 5, column)};
    x = fv_w_reshape(w, fv_w_op(w, FV_OP_Concat, 2, in, 1, &last), 4, dims);
    return FV_W2(w, FV_OP_Sub, fv_w_cast(w, x, FV_F32), fv_w_float(w, FV_F32, 8));
}

/* x / scale, by the reciprocal, rounded: halves to even, and what is too large to the last. A scale
 * of 0 counts as 1. */
static fv_value *quantized(fv_rewriter *w, const fv_op *op, const grouped *g, fv_value *x,
                           fv_value *scale) {
    bool bytes = cache_type(op) == FV_U8;
    fv_value *none = FV_W2(w, FV_OP_Equal, scale, fv_w_float(w, FV_F32, 0)),
             *one = fv_w_float(w, FV_F32, 1);
    fv_value *inverse = FV_W1(w, FV_OP_Reciprocal, FV_W3(w, FV_OP_Where, none, one, scale));
    x = FV_W1(w, FV_OP_Round, FV_W2(w, FV_OP_Mul, fv_w_cast(w, x, FV_F32), inverse));
    x = FV_W3(w, FV_OP_Clip, x, fv_w_float(w, FV_F32, bytes ? -8 : -128),
              fv_w_float(w, FV_F32, bytes ? 7 : 127));
    return bytes ? in_bytes(w, g, x, g->d.keys) : fv_w_cast(w, x, FV_I8);
}

/* cached(), of a cache that may be quantized: the new rows are quantized too before they are
 * attended to. */
static fv_value *quantized_cache(fv_rewriter *w, const fv_op *op, const grouped *g,
                                 const positions *p, int in, fv_value *x, fv_value **present) {
    bool keys = in == PAST_KEY;
    if (!is_quantized(op))
        return cached(w, g, p, fv_op_in(op, in), x, present);
    fv_value *scale = cache_scale(w, op, g, keys ? KEY_SCALE : VALUE_SCALE,
                                  keys ? "k_quant_type" : "v_quant_type");
    fv_value *rows = cached(w, g, p, fv_op_in(op, in), quantized(w, op, g, x, scale), present);
    rows = cache_type(op) == FV_U8 ? of_bytes(w, g, rows, g->d.total) : fv_w_cast(w, rows, FV_F32);
    return FV_W2(w, FV_OP_Mul, rows, scale);
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
    a.bias = bias_of(w, op, &g, &p);
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

/* i32 [layouts, blocks, blocks], 1 for blocks that are there. Entry j of a layout is in as many
 * rows' way as start at or before it; what pads the list is behind the last row, and goes into a
 * row more than there are. */
static fv_value *block_mask(fv_rewriter *w, const fv_op *op, const grouped *g) {
    fv_dims *t = g->d.t;
    const fv_dim *one = fv_dim_const(t, 1),
                 *blocks = blocks_of(op, g), *const *d = fv_in_type(op, COLUMN_INDICES)->dims;
    const fv_dim *entries[3] = {d[0], d[1], one}, *layouts[3] = {d[0], one, one},
                 *ends[3] = {d[0], blocks, one};
    const fv_dim *all[3] = {d[0], fv_dim_add(t, blocks, one), blocks};
    fv_attr drop = fv_attr_int(w->module, "keepdims", 0), last = fv_attr_int(w->module, "axis", -1);
    fv_value *end = fv_w_reshape(w, fv_w_part(w, op->in[ROW_INDICES], 1, one, blocks), 3, ends);
    fv_value *before =
        FV_W2(w, FV_OP_LessOrEqual, fv_w_cast(w, end, FV_I64), fv_w_positions(w, d[1], 3, 2));
    fv_value *sum[2] = {fv_w_cast(w, before, FV_I64),
                        fv_const_ints(w->module, "axes", 1, (int64_t[]){1})};
    fv_value *row = fv_w_reshape(w, fv_w_op(w, FV_OP_ReduceSum, 2, sum, 1, &drop), 3, entries);
    fv_value *column =
        FV_W2(w, FV_OP_Max, fv_w_cast(w, op->in[COLUMN_INDICES], FV_I64), fv_w_int(w, FV_I64, 0));
    fv_value *in[3] = {
        fv_w_expand(w, fv_w_reshape(w, fv_w_positions(w, d[0], 3, 0), 3, layouts), 3, entries), row,
        fv_w_reshape(w, column, 3, entries)};
    fv_value *at = fv_w_op(w, FV_OP_Concat, 3, in, 1, &last);
    fv_value *zeros = fv_w_expand(w, fv_w_int(w, FV_I32, 0), 3, all),
             *ones = fv_w_expand(w, fv_w_int(w, FV_I32, 1), 2, d);
    return fv_w_part(w, FV_W3(w, FV_OP_ScatterND, zeros, at, ones), 1, fv_dim_const(t, 0), blocks);
}

/* 0 where the block of a query and a key is there, else the lowest number: [batch, q_heads,
 * queries, total] */
static fv_value *block_bias(fv_rewriter *w, const fv_op *op, const grouped *g, const positions *p) {
    static const int perm[4] = {1, 0, 2, 3};
    const fv_attention_dims *s = &g->d;
    const fv_dim *size = fv_dim_const(s->t, fv_op_int(op, "sparse_block_size")),
                 *one = fv_dim_const(s->t, 1);
    const fv_dim *layouts = fv_in_type(op, ROW_INDICES)->dims[0], *blocks = blocks_of(op, g),
                 *column[2] = {s->batch, one};
    const fv_dim *narrow[5] = {s->batch, layouts, s->queries, blocks, one},
                 *wide[5] = {s->batch, layouts, s->queries, blocks, size};
    const fv_dim *keys[4] = {s->batch, layouts, s->queries, fv_dim_mul(s->t, blocks, size)};
    const fv_dim *single[5] = {s->batch, one, layouts, s->queries, s->total},
                 *heads[4] = {s->batch, s->q_heads, s->queries, s->total};
    const fv_dim *groups[5] = {s->batch, fv_dim_floordiv(s->t, s->q_heads, layouts), layouts,
                               s->queries, s->total};
    fv_value *at = FV_W2(w, FV_OP_Add, fv_w_reshape(w, p->start, 2, column),
                         fv_w_positions(w, s->queries, 2, 1));
    at = FV_W2(w, FV_OP_Min, FV_W2(w, FV_OP_Div, at, number(w, size)),
               number(w, fv_dim_sub(s->t, blocks, one)));
    fv_attr axis = fv_attr_int(w->module, "axis", 1);
    fv_value *x = fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){block_mask(w, op, g), at}, 1, &axis);
    x = fv_w_reshape(w, fv_w_transpose(w, x, perm), 5, narrow);
    x = fv_w_part(w, fv_w_reshape(w, fv_w_expand(w, x, 5, wide), 4, keys), 3, fv_dim_const(s->t, 0),
                  s->total);
    x = fv_w_reshape(w, fv_w_expand(w, fv_w_reshape(w, x, 5, single), 5, groups), 4, heads);
    fv_value *there = FV_W2(w, FV_OP_Less, fv_w_int(w, FV_I32, 0), x);
    return FV_W3(w, FV_OP_Where, there, fv_w_float(w, FV_F32, 0),
                 fv_w_float(w, FV_F32, (double)-FLT_MAX));
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
    a.bias = block_bias(w, op, &g, &p);
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
    {MS, .name = "GroupQueryAttention",
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
     .doc = "causal attention of heads in groups, to a cache, in blocks of keys that lists tell "
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
