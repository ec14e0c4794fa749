/* attention.c - the standard's Attention, expanded into products, Softmax and elementwise ops. */
#include "ops/attention/attend.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"
#include "ops/common/dims.h"

/* ---- Attention ---- */

enum { Q, K, V, MASK, PAST_K, PAST_V, LENGTHS };
enum { Y, PRESENT_K, PRESENT_V, SCORES };
/* values of qk_matmul_output_mode: what the result SCORES contains */
enum { RAW, CAPPED, BIASED, PROBABILITIES };

/* Reads heads and sizes of operands of rank 3, and checks that the heads divide the last axes. */
static bool read_flat(fv_op *op, fv_attention_dims *s) {
    int64_t nq = fv_op_int_or(op, "q_num_heads", 0), nk = fv_op_int_or(op, "kv_num_heads", 0);
    const fv_dim *const *q = fv_in_type(op, Q)->dims, *const *k = fv_in_type(op, K)->dims,
                        *const *v = fv_in_type(op, V)->dims;
    if (nq < 1 || nk < 1 || nq > INT32_MAX || nk > INT32_MAX)
        return fv_op_error(op, "operands of rank 3 need q_num_heads and kv_num_heads");
    s->q_heads = fv_dim_const(s->t, nq);
    s->kv_heads = fv_dim_const(s->t, nk);
    s->queries = q[1];
    s->keys = k[1];
    s->head = fv_dim_floordiv(s->t, q[2], s->q_heads);
    s->v_head = fv_dim_floordiv(s->t, v[2], s->kv_heads);
    return fv_same_dim(op, q[2], fv_dim_mul(s->t, s->head, s->q_heads),
                       "size of q and its heads") &&
           fv_same_dim(op, k[2], fv_dim_mul(s->t, s->head, s->kv_heads),
                       "size of k and its heads") &&
           fv_same_dim(op, v[2], fv_dim_mul(s->t, s->v_head, s->kv_heads),
                       "size of v and its heads") &&
           fv_same_dim(op, k[1], v[1], "lengths of k and v");
}

static bool read_heads(fv_op *op, fv_attention_dims *s) {
    const fv_dim *const *q = fv_in_type(op, Q)->dims, *const *k = fv_in_type(op, K)->dims,
                        *const *v = fv_in_type(op, V)->dims;
    int64_t nq = fv_op_int_or(op, "q_num_heads", 0), nk = fv_op_int_or(op, "kv_num_heads", 0);
    s->q_heads = q[1];
    s->kv_heads = k[1];
    s->queries = q[2];
    s->keys = k[2];
    s->head = q[3];
    s->v_head = v[3];
    return (!nq || fv_same_dim(op, q[1], fv_dim_const(s->t, nq), "q_num_heads")) &&
           (!nk || fv_same_dim(op, k[1], fv_dim_const(s->t, nk), "kv_num_heads")) &&
           fv_same_dim(op, q[3], k[3], "head sizes of q and k") &&
           fv_same_dim(op, k[1], v[1], "heads of k and v") &&
           fv_same_dim(op, k[2], v[2], "lengths of k and v");
}

static bool read_past(fv_op *op, fv_attention_dims *s) {
    const fv_type *k = fv_in_type(op, PAST_K), *v = fv_in_type(op, PAST_V);
    s->past = fv_dim_const(s->t, 0);
    if (!k != !v)
        return fv_op_error(op, "past_key and past_value come together");
    if (k && (!fv_same_dim(op, k->dims[0], s->batch, "batch of past_key") ||
              !fv_same_dim(op, v->dims[0], s->batch, "batch of past_value") ||
              !fv_same_dim(op, k->dims[1], s->kv_heads, "heads of past_key") ||
              !fv_same_dim(op, v->dims[1], s->kv_heads, "heads of past_value") ||
              !fv_same_dim(op, k->dims[2], v->dims[2], "lengths of past_key and past_value") ||
              !fv_same_dim(op, k->dims[3], s->head, "head size of past_key") ||
              !fv_same_dim(op, v->dims[3], s->v_head, "head size of past_value")))
        return false;
    if (k)
        s->past = k->dims[2];
    s->total = fv_dim_add(s->t, s->past, s->keys);
    return true;
}

static bool read_attention(fv_op *op, fv_attention_dims *s) {
    const fv_type *q = fv_in_type(op, Q), *k = fv_in_type(op, K), *v = fv_in_type(op, V);
    *s =
        (fv_attention_dims){.t = fv_op_module(op)->dims, .flat = q->rank == 3, .batch = q->dims[0]};
    if (!fv_same_dim(op, k->dims[0], s->batch, "batch of k") ||
        !fv_same_dim(op, v->dims[0], s->batch, "batch of v"))
        return false;
    if (!(s->flat ? read_flat(op, s) : read_heads(op, s)) || !read_past(op, s))
        return false;
    const fv_dim *groups = fv_dim_floordiv(s->t, s->q_heads, s->kv_heads);
    return fv_same_dim(op, s->q_heads, fv_dim_mul(s->t, groups, s->kv_heads),
                       "heads of q, in groups of those of k");
}

static bool ends_inside(fv_op *op, const fv_dim *columns, const fv_dim *keys) {
    fv_module *m = fv_op_module(op);
    const char *says =
        fv_printf(m->arena, "%s <= %s", fv_dim_str(m->arena, columns), fv_dim_str(m->arena, keys));
    return fv_dim_is_one(columns) ||
           fv_module_require(m, fv_dim_max(m->dims, columns, keys), keys, "columns of attn_mask",
                             says) ||
           fv_op_error(op, "attn_mask has %s columns for %s keys", fv_dim_str(m->arena, columns),
                       fv_dim_str(m->arena, keys));
}

/* Checks that the mask broadcasts to the scores; it may have fewer keys than these. */
static bool check_mask(fv_op *op, const fv_attention_dims *s) {
    const fv_type *m = fv_in_type(op, MASK);
    const fv_type *n = fv_in_type(op, LENGTHS);
    if (n && fv_op_in(op, PAST_K))
        return fv_op_error(op, "nonpad_kv_seqlen is not for a past_key");
    if (n && !fv_same_dim(op, n->dims[0], s->batch, "batch of nonpad_kv_seqlen"))
        return false;
    if (!m)
        return true;
    const fv_dim *dims[4] = {s->batch, s->q_heads, s->queries,
                             m->rank ? m->dims[m->rank - 1] : s->total};
    return fv_infer_fits(op, MASK, 4, dims) && ends_inside(op, dims[3], s->total);
}

static bool is_softmax_precision(int64_t e) {
    return e == 0 || e == FV_F32 || e == FV_F16 || e == FV_F64 || e == FV_BF16;
}

static bool infer_attention(fv_op *op) {
    fv_attention_dims s;
    int64_t precision = fv_op_int_or(op, "softmax_precision", 0);
    int64_t mode = fv_op_int(op, "qk_matmul_output_mode");
    if (!read_attention(op, &s) || !check_mask(op, &s))
        return false;
    if (mode < RAW || mode > PROBABILITIES)
        return fv_op_error(op, "qk_matmul_output_mode is %lld, expected 0 to 3", (long long)mode);
    if (!is_softmax_precision(precision))
        return fv_op_error(op, "softmax_precision %lld is no float type", (long long)precision);
    if (fv_op_int(op, "left_window_size") < -1 || fv_op_int(op, "right_window_size") < -1)
        return fv_op_error(op, "a window size is below -1");
    fv_elem e = fv_in_type(op, Q)->elem, ev = fv_in_type(op, V)->elem;
    const fv_dim *y[4] = {s.batch, s.q_heads, s.queries, s.v_head};
    if (s.flat) {
        y[1] = s.queries;
        y[2] = fv_dim_mul(s.t, s.q_heads, s.v_head);
    }
    fv_infer_out(op, Y, e, s.flat ? 3 : 4, y);
    fv_infer_out(op, PRESENT_K, e, 4, (const fv_dim *[]){s.batch, s.kv_heads, s.total, s.head});
    fv_infer_out(op, PRESENT_V, ev, 4, (const fv_dim *[]){s.batch, s.kv_heads, s.total, s.v_head});
    fv_infer_out(op, SCORES, e, 4, (const fv_dim *[]){s.batch, s.q_heads, s.queries, s.total});
    return true;
}

/* The attribute scale, or 1 / sqrt(head size) if it is not given. */
static fv_value *scale_of(fv_rewriter *w, const fv_op *op, const fv_attention_dims *s, fv_elem e) {
    const fv_attr *given = fv_op_find_attr(op, "scale");
    if (given)
        return fv_w_float(w, e, (double)given->u.f);
    return fv_w_head_scale(w, s->head, e);
}

/* q * k^T, scaled. For f16, q is scaled before the product, which could overflow otherwise. */
static fv_value *scores_of(fv_rewriter *w, const fv_op *op, const fv_attention_dims *s, fv_value *q,
                           fv_value *k) {
    static const int perm[4] = {0, 1, 3, 2};
    fv_elem e = fv_in_type(op, Q)->elem;
    fv_value *scale = scale_of(w, op, s, e);
    if (e == FV_F16)
        q = FV_W2(w, FV_OP_Mul, q, scale);
    fv_value *x = fv_w_grouped_product(w, s, q, fv_w_transpose(w, k, perm));
    return e == FV_F16 ? x : FV_W2(w, FV_OP_Mul, x, scale);
}

/* The condition that a query may attend to a key by its position; NULL: it may attend to all. */
static fv_value *visible(fv_rewriter *w, const fv_op *op, const fv_attention_dims *s) {
    int64_t left = fv_op_int(op, "left_window_size"), right = fv_op_int(op, "right_window_size");
    bool causal = fv_op_int(op, "is_causal") != 0;
    fv_value *seen = NULL, *lengths = fv_op_in(op, LENGTHS),
             *keys = fv_w_positions(w, s->total, 1, 0);
    if (lengths) {
        const fv_dim *one = fv_dim_const(s->t, 1), *dims[4] = {s->batch, one, one, one};
        lengths = fv_w_reshape(w, lengths, 4, dims);
        seen = FV_W2(w, FV_OP_Less, keys, lengths);
    }
    if (!causal && left < 0 && right < 0)
        return seen;
    fv_value *offset = lengths
                           ? FV_W2(w, FV_OP_Sub, lengths, fv_w_ints(w, FV_I64, 0, 1, &s->queries))
                           : fv_w_ints(w, FV_I64, 0, 1, &s->past);
    fv_value *at = FV_W2(w, FV_OP_Add, fv_w_positions(w, s->queries, 2, 0), offset);
    if (causal)
        seen = fv_w_both(w, seen, FV_W2(w, FV_OP_LessOrEqual, keys, at));
    if (right >= 0)
        seen = fv_w_both(
            w, seen,
            FV_W2(w, FV_OP_LessOrEqual, keys, FV_W2(w, FV_OP_Add, at, fv_w_int(w, FV_I64, right))));
    if (left >= 0)
        seen = fv_w_both(
            w, seen,
            FV_W2(w, FV_OP_LessOrEqual, FV_W2(w, FV_OP_Sub, at, fv_w_int(w, FV_I64, left)), keys));
    return seen;
}

/* The mask, extended to the size of the scores: keys after the end of the mask are masked. */
static fv_value *whole_mask(fv_rewriter *w, const fv_attention_dims *s, fv_value *mask, fv_elem e) {
    const fv_type *t = mask->type;
    bool is_bool = t->elem == FV_BOOL;
    const fv_dim *dims[4], *begin[4], *all[4] = {s->batch, s->q_heads, s->queries, s->total};
    if (!is_bool)
        mask = fv_w_cast(w, mask, e);
    for (int i = 0; i < t->rank; i++) {
        begin[i] = fv_dim_const(s->t, 0);
        dims[i] = i == t->rank - 1 ? s->total : t->dims[i];
    }
    if (t->rank && fv_dim_compare(s->t, t->dims[t->rank - 1], s->total) != FV_DIM_EQUAL) {
        fv_attr a[2] = {fv_attr_dims(w->module, "begin", t->rank, begin),
                        fv_attr_dims(w->module, "dims", t->rank, dims)};
        fv_value *in[2] = {mask, is_bool ? NULL : fv_w_float(w, e, (double)-INFINITY)};
        mask = fv_w_op(w, FV_OP_fv_Pad, is_bool ? 1 : 2, in, 2, a);
    }
    return fv_w_expand(w, mask, 4, all);
}

/* The scores with -inf where a position or a boolean mask hides the key. A mask of numbers is added
 * elsewhere. */
static fv_value *masked(fv_rewriter *w, const fv_op *op, const fv_attention_dims *s, fv_value *x,
                        bool *hides) {
    fv_elem e = fv_in_type(op, Q)->elem;
    fv_value *seen = visible(w, op, s), *mask = fv_op_in(op, MASK),
             *hidden = fv_w_float(w, e, (double)-INFINITY);
    *hides = seen || mask;
    if (mask) {
        mask = whole_mask(w, s, mask, e);
        if (mask && mask->type->elem == FV_BOOL) {
            seen = fv_w_both(w, mask, seen);
        } else {
            seen = fv_w_both(w, FV_W2(w, FV_OP_Less, hidden, mask), seen);
            x = FV_W2(w, FV_OP_Add, x, mask);
        }
    }
    return seen ? FV_W3(w, FV_OP_Where, seen, x, hidden) : x;
}

static fv_value *by_heads(fv_rewriter *w, const fv_attention_dims *s, fv_value *x,
                          const fv_dim *length, const fv_dim *heads, const fv_dim *size) {
    return s->flat ? fv_w_split_heads(w, s, x, length, heads, size) : x;
}

static bool decompose_attention(fv_rewriter *w, fv_op *op) {
    static const int perm[4] = {0, 2, 1, 3};
    fv_attention_dims s;
    bool hides;
    int64_t mode = fv_op_int(op, "qk_matmul_output_mode");
    if (!read_attention(op, &s))
        return false;
    fv_value *q = by_heads(w, &s, op->in[Q], s.queries, s.q_heads, s.head);
    fv_value *k = fv_w_append_keys(w, fv_op_in(op, PAST_K),
                                   by_heads(w, &s, op->in[K], s.keys, s.kv_heads, s.head));
    fv_value *v = fv_w_append_keys(w, fv_op_in(op, PAST_V),
                                   by_heads(w, &s, op->in[V], s.keys, s.kv_heads, s.v_head));
    fv_value *at[4];
    at[RAW] = scores_of(w, op, &s, q, k);
    at[CAPPED] = fv_w_soft_cap(w, at[RAW], fv_op_float(op, "softcap"));
    at[BIASED] = masked(w, op, &s, at[CAPPED], &hides);
    at[PROBABILITIES] =
        fv_w_weights(w, at[BIASED], (fv_elem)fv_op_int_or(op, "softmax_precision", 0), hides, NULL);
    if (!at[PROBABILITIES] || !v)
        return false;
    fv_value *y = fv_w_grouped_product(w, &s, fv_w_cast(w, at[PROBABILITIES], v->type->elem), v);
    y = fv_w_cast(w, y, fv_in_type(op, Q)->elem);
    if (s.flat)
        y = fv_w_reshape(w, fv_w_transpose(w, y, perm), 3, op->out[Y]->type->dims);
    fv_value *results[4] = {y, k, v, at[mode]};
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, results[i]);
    return true;
}

const fv_opdef fv_ops_attention[] = {
    {.id = FV_OP_Attention,
     .domain = "",
     .name = "Attention",
     .since = {23, 24, 25},
     .doc = "softmax(scale * q * k^T + mask) * v, by heads; with past keys and values, causal, in "
            "a window, capped",
     .in = {{"Q", "T1", .rank = FV_RANKS(3, 4)},
            {"K", "T1", .rank = FV_RANK_AS("Q")},
            {"V", "T2", .rank = FV_RANK_AS("Q")},
            {"attn_mask", "U", FV_OPTIONAL_OPERAND, .rank = FV_RANKS(0, 4)},
            {"past_key", "T1", FV_OPTIONAL_OPERAND, .rank = FV_RANK(4)},
            {"past_value", "T2", FV_OPTIONAL_OPERAND, .rank = FV_RANK(4)},
            {"nonpad_kv_seqlen", "I", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T1"},
             {"present_key", "T1", FV_OPTIONAL_OPERAND},
             {"present_value", "T2", FV_OPTIONAL_OPERAND},
             {"qk_matmul_output", "T1", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_INT("is_causal", 0), FV_A_OPTIONAL("q_num_heads", INT),
               FV_A_OPTIONAL("kv_num_heads", INT), FV_A_OPTIONAL("scale", FLOAT),
               FV_A_FLOAT("softcap", 0.0f), FV_A_OPTIONAL("softmax_precision", INT),
               FV_A_INT("qk_matmul_output_mode", 0), FV_A_INT("left_window_size", -1),
               FV_A_INT("right_window_size", -1)},
     .types = {{"T1", FV_SET_FLOAT},
               {"T2", FV_SET_FLOAT},
               {"U", FV_SET_NUMBER | FV_SET(BOOL)},
               {"I", FV_SET(I64)}},
     .infer = infer_attention,
     .decompose = decompose_attention},

    {0}};
