/* zero.h - subtracts constant zero points from words where they are unpacked or widened. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_ZERO_H
#define FV_BACKEND_SCHEDULE_CONTRACT_ZERO_H

#include "backend/schedule/contract/tile.h"

/* Sets *out to c, a contraction whose words are multiplied as matrices and unpacked, such that a
 * constant zero point is subtracted from the elements of the columns, and its correction is left
 * out of the terms. False: the terms of c have no such correction, or the target no instruction for
 * the signed elements. The results are the same, since integers wrap. */
bool fv_subtract_zero(fv_lowerer *l, const fv_contraction *c, fv_contraction *out) FV_MUST_USE;
/* If rows of c are widened once for all columns (c->dot.halves), and the definition d corrects its
 * sum for a constant zero point of the rows, sets c->dot.zero to that zero point, and returns a
 * definition without the correction; otherwise returns d. The factors of c must be elements, not
 * words yet. */
const fv_definition *fv_subtract_zero_of_rows(fv_lowerer *l, const fv_definition *d,
                                              fv_contraction *c);

#endif
