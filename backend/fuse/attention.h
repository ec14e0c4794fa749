/* attention.h - attention as one definition:
 *
 *     y[.., i, d] = sum j: weight(score(i, j), ..) * v[j, d]
 *     score(i, j) = sum c: q[i, c] * k[j, c]
 *
 * where weight() contains sums along j itself: a softmax, with any scales, masks or caps of the
 * scores. */
#ifndef FV_BACKEND_FUSE_ATTENTION_H
#define FV_BACKEND_FUSE_ATTENTION_H

#include "backend/lowering/lowering.h"

typedef struct fv_attention {
    fv_expr *sum;        /* the sum over keys */
    fv_expr *weight, *v; /* the two factors of the sum; v without `0 if hidden else` */
    fv_var *key;         /* the variable of `sum` */
    /* the score within weight, as a function of the key; in sums along a row it occurs with their
     * variables, too */
    fv_expr *score;
    fv_expr *q, *k; /* factors of the score */
    /* whether a sum or maximum along rows of scores was found in the weight, as a softmax has; if
     * no attention is found, whether it was found in either factor */
    bool rows;
    int row, column; /* axes of the definition: that of queries, that of the features of v */
    /* condition (`where && seen`) under which the weight is 0 and the value is replaced by 0; NULL:
     * the definition has no such condition */
    fv_expr *hidden;
    fv_expr *where; /* the part of `hidden` that depends on query and key, and not on scores */
    /* the part of `hidden` that depends on the query and on the maximum of the scores that `where`
     * does not hide */
    fv_expr *seen;
} fv_attention;

/* Is d attention with keys and values that are computed at run time? If not, the reason is recorded
 * for d's value. */
bool fv_find_attention(fv_lowerer *l, const fv_definition *d, fv_attention *at) FV_MUST_USE;
/* Is x a sum of products of floats? */
bool fv_is_product_sum(const fv_expr *x) FV_MUST_USE;
/* Does x contain sums of products of floats, which may be scores? */
bool fv_has_products(const fv_expr *x) FV_MUST_USE;
/* If at->v is `0 if hidden else v`, and the weights are a softmax of `-infinity if hidden else x`,
 * sets at->v to v, and the members `hidden`, `where` and `seen`. */
void fv_find_hidden(fv_arena *a, fv_attention *at);
/* Makes hidden keys explicit in the definition of s: adds the condition under which they have no
 * effect. `tables`: the cache of fv_without_tables. `kept`: the weights are a result, too, in which
 * hidden weights are +0. False, without a reason: s is no attention, or its hidden keys are
 * explicit already. False, with a reason: its keys are few, its weights are no softmax, the mask
 * hides no key, or it cannot be proved that it does, or the definition would become too large. */
bool fv_fold_mask(fv_lowerer *l, fv_storage *s, fv_ptrmap *tables, bool kept) FV_MUST_USE;
/* The weight with the expression `with`, over at->key, in place of the scores. */
fv_expr *fv_weight_of(fv_arena *a, const fv_attention *at, fv_expr *with);
/* fv_weight_of for another expression that contains scores. */
fv_expr *fv_with_scores(fv_arena *a, const fv_attention *at, fv_expr *x, fv_expr *with);
/* The weights as a function of the variable `key`. */
fv_expr *fv_weights_along(fv_arena *a, const fv_attention *at, fv_var *key);

#endif
