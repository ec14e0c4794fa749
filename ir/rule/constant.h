/* constant.h - constants that rules compare with numbers. */
#ifndef FV_IR_RULE_CONSTANT_H
#define FV_IR_RULE_CONSTANT_H

#include "ir/graph/graph.h"

/* The number, if all elements of the constant are equal to it; false: they are not. */
bool fv_rule_uniform(const fv_value *v, double *out) FV_MUST_USE;

#endif
