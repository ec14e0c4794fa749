/* numerals.h - Cast between numbers and strings. */
#ifndef FV_OPS_TEXT_NUMERALS_H
#define FV_OPS_TEXT_NUMERALS_H

#include "ir/graph/rewriter.h"

/* The expansion of a Cast from or to strings. False after a diagnostic. */
bool fv_cast_strings(fv_rewriter *w, fv_op *op) FV_MUST_USE;

/* Powers of ten: the 128 bits that begin with the highest set bit, rounded up; the high half is
 * first. */
enum { FV_LEAST_POWER = -292, FV_MOST_POWER = 324, FV_POWERS = FV_MOST_POWER - FV_LEAST_POWER + 1 };
void fv_powers_of_ten(uint64_t powers[FV_POWERS][2]);

#endif
