/* scaleb.h - SCALEB, a product with a power of two, as VSCALEFPS computes it (Intel SDM volume
 * 2C). */
#ifndef FV_IR_EXPR_SCALEB_H
#define FV_IR_EXPR_SCALEB_H

#include <math.h>

/* a * 2^floor(b), rounded once; NaN if b is. If b is infinite, a NaN a counts as 1. (VSCALEFPS does
 * so for quiet NaNs only, but arithmetic makes no others.) The product in f64 is exact for factors
 * from 2^-400 to 2^400; smaller and larger factors give the f32 that these bounds give. */
static inline float fv_scaleb(float a, float b) {
    if (b != b)
        return b;
    if (isinf(b))
        return (a != a ? 1.0F : a) * (b > 0 ? b : 0.0F);
    double n = floor((double)b);
    n = n < -400 ? -400 : n > 400 ? 400 : n;
    return (float)ldexp((double)a, (int)n);
}

#endif
