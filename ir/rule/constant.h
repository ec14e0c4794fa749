/* constant.h - compares constants with numbers in rules. A constant with other axes, the result of
 * a reshape or of a transpose, counts as a constant: legalise gives scales such axes, and they are
 * folded later. */
#ifndef FV_IR_RULE_CONSTANT_H
#define FV_IR_RULE_CONSTANT_H

#include "ir/graph/graph.h"

/* The elements of the constant v, in any order; NULL: v is not a constant, or too large to be
 * looked through. */
const fv_tensor *fv_rule_elements(const fv_value *v);
/* Is v a constant of any size, possibly reshaped or transposed, or the elements of fewer bits that
 * are unpacked from one? */
bool fv_rule_is_fixed(const fv_value *v) FV_MUST_USE;
/* Sets *out to the number if all elements of the constant are equal to it; false: they differ or
 * are not numbers, or fv_rule_elements returns NULL. */
bool fv_rule_uniform(const fv_value *v, double *out) FV_MUST_USE;

#endif
