/* maximum.h - the maximum and the minimum of many f32, as maxima and minima of their bits.
 *
 * A maximum of two floats that keeps NaN and orders -0 before +0 takes five instructions on x86.
 * The bits of floats are ordered like the floats if they are non-negative, and in reverse if they
 * are negative. So three integers, each of which one instruction updates, determine both results:
 *
 *     high = max i32(bits)    not negative if any float is not: then it is the maximum
 *     low  = min u32(bits)    if all floats are negative, the maximum; if none is, the minimum
 *     top  = max u32(bits)    if any float is negative, the minimum; if it exceeds the bits of
 *                             -inf, a float is NaN with the sign set
 *
 * The three do not wait for each other. A loop that computes one of the results has computed the
 * other one as well. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_MAXIMUM_H
#define FV_BACKEND_SCHEDULE_COMMON_MAXIMUM_H

#include "backend/schedule/common/emit.h"

/* Tiles with an element for each chain, or scalars. */
typedef struct fv_maximum {
    fv_buf *high, *low, *top;
} fv_maximum;

/* Is the reduction r a maximum or a minimum of f32, and does the target have instructions (AVX2)
 * for minimum and maximum of integers? */
bool fv_maximum_fits(const fv_kemit *e, const fv_expr *r) FV_MUST_USE;
/* May the maximum r ignore NaN among its terms, and be a zero of either sign? So it is for a
 * softmax: it only subtracts r from what it computes exponentials of, and their sum is NaN if a
 * term is. */
bool fv_maximum_may_ignore_nan(const fv_kemit *e, const fv_expr *r) FV_MUST_USE;
/* Makes tiles of n chains without terms; 0: scalars, which make one chain. */
fv_maximum fv_maximum_new(fv_kemit *e, int64_t n);
/* Adds the term x to chain `at`, which is NULL for scalars. inside: condition that there is such a
 * term; NULL: always. */
void fv_maximum_add(fv_kemit *e, const fv_maximum *m, fv_expr *at, fv_expr *x, fv_expr *inside);
/* The three integers over all chains, each a variable. */
typedef struct fv_extremes {
    fv_expr *high, *low, *top;
} fv_extremes;

/* Returns the maximum (FV_REDUCE_MAX) or the minimum (FV_REDUCE_MIN) of the terms. */
fv_expr *fv_maximum_of(fv_kemit *e, fv_reduce_kind kind, const fv_extremes *x);
/* Is x the minimum of the terms of which r, for which fv_maximum_fits, is the maximum; or the
 * reverse? */
bool fv_maximum_is_opposite(fv_kemit *e, const fv_expr *r, const fv_expr *x) FV_MUST_USE;

#endif
