/* float_bits.h - the bits of float types, the narrow ones too. */
#ifndef FV_IR_TYPE_FLOAT_BITS_H
#define FV_IR_TYPE_FLOAT_BITS_H

#include "ir/type/type.h"

/* The value that the bits of a float type stand for; exact. */
double fv_float_decode(fv_elem e, uint64_t bits);
/* The nearest bits of a value, ties to even. Beyond the largest finite value: inf, or the largest
 * where the type has no inf. NaN where the type has none: the largest. */
uint64_t fv_float_encode(fv_elem e, double v);
/* The bits of its fraction, the one among them that is not stored, and the exponent of the lowest
 * of a denormal. Not of f8e8m0. */
void fv_float_fraction(fv_elem e, int *bits, int *least);

#endif
