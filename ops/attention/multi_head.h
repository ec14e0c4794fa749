/* multi_head.h - attention of ONNX Runtime's operators in which masks are numbers added to the
 * scores: projections with a bias, the shapes of masks, caches, and beams. */
#ifndef FV_OPS_ATTENTION_MULTI_HEAD_H
#define FV_OPS_ATTENTION_MULTI_HEAD_H

#include "ops/attention/attend.h"

/* Attention with as many query heads as key heads. Operands are indices of op->in; -1: the operator
 * does not have it. */
typedef struct fv_multi_head {
    fv_attention_dims d;
    float scale, filter; /* scale 0: 1 / sqrt(head); filter: the number added where a mask is 0 */
    bool causal;
    int mask, bias; /* operands */
    /* size of a cache that is updated in place; NULL: new elements follow those of the past */
    const fv_dim *capacity;
    /* number of beams of each sequence; NULL: no beams, past keys belong to the sequence */
    const fv_dim *beams;
    int indirection; /* operand that states, if there are beams, from which beam each key is */
    /* whether keys of the cache are [batch, heads, head / n, capacity, n], where n elements take 16
     * bytes */
    bool reordered;
} fv_multi_head;

/* Reads the attributes num_heads, scale, mask_filter_value and unidirectional, as far as the
 * operator has them. */
bool fv_read_multi_head(fv_op *op, fv_multi_head *m) FV_MUST_USE;
/* Checks the shape of a mask: [batch] or [3 * batch + 2] lengths of keys, of which the first
 * `batch` are used; [2 * batch], ends and then starts, if `starts`; [batch, total]; or [batch,
 * queries, total]. */
bool fv_check_mask(fv_op *op, const fv_multi_head *m, bool starts) FV_MUST_USE;
/* Checks that operand `in` has the shape [batch or 1, heads or 1, queries, total]. */
bool fv_check_attention_bias(fv_op *op, const fv_attention_dims *s, int in) FV_MUST_USE;
/* Reads the operands past_key and past_value, which may both be absent: sets d.past; or capacity,
 * if the operand `length` with the number of used rows is present. Sets d.total. */
bool fv_read_cache(fv_op *op, fv_multi_head *m, int key, int value, int length) FV_MUST_USE;
/* The same for a past of `past` rows; if the operand `length` is present, this is the capacity. */
bool fv_read_past_length(fv_op *op, fv_multi_head *m, const fv_dim *past, int length) FV_MUST_USE;
/* The shape of a present key or value, `size` being that of a head. */
void fv_infer_present(fv_op *op, int out, const fv_multi_head *m, fv_elem e, const fv_dim *size);
/* Reads beam_width, if present, and cache_indirection, which is required if beam_width is not 1.
 * Without a past they are ignored. */
bool fv_read_beams(fv_op *op, fv_multi_head *m, bool past, int width, int indirection) FV_MUST_USE;

/* The tensor that is added to the scores, f32, broadcast; NULL: nothing. *infinite: whether
 * elements may be -inf. */
fv_value *fv_w_added(fv_rewriter *w, fv_op *op, const fv_multi_head *m, bool *infinite);
/* All keys or values: the new ones x, [batch, heads, keys, size], after the past, which may be
 * NULL; *present: the cache after the run. */
fv_value *fv_w_cached(fv_rewriter *w, const fv_op *op, const fv_multi_head *m, fv_value *past,
                      fv_value *x, bool keys, fv_value **present);
/* The result [batch, queries, heads * v_head] of type e; *scores, unless scores is NULL: the
 * operand of the softmax, f32. */
fv_value *fv_w_multi_head(fv_rewriter *w, fv_op *op, const fv_multi_head *m, fv_value *q,
                          fv_value *k, fv_value *v, fv_elem e, fv_value **scores);

#endif
