/* winograd.h - filters of convolutions by Winograd's minimal filtering F(m x m, 3 x 3).
 *
 * A tile of m x m pixels y of a convolution with a filter g of 3 x 3 taps depends on n x n pixels d
 * of the image, n = m + 2:
 *
 *     y = A^T ((G g G^T) * (B^T d B)) A                           * multiplies element by element
 *
 * That is n^2 products for each pair of an input and an output channel, in place of 9 m^2: 16 of 36
 * for m = 2, and 36 of 144 for m = 4. The matrices evaluate and interpolate polynomials
 * (Toom-Cook) at 0, 1, -1 and infinity for m = 2, and at 0, +-sqrt(1/2), +-sqrt(2) and infinity for
 * m = 4, whose powers differ less than those of the integers 0, +-1, +-2. The operators
 * fv.WinogradTiles and fv.WinogradImage (ops/nn/winograd.c) compute B^T d B and A^T .. A.
 *
 * Lavin, Gray: Fast algorithms for convolutional neural networks, arXiv:1509.09308. Barabasz et
 * al.: Error analysis and improving the accuracy of Winograd convolution for deep neural networks,
 * arXiv:1803.10986. */
#ifndef FV_IR_DEFINITION_WINOGRAD_H
#define FV_IR_DEFINITION_WINOGRAD_H

#include "ir/type/tensor.h"

/* The number of pixels n along an axis that a tile of `size` pixels reads. */
static inline int fv_winograd_reach(int size) {
    return size + 2;
}

/* The filters of F(size x size, 3 x 3), size 2 or 4: element [a * n + b, c, k] of the result, of
 * dims [n * n, C, K], is element [a, b] of G g G^T for the filter g = w[k, c]. It is computed in
 * f64 and rounded to f32 once. `w`: f32 of dims [K, C, 3, 3]. The result is in the arena; NULL: it
 * would be too large. */
fv_tensor *fv_winograd_filters(fv_arena *a, const fv_tensor *w, int size);

#endif
