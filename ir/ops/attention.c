/* attention.c - the standard's Attention and RotaryEmbedding, in terms of products, Softmax and
 * elementwise ops. */
#include "ir/ops/dims.h"

#include <math.h>

#include "ir/base/limits.h"
#include "ir/dim/text.h"
#include "ir/graph/infer.h"

/* ---- Attention ---- */

enum { Q, K, V, MASK, PAST_K, PAST_V, LENGTHS };
enum { Y, PRESENT_K, PRESENT_V, SCORES };
enum { RAW, CAPPED, BIASED, PROBABILITIES }; /* what result SCORES is */

typedef struct attention {
    fv_dims *t;
    bool flat;                  /* operands of rank 3: heads lie in the last axis */
    const fv_dim *batch, *q_heads, *kv_heads, *queries, *keys, *past, *total;
    const fv_dim *head, *v_head;
} attention;

static bool fits(fv_op *op, const fv_dim *a, const fv_dim *b, const char *what) {
    fv_module *m = fv_op_module(op);
    return fv_module_assume(m, a, b, what) ||
           fv_op_error(op, "%s: %s and %s", what, fv_dim_str(m->arena, a), fv_dim_str(m->arena, b));
}

/* Heads and sizes of rank 3; what the heads divide is checked. */
static bool read_flat(fv_op *op, attention *s) {
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
    return fits(op, q[2], fv_dim_mul(s->t, s->head, s->q_heads), "size of q and its heads") &&
           fits(op, k[2], fv_dim_mul(s->t, s->head, s->kv_heads), "size of k and its heads") &&
           fits(op, v[2], fv_dim_mul(s->t, s->v_head, s->kv_heads), "size of v and its heads") &&
           fits(op, k[1], v[1], "lengths of k and v");
}

static bool read_heads(fv_op *op, attention *s) {
    const fv_dim *const *q = fv_in_type(op, Q)->dims, *const *k = fv_in_type(op, K)->dims,
                 *const *v = fv_in_type(op, V)->dims;
    s->q_heads = q[1];
    s->kv_heads = k[1];
    s->queries = q[2];
    s->keys = k[2];
    s->head = q[3];
    s->v_head = v[3];
    return fits(op, q[3], k[3], "head sizes of q and k") && fits(op, k[1], v[1], "heads of k and v") &&
           fits(op, k[2], v[2], "lengths of k and v");
}

static bool read_past(fv_op *op, attention *s) {
    const fv_type *k = fv_in_type(op, PAST_K), *v = fv_in_type(op, PAST_V);
    s->past = fv_dim_const(s->t, 0);
    if (!k != !v)
        return fv_op_error(op, "past_key and past_value come together");
    if (k && (!fits(op, k->dims[0], s->batch, "batch of past_key") ||
              !fits(op, v->dims[0], s->batch, "batch of past_value") ||
              !fits(op, k->dims[1], s->kv_heads, "heads of past_key") ||
              !fits(op, v->dims[1], s->kv_heads, "heads of past_value") ||
              !fits(op, k->dims[2], v->dims[2], "lengths of past_key and past_value") ||
              !fits(op, k->dims[3], s->head, "head size of past_key") ||
              !fits(op, v->dims[3], s->v_head, "head size of past_value")))
        return false;
    if (k)
        s->past = k->dims[2];
    s->total = fv_dim_add(s->t, s->past, s->keys);
    return true;
}

static bool read_attention(fv_op *op, attention *s) {
    const fv_type *q = fv_in_type(op, Q), *k = fv_in_type(op, K), *v = fv_in_type(op, V);
    *s = (attention){.t = fv_op_module(op)->dims, .flat = q->rank == 3, .batch = q->dims[0]};
    if (!fits(op, k->dims[0], s->batch, "batch of k") || !fits(op, v->dims[0], s->batch, "batch of v"))
        return false;
    if (!(s->flat ? read_flat(op, s) : read_heads(op, s)) || !read_past(op, s))
        return false;
    const fv_dim *groups = fv_dim_floordiv(s->t, s->q_heads, s->kv_heads);
    return fits(op, s->q_heads, fv_dim_mul(s->t, groups, s->kv_heads), "heads of q, in groups of those of k");
}

/* A mask broadcasts to the scores, but that it may end early. */
static bool check_mask(fv_op *op, const attention *s) {
    const fv_type *m = fv_in_type(op, MASK);
    const fv_type *n = fv_in_type(op, LENGTHS);
    if (n && fv_op_in(op, PAST_K))
        return fv_op_error(op, "nonpad_kv_seqlen is not for a past_key");
    if (n && !fits(op, n->dims[0], s->batch, "batch of nonpad_kv_seqlen"))
        return false;
    if (!m)
        return true;
    const fv_dim *dims[4] = {s->batch, s->q_heads, s->queries, m->rank ? m->dims[m->rank - 1] : s->total};
    return fv_infer_fits(op, MASK, 4, dims);
}

static bool is_softmax_precision(int64_t e) {
    return e == 0 || e == FV_F32 || e == FV_F16 || e == FV_F64 || e == FV_BF16;
}

static bool infer_attention(fv_op *op) {
    attention s;
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

/* [batch, length, heads * size] as [batch, heads, length, size] */
static fv_value *split_heads(fv_rewriter *w, const attention *s, fv_value *x, const fv_dim *length,
                             const fv_dim *heads, const fv_dim *size) {
    static const int perm[4] = {0, 2, 1, 3};
    const fv_dim *dims[4] = {s->batch, length, heads, size};
    return s->flat ? fv_w_transpose(w, fv_w_reshape(w, x, 4, dims), perm) : x;
}

static fv_value *behind(fv_rewriter *w, fv_value *past, fv_value *x) {
    fv_attr axis = fv_attr_int(w->module, "axis", 2);
    return past ? fv_w_op(w, FV_OP_Concat, 2, (fv_value *[]){past, x}, 1, &axis) : x;
}

/* x * y over [batch, heads, rows, columns], y having fewer heads: each serves a group of x's. */
static fv_value *grouped_product(fv_rewriter *w, const attention *s, fv_value *x, fv_value *y) {
    if (!x || !y)
        return NULL;
    if (fv_dim_compare(s->t, s->q_heads, s->kv_heads) == FV_DIM_EQUAL)
        return FV_W2(w, FV_OP_fv_MatMul, x, y);
    const fv_dim *groups = fv_dim_floordiv(s->t, s->q_heads, s->kv_heads), *one = fv_dim_const(s->t, 1);
    const fv_dim *const *dx = x->type->dims, *const *dy = y->type->dims;
    const fv_dim *a[5] = {s->batch, s->kv_heads, groups, dx[2], dx[3]};
    const fv_dim *b[5] = {s->batch, s->kv_heads, one, dy[2], dy[3]};
    const fv_dim *r[4] = {s->batch, s->q_heads, dx[2], dy[3]};
    return fv_w_reshape(w, FV_W2(w, FV_OP_fv_MatMul, fv_w_reshape(w, x, 5, a), fv_w_reshape(w, y, 5, b)), 4, r);
}

/* 1 / sqrt(head size), or what is given. */
static fv_value *scale_of(fv_rewriter *w, const fv_op *op, const attention *s, fv_elem e) {
    const fv_attr *given = fv_op_find_attr(op, "scale");
    if (given)
        return fv_w_float(w, e, (double)given->u.f);
    if (fv_dim_is_const(s->head))
        return fv_w_float(w, e, 1 / sqrt((double)s->head->value));
    fv_value *n = fv_w_cast(w, fv_w_ints(w, FV_I64, 0, 1, &s->head), e);
    return FV_W1(w, FV_OP_Reciprocal, FV_W1(w, FV_OP_Sqrt, n));
}

/* q * k^T, scaled. In f16 q is scaled before the product, which could overflow. */
static fv_value *scores_of(fv_rewriter *w, const fv_op *op, const attention *s, fv_value *q, fv_value *k) {
    static const int perm[4] = {0, 1, 3, 2};
    fv_elem e = fv_in_type(op, Q)->elem;
    fv_value *scale = scale_of(w, op, s, e);
    if (e == FV_F16)
        q = FV_W2(w, FV_OP_Mul, q, scale);
    fv_value *x = grouped_product(w, s, q, fv_w_transpose(w, k, perm));
    return e == FV_F16 ? x : FV_W2(w, FV_OP_Mul, x, scale);
}

static fv_value *soft_cap(fv_rewriter *w, fv_value *x, float cap) {
    if (!x || !(cap > 0))
        return x;
    fv_value *c = fv_w_float(w, x->type->elem, (double)cap);
    return FV_W2(w, FV_OP_Mul, FV_W1(w, FV_OP_Tanh, FV_W2(w, FV_OP_Div, x, c)), c);
}

/* 0, 1, ... as a column or a row of the scores */
static fv_value *positions(fv_rewriter *w, const fv_dim *n, bool column) {
    const fv_dim *dims[2] = {n, fv_dim_const(w->module->dims, 1)};
    fv_value *ends[2] = {fv_w_int(w, FV_I64, 0), fv_w_int(w, FV_I64, 1)};
    fv_attr a = fv_attr_dims(w->module, "dims", 1, &n);
    fv_value *r = fv_w_op(w, FV_OP_fv_Range, 2, ends, 1, &a);
    return column ? fv_w_reshape(w, r, 2, dims) : r;
}

static fv_value *both(fv_rewriter *w, fv_value *a, fv_value *b) {
    return a && b ? FV_W2(w, FV_OP_And, a, b) : a ? a : b;
}

/* Which keys a query may see by its position; NULL: all. */
static fv_value *visible(fv_rewriter *w, const fv_op *op, const attention *s) {
    int64_t left = fv_op_int(op, "left_window_size"), right = fv_op_int(op, "right_window_size");
    bool causal = fv_op_int(op, "is_causal") != 0;
    fv_value *seen = NULL, *lengths = fv_op_in(op, LENGTHS), *keys = positions(w, s->total, false);
    if (lengths) {
        const fv_dim *one = fv_dim_const(s->t, 1), *dims[4] = {s->batch, one, one, one};
        lengths = fv_w_reshape(w, lengths, 4, dims);
        seen = FV_W2(w, FV_OP_Less, keys, lengths);
    }
    if (!causal && left < 0 && right < 0)
        return seen;
    fv_value *offset = lengths ? FV_W2(w, FV_OP_Sub, lengths, fv_w_ints(w, FV_I64, 0, 1, &s->queries))
                               : fv_w_ints(w, FV_I64, 0, 1, &s->past);
    fv_value *at = FV_W2(w, FV_OP_Add, positions(w, s->queries, true), offset);
    if (causal)
        seen = both(w, seen, FV_W2(w, FV_OP_LessOrEqual, keys, at));
    if (right >= 0)
        seen = both(w, seen, FV_W2(w, FV_OP_LessOrEqual, keys, FV_W2(w, FV_OP_Add, at, fv_w_int(w, FV_I64, right))));
    if (left >= 0)
        seen = both(w, seen, FV_W2(w, FV_OP_LessOrEqual, FV_W2(w, FV_OP_Sub, at, fv_w_int(w, FV_I64, left)), keys));
    return seen;
}

/* The mask as large as the scores: what is behind its end is masked. */
static fv_value *whole_mask(fv_rewriter *w, const attention *s, fv_value *mask, fv_elem e) {
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

/* -inf where a position or the mask hides the key; the mask's numbers are added elsewhere. */
static fv_value *masked(fv_rewriter *w, const fv_op *op, const attention *s, fv_value *x, bool *hides) {
    fv_elem e = fv_in_type(op, Q)->elem;
    fv_value *seen = visible(w, op, s), *mask = fv_op_in(op, MASK), *hidden = fv_w_float(w, e, (double)-INFINITY);
    *hides = seen || mask;
    if (mask) {
        mask = whole_mask(w, s, mask, e);
        if (mask && mask->type->elem == FV_BOOL) {
            seen = both(w, mask, seen);
        } else {
            seen = both(w, FV_W2(w, FV_OP_Less, hidden, mask), seen);
            x = FV_W2(w, FV_OP_Add, x, mask);
        }
    }
    return seen ? FV_W3(w, FV_OP_Where, seen, x, hidden) : x;
}

/* A query that sees no key has probabilities 0. */
static fv_value *probabilities(fv_rewriter *w, const fv_op *op, fv_value *x, bool guard) {
    int64_t precision = fv_op_int_or(op, "softmax_precision", 0);
    fv_elem e = fv_in_type(op, Q)->elem;
    fv_value *zero = fv_w_float(w, e, 0), *hidden = fv_w_float(w, e, (double)-INFINITY), *best = NULL;
    fv_value *last = fv_const_ints(w->module, "axes", 1, (int64_t[]){-1});
    if (guard)
        best = FV_W2(w, FV_OP_ReduceMax, x, last);
    fv_attr axis = fv_attr_int(w->module, "axis", -1);
    x = precision ? fv_w_cast(w, x, (fv_elem)precision) : x;
    x = fv_w_cast(w, fv_w_op(w, FV_OP_Softmax, 1, &x, 1, &axis), e);
    return guard ? FV_W3(w, FV_OP_Where, FV_W2(w, FV_OP_Equal, best, hidden), zero, x) : x;
}

static bool decompose_attention(fv_rewriter *w, fv_op *op) {
    static const int perm[4] = {0, 2, 1, 3};
    attention s;
    bool hides;
    int64_t mode = fv_op_int(op, "qk_matmul_output_mode");
    if (!read_attention(op, &s))
        return false;
    fv_value *q = split_heads(w, &s, op->in[Q], s.queries, s.q_heads, s.head);
    fv_value *k = behind(w, fv_op_in(op, PAST_K), split_heads(w, &s, op->in[K], s.keys, s.kv_heads, s.head));
    fv_value *v = behind(w, fv_op_in(op, PAST_V), split_heads(w, &s, op->in[V], s.keys, s.kv_heads, s.v_head));
    fv_value *at[4];
    at[RAW] = scores_of(w, op, &s, q, k);
    at[CAPPED] = soft_cap(w, at[RAW], fv_op_float(op, "softcap"));
    at[BIASED] = masked(w, op, &s, at[CAPPED], &hides);
    at[PROBABILITIES] = probabilities(w, op, at[BIASED], hides);
    if (!at[PROBABILITIES] || !v)
        return false;
    fv_value *y = grouped_product(w, &s, fv_w_cast(w, at[PROBABILITIES], v->type->elem), v);
    y = fv_w_cast(w, y, fv_in_type(op, Q)->elem);
    if (s.flat)
        y = fv_w_reshape(w, fv_w_transpose(w, y, perm), 3, op->out[Y]->type->dims);
    fv_value *results[4] = {y, k, v, at[mode]};
    for (int i = 0; i < op->nout; i++)
        if (op->out[i])
            fv_w_result(w, i, results[i]);
    return true;
}

/* ---- RotaryEmbedding ---- */

enum { X, COS, SIN, POSITIONS };

/* Axes of heads and of positions, and the sizes. */
typedef struct rotary {
    fv_dims *t;
    bool flat;
    const fv_dim *heads, *size, *turned, *half; /* turned: elements of a head that are rotated */
    const fv_dim *dims[4];                      /* of x by heads */
} rotary;

static bool read_rotary(fv_op *op, rotary *r) {
    const fv_type *x = fv_in_type(op, X);
    int64_t n = fv_op_int_or(op, "num_heads", 0), turned = fv_op_int(op, "rotary_embedding_dim");
    *r = (rotary){.t = fv_op_module(op)->dims, .flat = x->rank == 3};
    if (r->flat && (n < 1 || n > INT32_MAX))
        return fv_op_error(op, "an operand of rank 3 needs num_heads");
    r->heads = r->flat ? fv_dim_const(r->t, n) : x->dims[1];
    r->size = r->flat ? fv_dim_floordiv(r->t, x->dims[2], r->heads) : x->dims[3];
    if (r->flat && !fits(op, x->dims[2], fv_dim_mul(r->t, r->heads, r->size), "size of X and its heads"))
        return false;
    if (turned < 0 || turned > INT32_MAX || (fv_dim_is_const(r->size) && turned > r->size->value))
        return fv_op_error(op, "rotary_embedding_dim is %lld of %s", (long long)turned,
                           fv_dim_str(fv_op_module(op)->arena, r->size));
    r->turned = turned ? fv_dim_const(r->t, turned) : r->size;
    r->half = fv_dim_floordiv(r->t, r->turned, fv_dim_const(r->t, 2));
    r->dims[0] = x->dims[0];
    r->dims[1] = x->dims[1];
    r->dims[2] = r->flat ? r->heads : x->dims[2];
    r->dims[3] = r->size;
    return fits(op, r->turned, fv_dim_mul(r->t, r->half, fv_dim_const(r->t, 2)), "rotary_embedding_dim is even");
}

static bool infer_rotary(fv_op *op) {
    rotary r;
    const fv_type *p = fv_in_type(op, POSITIONS), *x = fv_in_type(op, X);
    if (!read_rotary(op, &r))
        return false;
    if (p && (!fits(op, p->dims[0], x->dims[0], "batch of position_ids") ||
              !fits(op, p->dims[1], x->dims[r.flat ? 1 : 2], "length of position_ids")))
        return false;
    for (int i = COS; i <= SIN; i++) {
        const fv_type *t = fv_in_type(op, i);
        if (t->rank != (p ? 2 : 3))
            return fv_op_error(op, "input '%s' has rank %d, expected %d", op->def->in[i].name, t->rank, p ? 2 : 3);
        if (!fits(op, t->dims[t->rank - 1], r.half, "the last dim of a cache is half of what is rotated"))
            return false;
        if (!p && (!fits(op, t->dims[0], x->dims[0], "batch of a cache") ||
                   !fits(op, t->dims[1], x->dims[r.flat ? 1 : 2], "length of a cache")))
            return false;
    }
    fv_infer_like(op, 0, X);
    return true;
}

/* cos or sin as it goes with x by heads: [batch, 1, length, half], or [batch, length, 1, half] */
static fv_value *angles(fv_rewriter *w, const fv_op *op, const rotary *r, int in) {
    fv_value *v = op->in[in], *p = fv_op_in(op, POSITIONS);
    const fv_dim *one = fv_dim_const(r->t, 1), *length = fv_in_type(op, X)->dims[r->flat ? 1 : 2];
    const fv_dim *dims[4] = {r->dims[0], r->flat ? length : one, r->flat ? one : length, r->half};
    fv_attr axis = fv_attr_int(w->module, "axis", 0);
    if (p)
        v = fv_w_op(w, FV_OP_Gather, 2, (fv_value *[]){v, p}, 1, &axis);
    return fv_w_reshape(w, v, 4, dims);
}

/* Elements first, first + 1, ... of the last axis, n of them. */
static fv_value *part(fv_rewriter *w, const rotary *r, fv_value *x, const fv_dim *first, const fv_dim *n, int rank) {
    const fv_dim *start[5], *step[5], *dims[5];
    if (!x)
        return NULL;
    for (int i = 0; i < rank; i++) {
        start[i] = i == rank - 1 ? first : fv_dim_const(r->t, 0);
        step[i] = fv_dim_const(r->t, 1);
        dims[i] = i == rank - 1 ? n : x->type->dims[i];
    }
    return fv_w_slice(w, x, start, step, dims);
}

static bool decompose_rotary(fv_rewriter *w, fv_op *op) {
    rotary r;
    if (!read_rotary(op, &r))
        return false;
    bool pairs = fv_op_int(op, "interleaved") != 0;
    const fv_dim *zero = fv_dim_const(r.t, 0), *one = fv_dim_const(r.t, 1), *two = fv_dim_const(r.t, 2);
    const fv_dim *turned[4] = {r.dims[0], r.dims[1], r.dims[2], r.turned};
    const fv_dim *by_pairs[5] = {r.dims[0], r.dims[1], r.dims[2], r.half, two};
    const fv_dim *column[5] = {r.dims[0], r.dims[1], r.dims[2], r.half, one};
    const fv_dim *halves[4] = {r.dims[0], r.dims[1], r.dims[2], r.half};
    fv_value *x = fv_w_reshape(w, op->in[X], 4, r.dims), *a, *b;
    fv_value *head = part(w, &r, x, zero, r.turned, 4);
    if (pairs) {
        fv_value *p = fv_w_reshape(w, head, 5, by_pairs);
        a = fv_w_reshape(w, part(w, &r, p, zero, one, 5), 4, halves);
        b = fv_w_reshape(w, part(w, &r, p, one, one, 5), 4, halves);
    } else {
        a = part(w, &r, head, zero, r.half, 4);
        b = part(w, &r, head, r.half, r.half, 4);
    }
    fv_value *cos = angles(w, op, &r, COS), *sin = angles(w, op, &r, SIN);
    fv_value *real = FV_W2(w, FV_OP_Sub, FV_W2(w, FV_OP_Mul, cos, a), FV_W2(w, FV_OP_Mul, sin, b));
    fv_value *imaginary = FV_W2(w, FV_OP_Add, FV_W2(w, FV_OP_Mul, sin, a), FV_W2(w, FV_OP_Mul, cos, b));
    fv_value *parts[2] = {pairs ? fv_w_reshape(w, real, 5, column) : real,
                          pairs ? fv_w_reshape(w, imaginary, 5, column) : imaginary};
    fv_attr axis = fv_attr_int(w->module, "axis", -1);
    fv_value *y = fv_w_op(w, FV_OP_Concat, 2, parts, 1, &axis);
    y = pairs ? fv_w_reshape(w, y, 4, turned) : y;
    if (fv_dim_compare(r.t, r.turned, r.size) != FV_DIM_EQUAL) {
        fv_value *all[2] = {y, part(w, &r, x, r.turned, fv_dim_sub(r.t, r.size, r.turned), 4)};
        y = fv_w_op(w, FV_OP_Concat, 2, all, 1, &axis);
    }
    const fv_type *t = fv_in_type(op, X);
    fv_w_result(w, 0, fv_w_reshape(w, y, t->rank, t->dims));
    return true;
}

const fv_opdef fv_ops_attention[] = {
    {.domain = "", .name = "Attention", .since = {23, 24, 25},
     .doc = "softmax(scale * q * k^T + mask) * v, by heads; with past keys and values, causal, in a window, capped",
     .in = {{"Q", "T1", .rank = FV_RANKS(3, 4)}, {"K", "T1", .rank = FV_RANK_AS("Q")}, {"V", "T2", .rank = FV_RANK_AS("Q")}, {"attn_mask", "U", FV_OPTIONAL_OPERAND, .rank = FV_RANKS(0, 4)},
            {"past_key", "T1", FV_OPTIONAL_OPERAND, .rank = FV_RANK(4)}, {"past_value", "T2", FV_OPTIONAL_OPERAND, .rank = FV_RANK(4)},
            {"nonpad_kv_seqlen", "I", FV_OPTIONAL_OPERAND, .rank = FV_RANK(1)}},
     .out = {{"Y", "T1"}, {"present_key", "T1", FV_OPTIONAL_OPERAND}, {"present_value", "T2", FV_OPTIONAL_OPERAND},
             {"qk_matmul_output", "T1", FV_OPTIONAL_OPERAND}},
     .attrs = {FV_A_INT("is_causal", 0), FV_A_OPTIONAL("q_num_heads", INT), FV_A_OPTIONAL("kv_num_heads", INT),
               FV_A_OPTIONAL("scale", FLOAT), FV_A_FLOAT("softcap", 0.0f), FV_A_OPTIONAL("softmax_precision", INT),
               FV_A_INT("qk_matmul_output_mode", 0), FV_A_INT("left_window_size", -1),
               FV_A_INT("right_window_size", -1)},
     .types = {{"T1", FV_SET_FLOAT}, {"T2", FV_SET_FLOAT}, {"U", FV_SET_NUMBER | FV_SET(BOOL)}, {"I", FV_SET(I64)}},
     .infer = infer_attention,
     .decompose = decompose_attention},
    {.domain = "", .name = "RotaryEmbedding", .since = {23},
     .doc = "pairs of elements of each head turned by angles that depend on the position",
     .in = {{"X", "T", .rank = FV_RANKS(3, 4)}, {"cos_cache", "T", .rank = FV_RANKS(2, 3)}, {"sin_cache", "T", .rank = FV_RANK_AS("cos_cache")}, {"position_ids", "M", FV_OPTIONAL_OPERAND, .rank = FV_RANK(2)}},
     .out = {{"Y", "T"}},
     .attrs = {FV_A_INT("interleaved", 0), FV_A_OPTIONAL("num_heads", INT), FV_A_INT("rotary_embedding_dim", 0)},
     .types = {{"T", FV_SET_FLOAT}, {"M", FV_SET(I64)}},
     .infer = infer_rotary,
     .decompose = decompose_rotary},

    {0}};
