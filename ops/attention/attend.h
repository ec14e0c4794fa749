/* attend.h - building blocks for the expansions of attention operators: heads, caches, scores, and
 * the weights made of scores. */
#ifndef FV_OPS_ATTENTION_ATTEND_H
#define FV_OPS_ATTENTION_ATTEND_H

#include "ir/graph/rewriter.h"

typedef struct fv_attention_dims {
    fv_dims *t;
    bool flat; /* whether operands have rank 3, with heads and features in the last axis */
    const fv_dim *batch, *q_heads, *kv_heads, *queries, *head, *v_head;
    /* numbers of keys: new ones, those of the past, and both together */
    const fv_dim *keys, *past, *total;
} fv_attention_dims;

/* Checks that dims a and b are equal. Equality that is not proved is checked in the run. False
 * after a diagnostic. */
bool fv_same_dim(fv_op *op, const fv_dim *a, const fv_dim *b, const char *what) FV_MUST_USE;
/* Sets *size = all / parts, a division without remainder. False after a diagnostic. */
bool fv_split_dim(fv_op *op, const fv_dim *all, const fv_dim *parts, const fv_dim **size,
                  const char *what) FV_MUST_USE;

/* Reshapes and transposes [batch, length, heads * size] or [batch, length, heads, size] to [batch,
 * heads, length, size]; and the reverse. */
fv_value *fv_w_split_heads(fv_rewriter *w, const fv_attention_dims *s, fv_value *x,
                           const fv_dim *length, const fv_dim *heads, const fv_dim *size);
fv_value *fv_w_merge_heads(fv_rewriter *w, fv_value *x);
/* n elements of x along the axis, beginning at `start` */
fv_value *fv_w_part(fv_rewriter *w, fv_value *x, int axis, const fv_dim *start, const fv_dim *n);
/* Concatenates past and x along axis 2; past may be NULL. */
fv_value *fv_w_append_keys(fv_rewriter *w, fv_value *past, fv_value *x);
/* Product x * y over [batch, heads, rows, columns]; y has fewer heads, each of which is used for a
 * group of heads of x. */
fv_value *fv_w_grouped_product(fv_rewriter *w, const fv_attention_dims *s, fv_value *x,
                               fv_value *y);

/* The constant 1 / sqrt(head), of type e. */
fv_value *fv_w_head_scale(fv_rewriter *w, const fv_dim *head, fv_elem e);
/* cap * tanh(x / cap); x itself if cap is not positive */
fv_value *fv_w_soft_cap(fv_rewriter *w, fv_value *x, float cap);
/* The integers 0 .. n - 1 of type i64 along one axis of a tensor of that rank, whose other axes
 * have size 1. */
fv_value *fv_w_positions(fv_rewriter *w, const fv_dim *n, int rank, int axis);
/* The conjunction of two conditions; NULL stands for true. */
fv_value *fv_w_both(fv_rewriter *w, fv_value *a, fv_value *b);
/* Softmax along the last axis, in type `precision` (0: that of x). With `guard`, a row that is -inf
 * everywhere has weights 0. sink: NULL, or a value such that exp(sink) is one more term of the sum,
 * broadcast. */
fv_value *fv_w_weights(fv_rewriter *w, fv_value *x, fv_elem precision, bool guard, fv_value *sink);

/* The operands of attention as ONNX Runtime's operators define it. */
typedef struct fv_attend {
    fv_attention_dims d;
    /* [batch, q_heads, queries, head], [batch, kv_heads, total, head], [.., v_head] */
    fv_value *q, *k, *v;
    float scale, cap; /* scale 0: 1 / sqrt(head); cap 0: none */
    fv_value *bias;   /* added to the scores, broadcast; NULL: nothing */
    bool clamped;     /* whether the bias may be -inf */
    /* condition that a query attends to a key, broadcast, true for at least one key of each query;
     * NULL: always true */
    fv_value *seen;
    fv_value *sink;             /* an additional score of each head; NULL: none */
    fv_value *scores, *weights; /* out: the operand and the result of the softmax */
} fv_attend;

/* Attention, f32 [batch, q_heads, queries, v_head], computed in f32 whatever the operands are. A
 * score of -inf counts as the lowest finite number, as in ONNX Runtime, so a query whose keys all
 * have it attends to all of them with equal weights. Keys for which `seen` is false have weight 0
 * whatever their score is. */
fv_value *fv_w_attend(fv_rewriter *w, fv_attend *a);

#endif
