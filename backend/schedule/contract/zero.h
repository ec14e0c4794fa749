/* zero.h - subtracts constant zero points from words where they are unpacked or widened. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_ZERO_H
#define FV_BACKEND_SCHEDULE_CONTRACT_ZERO_H

#include "backend/schedule/contract/tile.h"

/* Sets *out to a contraction that equals c, whose words are unpacked and multiplied as matrices,
 * but subtracts a constant zero point from the elements of the columns, instead of correcting its
 * terms for it. The results are the same, since integers wrap. False: the terms of c have no such
 * correction, or the target has no instruction for the signed elements. */
bool fv_subtract_zero(fv_lowerer *l, const fv_contraction *c, fv_contraction *out) FV_MUST_USE;
/* If rows of c are widened once for all columns (c->dot.halves), and the definition d corrects its
 * sum for a constant zero point of the rows, sets c->dot.zero to that zero point, and returns a
 * definition without the correction; otherwise returns d. The factors of c must be elements, not
 * words yet. */
const fv_definition *fv_subtract_zero_of_rows(fv_lowerer *l, const fv_definition *d,
                                              fv_contraction *c);

#endif
