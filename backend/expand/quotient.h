/* quotient.h - quotients by a constant that are computed as products. */
#ifndef FV_BACKEND_EXPAND_QUOTIENT_H
#define FV_BACKEND_EXPAND_QUOTIENT_H

#include "ir/type/type.h"

/* Is to(f32(x) / divisor) equal to to(f32(x) * *factor) in all bits for all x of type `from`? All
 * NaNs count as equal. `from` and `to` are f16 or bf16, the divisor is an f32. Sets *factor to the
 * f32 nearest to 1 / divisor. All x are tried, which takes about a millisecond. */
bool fv_quotient_is_product(fv_elem from, fv_elem to, double divisor, double *factor) FV_MUST_USE;

#endif
