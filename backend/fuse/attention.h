/* attention.h - attention as one definition:
 *
 *     y[.., i, d] = sum j: weight(score(i, j), ..) * v[j, d]
 *     score(i, j) = sum c: q[i, c] * k[j, c]
 *
 * where weight() has sums along j of its own: softmax, with whatever scales, masks or caps the
 * scores. */
#ifndef FV_BACKEND_FUSE_ATTENTION_H
#define FV_BACKEND_FUSE_ATTENTION_H

#include "backend/lowering/lowering.h"

typedef struct fv_attention {
    fv_expr *sum;        /* over keys */
    fv_expr *weight, *v; /* its factors */
    fv_var *key;         /* its variable */
    /* in weight, over the key; it stands there over the variables of sums along a row, too */
    fv_expr *score;
    fv_expr *q, *k; /* factors of the score */
    /* weight, or the other factor where none is found, is a softmax of scores */
    bool rows;
    int row, column; /* axes of the definition: queries, features of v */
    /* where that holds, which is `where && seen`, a weight is 0 and stands beside 0 in place of v;
     * or NULL */
    fv_expr *hidden;
    fv_expr *where; /* over query and key, without scores */
    fv_expr *seen;  /* over the query, and over the maximum of what is elsewhere than there */
} fv_attention;

/* Is d attention whose keys and values are computed in the run? What it is not is declined, of d's
 * value. */
bool fv_find_attention(fv_lowerer *l, const fv_definition *d, fv_attention *at) FV_MUST_USE;
/* Is x a sum of products of floats? */
bool fv_is_product_sum(const fv_expr *x) FV_MUST_USE;
/* Are there sums of products of floats in x: scores, over whichever variable? */
bool fv_has_products(const fv_expr *x) FV_MUST_USE;
/* Finds out whether at->v is `0 where hidden, else v`, of weights that are a softmax of `-infinity
 * where hidden, else x`; sets at->v then, and what hides. */
void fv_find_hidden(fv_arena *a, fv_attention *at);
/* Leaves out of the definition of s what its mask hides. `kept`: its weights are a result as well,
 * which has zeros there. False: it hides nothing, or that is not to be seen, which it says. */
bool fv_fold_mask(fv_lowerer *l, fv_storage *s, fv_ptrmap *tables, bool kept) FV_MUST_USE;
/* The weight with `with`, which is over at->key, in place of the scores. */
fv_expr *fv_weight_of(fv_arena *a, const fv_attention *at, fv_expr *with);
/* The same of another expression with scores. */
fv_expr *fv_with_scores(fv_arena *a, const fv_attention *at, fv_expr *x, fv_expr *with);
/* The same as weights whose key is that variable. */
fv_expr *fv_weights_along(fv_arena *a, const fv_attention *at, fv_var *key);

#endif
