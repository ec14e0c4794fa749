/* strength.h - strength reduction of quotients and remainders in loops. */
#ifndef FV_BACKEND_EXPAND_STRENGTH_H
#define FV_BACKEND_EXPAND_STRENGTH_H

#include "ir/kernel/kernel.h"

/* Quotients and remainders of i64 by a constant, in the loops of an expanded kernel, whose
 * numerator grows by a constant in each iteration, are no longer computed by division: a loop
 * divides once before its first iteration, and each iteration computes those of the next one by
 * additions and a comparison.
 *
 *     for r < rows {                          tile q: i64 = i0 floordiv 14
 *       y[(i0 + r) floordiv 14,               tile m: i64 = i0 mod 14
 *         (i0 + r) mod 14] = ...        =>    for r < rows {
 *     }                                         let quotient = q
 *                                               let remainder = m
 *                                               y[quotient, remainder] = ...
 *                                               let next = remainder + 1
 *                                               q = select(next >= 14, quotient + 1, quotient)
 *                                               m = select(next >= 14, next - 14, next)
 *                                             }
 *
 * Powers of two stay, as they are a shift and a mask. The kernel must be numbered again. */
void fv_reduce_strength(fv_kernel *k);

#endif
