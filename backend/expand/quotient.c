/* quotient.c - see quotient.h. The product differs from the quotient by a few units in the last
 * place of f32. That matters only if a number half-way between two narrow floats is between the
 * product and the quotient. A narrow float divided by a number of few digits is seldom so near to a
 * half-way number. */
#include "backend/expand/quotient.h"

#include <math.h>

#include "ir/type/float_bits.h"

enum { POSITIVE = 1 << 15 }; /* codes of f16 and bf16 without sign */

bool fv_quotient_is_product(fv_elem from, fv_elem to, double divisor, double *factor) {
    const float by = (float)divisor, inverse = 1.0F / by;
    bool same = true;
    *factor = (double)inverse;
    /* the sign of x is that of both results, so positive x are enough */
    for (uint32_t code = 0; code < POSITIVE && same; code++) {
        const float x = (float)fv_float_decode(from, code), q = x / by, p = x * inverse;
        same = q == p || (isnan(q) && isnan(p)) ||
               fv_float_encode(to, (double)q) == fv_float_encode(to, (double)p);
    }
    return same;
}
