/* products.h - sums of products, of floats or integers, and which of a definition's axes their
 * factors depend on.
 *
 *     y[i, j] = max(sum k: a[i, k] * b[k, j] + c[j], 0)      i: a row, j: a column
 *     y[n, j] = sum k: x[n + k, j] * w[k, j]                 each column by itself
 *     f[i, j], g[i, j] of sums of a * b and of a * c         several sums of the same rows
 *     y[i, j] = sum g: f32(sum k: a[i, g, k] * b[j, g, k]) * s[j, g]
 *                                       a sum over blocks of the terms, each of which has a scale
 *
 * The columns are the last axis that has more than one element, which is contiguous in memory. */
#ifndef FV_BACKEND_AXES_PRODUCTS_H
#define FV_BACKEND_AXES_PRODUCTS_H

#include "backend/lowering/lowering.h"

/* largest number of sums of one definition that share the factor with the rows */
enum { FV_MAX_SUMS = 8 };

typedef struct fv_products {
    int nsums;
    fv_expr *sums[FV_MAX_SUMS]; /* the sums of products, REDUCE nodes */
    /* the sum over blocks whose terms are computed from the one sum of products within a block;
     * NULL: there are no blocks */
    fv_expr *blocks;
    fv_expr *a; /* the factor with the rows, which all sums share */
    /* for each sum, the factor with the columns, as an expression over the variables of the first
     * sum */
    fv_expr *b[FV_MAX_SUMS];
    /* numbers of the definition's axes that are the row and the column; row -1: there are no
     * rows */
    int row, column;
    bool each; /* whether a depends on the column as well, as in a depthwise convolution */
} fv_products;

/* If `sum` is a sum of floats over blocks, each term of which is a product that contains one sum of
 * products, and both sums have a known number of terms: the inner sum. Otherwise NULL. */
fv_expr *fv_x_sum_in_blocks(const fv_expr *sum);
/* Is x a sum of products of two different factors, in any order? A sum of squares is none. */
bool fv_x_sums_products(const fv_expr *x) FV_MUST_USE;
/* Are all sums in these expressions, over the indices of d, sums of products that share a factor,
 * or is the only sum one over blocks, as above, and are their columns the last axis of d? If so,
 * sets *out; otherwise records the reason. The axes of d must be split and merged. */
bool fv_find_products(fv_lowerer *l, const fv_definition *d, int n, fv_expr *const *roots,
                      fv_products *out) FV_MUST_USE;
/* Should each sum be computed one column per lane? Not if there is only one column. If there are no
 * rows, or a constant number of them below FV_FEW_ROWS, only if each b is computed from constants,
 * which can be packed, or if there is one sum, and the columns of its b are contiguous in memory,
 * or a copy in which they are pays; otherwise summing along the terms is better. This decides the
 * order of the sums and thus bits, so it depends on the definition alone. Records the reason if
 * not. */
bool fv_products_are_columns(fv_lowerer *l, const fv_definition *d,
                             const fv_products *p) FV_MUST_USE;

#endif
