/* float_bits.h - conversion between doubles and the bits of all float types, 8 and 4 bits
 * included. */
#ifndef FV_IR_TYPE_FLOAT_BITS_H
#define FV_IR_TYPE_FLOAT_BITS_H

#include "ir/type/type.h"

/* The value of a bit pattern of float type e; exact. */
double fv_float_decode(fv_elem e, uint64_t bits);
/* The bit pattern of type e nearest to v, ties to even. A value that rounds beyond the largest
 * finite one becomes infinity, or the largest finite one if the type has no infinity. NaN becomes
 * NaN, or the largest finite value if the type has no NaN. f8e8m0 has neither a sign nor 0: zero
 * and negative values become the smallest one, 2^-127. */
uint64_t fv_float_encode(fv_elem e, double v);
/* The precision of type e: *bits of the significand, the implicit leading bit included, and the
 * exponent *least of the lowest bit of a denormal number. Not for f8e8m0. */
void fv_float_fraction(fv_elem e, int *bits, int *least);
/* Is each bit pattern of float type e a finite number? Then a conversion to it has to clip. */
bool fv_float_is_finite(fv_elem e) FV_MUST_USE;

#endif
