/* attend.h - what operators of attention are made of: heads, caches, scores, and weights of
 * them. */
#ifndef FV_OPS_ATTENTION_ATTEND_H
#define FV_OPS_ATTENTION_ATTEND_H

#include "ir/graph/rewriter.h"

typedef struct fv_attention_dims {
    fv_dims *t;
    bool flat; /* operands of rank 3: heads lie in the last axis */
    const fv_dim *batch, *q_heads, *kv_heads, *queries, *head, *v_head;
    const fv_dim *keys, *past, *total; /* what is new, what is there before, and both */
} fv_attention_dims;

/* Are they one, as far as anybody knows? What is not proved the run checks. False after a
 * diagnostic. */
bool fv_same_dim(fv_op *op, const fv_dim *a, const fv_dim *b, const char *what) FV_MUST_USE;
/* *size = all / parts, which leaves nothing. False after a diagnostic. */
bool fv_split_dim(fv_op *op, const fv_dim *all, const fv_dim *parts, const fv_dim **size,
                  const char *what) FV_MUST_USE;

/* [batch, length, heads * size], or [batch, length, heads, size], as [batch, heads, length, size],
 * and back */
fv_value *fv_w_split_heads(fv_rewriter *w, const fv_attention_dims *s, fv_value *x,
                           const fv_dim *length, const fv_dim *heads, const fv_dim *size);
fv_value *fv_w_merge_heads(fv_rewriter *w, fv_value *x);
/* n elements of that axis, the first one at `start` */
fv_value *fv_w_part(fv_rewriter *w, fv_value *x, int axis, const fv_dim *start, const fv_dim *n);
/* Behind each other along axis 2; past may be NULL. */
fv_value *fv_w_behind(fv_rewriter *w, fv_value *past, fv_value *x);
/* x * y over [batch, heads, rows, columns], y having fewer heads: each serves a group of x's. */
fv_value *fv_w_grouped_product(fv_rewriter *w, const fv_attention_dims *s, fv_value *x,
                               fv_value *y);

/* 1 / sqrt(head) of type e */
fv_value *fv_w_head_scale(fv_rewriter *w, const fv_dim *head, fv_elem e);
/* cap * tanh(x / cap); a cap that is not positive: x */
fv_value *fv_w_soft_cap(fv_rewriter *w, fv_value *x, float cap);
/* 0, 1, ... n - 1 of type i64 along one axis of that rank; the others are 1 */
fv_value *fv_w_positions(fv_rewriter *w, const fv_dim *n, int rank, int axis);
/* Both conditions; one that is NULL always holds. */
fv_value *fv_w_both(fv_rewriter *w, fv_value *a, fv_value *b);
/* Softmax along the last axis, in type `precision` (0: that of x). Where a row may be -inf all over
 * (`guard`) its weights are 0. sink, or NULL: exp(sink) is one more term of the sum, broadcast. */
fv_value *fv_w_weights(fv_rewriter *w, fv_value *x, fv_elem precision, bool guard, fv_value *sink);

/* Attention as ONNX Runtime's operators have it. */
typedef struct fv_attend {
    fv_attention_dims d;
    /* [batch, q_heads, queries, head], [batch, kv_heads, total, head], [.., v_head] */
    fv_value *q, *k, *v;
    float scale, cap;           /* scale 0: 1 / sqrt(head); cap 0: none */
    fv_value *bias;             /* added to the scores, broadcast; NULL: nothing */
    bool clamped;               /* the bias may be -inf */
    fv_value *seen;             /* the keys of each query, broadcast; NULL: all; each has one */
    fv_value *sink;             /* of each head; NULL: none */
    fv_value *scores, *weights; /* out: what the softmax has got, and has given */
} fv_attend;

/* f32 [batch, q_heads, queries, v_head], computed in f32 whatever the operands are. A score of -inf
 * counts as the lowest number: so a query all of whose keys have it attends to all of them alike,
 * as in ONNX Runtime. What is not seen has weight 0 whatever its score is. */
fv_value *fv_w_attend(fv_rewriter *w, fv_attend *a);

#endif
