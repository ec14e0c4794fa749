/* ngrams.h - the kernel of fv.Ngrams. */
#ifndef FV_OPS_ML_NGRAMS_H
#define FV_OPS_ML_NGRAMS_H

#include "ir/catalogue/op.h"

/* The n-grams of a pool: those of length 1 begin at counts[0], those of length 2 at counts[1],
 * ... Those of lengths `least` to `most` are counted. */
typedef struct fv_ngrams {
    int n, lengths, columns;
    /* for each n-gram: the column of the result with its count */
    const int64_t *items, *counts, *column;
    int64_t least, most, skips;
} fv_ngrams;

/* Where the n-grams of that length end. */
int64_t fv_ngrams_end(const fv_ngrams *p, int64_t length);
/* The pool of an fv.Ngrams. */
fv_ngrams fv_ngrams_of(const struct fv_op *op);
bool fv_kernel_ngrams(struct fv_custom *c, struct fv_op *op) FV_MUST_USE;

#endif
