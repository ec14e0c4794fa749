/* fourier.h - Fourier transforms of lines in O(n log n), and tables of sines and cosines. */
#ifndef FV_OPS_SPECTRAL_FOURIER_H
#define FV_OPS_SPECTRAL_FOURIER_H

#include "ir/graph/rewriter.h"

/* The kind of a transform. */
typedef struct fv_fourier {
    const fv_dim *length; /* length of the transform: x is truncated to it, or extended by zeros */
    /* numbers in an element of x and of the result: 1 for real elements, 2 for complex ones */
    int parts, pairs;
    bool inverse; /* whether it is the inverse, which is divided by the length */
    /* for an inverse: x is half of a spectrum (length / 2 + 1 elements), whose other half is its
     * mirror image */
    bool half;
    bool onesided; /* whether the result is such a half */
} fv_fourier;

/* Whether fv_w_fourier is faster for this length than sums over all elements. */
bool fv_fourier_is_fast(const fv_dim *length) FV_MUST_USE;
/* Whether it is also faster than a product with a constant matrix. */
bool fv_fourier_beats_product(const fv_dim *length) FV_MUST_USE;
/* The transform of each row of x[lines, have, parts]: [lines, length or half of it, pairs]. The
 * element type is f32 or f64. */
fv_value *fv_w_fourier(fv_rewriter *w, fv_value *x, const fv_fourier *f);
/* Cosine and sine of 2 pi i / n; exact at multiples of a quarter turn. */
void fv_unit_root(int64_t i, int64_t n, double *cosine, double *sine);

#endif
