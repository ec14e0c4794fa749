/* attention.h - attention as one definition:
 *
 *     y[.., i, d] = sum j: weight(score(i, j), ..) * v[j, d]      score(i, j) = sum c: q[i, c] * k[j, c]
 *
 * where weight() has sums along j of its own: softmax, with whatever scales, masks or caps the scores. */
#ifndef FV_BACKEND_FUSE_ATTENTION_H
#define FV_BACKEND_FUSE_ATTENTION_H

#include "backend/lowering/lowering.h"

typedef struct fv_attention {
    fv_expr *sum;       /* over keys */
    fv_expr *weight, *v; /* its factors */
    fv_var *key;        /* its variable */
    fv_expr *score;     /* in weight, over the key; it stands there over the variables of sums along a row, too */
    fv_expr *q, *k;     /* factors of the score */
    int row, column;    /* axes of the definition: queries, features of v */
} fv_attention;

/* Is d attention whose keys and values are computed in the run? What it is not is declined, of d's value. */
bool fv_find_attention(fv_lowerer *l, const fv_definition *d, fv_attention *at) FV_MUST_USE;
/* The weight with `with`, which is over at->key, in place of the scores. */
fv_expr *fv_weight_of(fv_arena *a, const fv_attention *at, fv_expr *with);

#endif
