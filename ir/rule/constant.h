/* constant.h - constants as rules see them: one number, or none. */
#ifndef FV_IR_RULE_CONSTANT_H
#define FV_IR_RULE_CONSTANT_H

#include "ir/graph/graph.h"

/* The number that all elements of a constant are. */
bool fv_rule_uniform(const fv_value *v, double *out) FV_MUST_USE;

#endif
