/* zero.h - subtracts constant zero points from words that are unpacked. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_ZERO_H
#define FV_BACKEND_SCHEDULE_CONTRACT_ZERO_H

#include "backend/schedule/contract/tile.h"

/* Sets *out to c, a contraction whose words are multiplied as matrices and unpacked, such that a
 * constant zero point is subtracted from the elements of the columns, and its correction is left
 * out of the terms. False: the terms of c have no such correction, or the target no instruction for
 * the signed elements. The results are the same, since integers wrap. */
bool fv_subtract_zero(fv_lowerer *l, const fv_contraction *c, fv_contraction *out) FV_MUST_USE;

#endif
