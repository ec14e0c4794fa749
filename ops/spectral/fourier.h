/* fourier.h - Fourier transforms of lines in O(n log n), and the tables of one turn that all
 * transforms read. */
#ifndef FV_OPS_SPECTRAL_FOURIER_H
#define FV_OPS_SPECTRAL_FOURIER_H

#include "ir/graph/rewriter.h"

/* What is transformed into what. */
typedef struct fv_fourier {
    const fv_dim *length; /* elements of a turn: x is cut to these, or zeros follow */
    /* of a number of x and of the result: 1 of real numbers, 2 of complex ones */
    int parts, pairs;
    bool inverse; /* and divided by the length */
    /* x is half of a spectrum (length / 2 + 1), whose other half is its mirror; of an inverse one
     * only */
    bool half;
    bool onesided; /* the result is such a half */
} fv_fourier;

/* Is it better done by fv_w_fourier than by sums over all elements? */
bool fv_fourier_is_fast(const fv_dim *length) FV_MUST_USE;
/* The same of products with a matrix of waves that is known when the model is compiled. */
bool fv_fourier_beats_product(const fv_dim *length) FV_MUST_USE;
/* Each row of x[lines, have, parts] transformed: [lines, length or half of it, pairs]. The element
 * type is f32 or f64. */
fv_value *fv_w_fourier(fv_rewriter *w, fv_value *x, const fv_fourier *f);
/* Cosine and sine of 2 pi i / n; exact at quarters of a turn. */
void fv_turn(int64_t i, int64_t n, double *cosine, double *sine);

#endif
