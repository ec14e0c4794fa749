/* quotient.h - quotients by a constant that are computed by products. */
#ifndef FV_BACKEND_EXPAND_QUOTIENT_H
#define FV_BACKEND_EXPAND_QUOTIENT_H

#include "ir/type/type.h"

/* Is to(f32(x) / divisor) equal to to(f32(x) * *factor) in all bits for all x of type `from`? All
 * NaNs count as equal. `from` and `to` are f16 or bf16, the divisor is an f32. Sets *factor to the
 * f32 nearest to 1 / divisor. All x are tried, which takes about a millisecond. */
bool fv_quotient_is_product(fv_elem from, fv_elem to, double divisor, double *factor) FV_MUST_USE;

/* Is fma(x, *high, x * *low) the quotient x / divisor, correctly rounded to f32, for all x of f32
 * for which the quotient is between 2^-20 and 2^20 in magnitude? Sets *high to the f32 nearest to
 * 1 / divisor, and *low to the one nearest to the rest. This is proved by trying the few x for
 * which it may be another number. The divisor is a positive f32; false if it is less than 2^-60 or
 * more than 2^60. */
bool fv_quotient_is_fma(double divisor, double *high, double *low) FV_MUST_USE;

#endif
