/* multi_head.h - attention of ONNX Runtime's operators whose masks are numbers added to the scores:
 * projections with a bias, masks in their forms, caches, and beams. */
#ifndef FV_OPS_ATTENTION_MULTI_HEAD_H
#define FV_OPS_ATTENTION_MULTI_HEAD_H

#include "ops/attention/attend.h"

/* Attention with as many heads of queries as of keys. Operands are positions in op->in, -1: it has
 * none. */
typedef struct fv_multi_head {
    fv_attention_dims d;
    float scale, filter; /* 0: 1 / sqrt(head); what is added where a mask is 0 */
    bool causal;
    int mask, bias; /* operands */
    /* of a cache that is written in place; NULL: what is new stands behind the past */
    const fv_dim *capacity;
    /* beams of each sequence; NULL: keys of the past are the sequence's own */
    const fv_dim *beams;
    int indirection; /* operand: which beam each key is from, where there are beams */
    /* keys of the cache are [batch, heads, head / n, capacity, n], n of them in 16 bytes */
    bool reordered;
} fv_multi_head;

/* The attributes num_heads, scale, mask_filter_value and unidirectional, where the operator has
 * them. */
bool fv_read_multi_head(fv_op *op, fv_multi_head *m) FV_MUST_USE;
/* The shape of a mask: [batch] or [3 * batch + 2] lengths of keys, of which the first `batch`
 * count; [2 * batch], ends and then starts, if `starts`; [batch, total]; [batch, queries,
 * total]. */
bool fv_check_mask(fv_op *op, const fv_multi_head *m, bool starts) FV_MUST_USE;
/* [batch or 1, heads or 1, queries, total] */
bool fv_check_attention_bias(fv_op *op, const fv_attention_dims *s, int in) FV_MUST_USE;
/* Operands past_key and past_value, which may both be absent: d.past, or the capacity if `length`,
 * the operand of how much there is, is there. Sets d.total. */
bool fv_read_cache(fv_op *op, fv_multi_head *m, int key, int value, int length) FV_MUST_USE;
/* The same where all there is before has that length; with the operand `length` it is the
 * capacity. */
bool fv_read_past_length(fv_op *op, fv_multi_head *m, const fv_dim *past, int length) FV_MUST_USE;
/* The shape of a present key or value, `size` being that of a head. */
void fv_infer_present(fv_op *op, int out, const fv_multi_head *m, fv_elem e, const fv_dim *size);
/* beam_width, where it is there, and cache_indirection, which it needs if it is not 1; without a
 * past they say nothing. */
bool fv_read_beams(fv_op *op, fv_multi_head *m, bool past, int width, int indirection) FV_MUST_USE;

/* What is added to the scores, broadcast, of type f32; NULL: nothing. *infinite: some of it may be
 * -inf. */
fv_value *fv_w_added(fv_rewriter *w, fv_op *op, const fv_multi_head *m, bool *infinite);
/* All keys or values, from [batch, heads, keys, size] that are new and a past, which may be NULL;
 * *present: the cache afterwards. */
fv_value *fv_w_cached(fv_rewriter *w, const fv_op *op, const fv_multi_head *m, fv_value *past,
                      fv_value *x, bool keys, fv_value **present);
/* [batch, queries, heads * v_head] of type e; *scores, unless NULL: what the softmax has got,
 * f32. */
fv_value *fv_w_multi_head(fv_rewriter *w, fv_op *op, const fv_multi_head *m, fv_value *q,
                          fv_value *k, fv_value *v, fv_elem e, fv_value **scores);

#endif
