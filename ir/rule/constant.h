/* constant.h - compares constants with numbers in rules. */
#ifndef FV_IR_RULE_CONSTANT_H
#define FV_IR_RULE_CONSTANT_H

#include "ir/graph/graph.h"

/* Sets *out to the number if all elements of the constant are equal to it; false: they differ, or v
 * is not a constant. */
bool fv_rule_uniform(const fv_value *v, double *out) FV_MUST_USE;

#endif
