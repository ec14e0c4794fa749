/* small.h - weights that are so small that dot products which saturate are exact. */
#ifndef FV_BACKEND_SCHEDULE_CONTRACT_SMALL_H
#define FV_BACKEND_SCHEDULE_CONTRACT_SMALL_H

#include "backend/lowering/lowering.h"

/* Are sums of two products of the columns, elements of weights, with unsigned bytes always i16? The
 * columns may be of several constants that are side by side: `w[k, j] if j < 8 else v[k, j - 8] if
 * 0 <= j - 8 else 0`, of which the 0 is never read. */
bool fv_are_small_numbers(const fv_lowerer *l, const fv_expr *columns) FV_MUST_USE;

#endif
