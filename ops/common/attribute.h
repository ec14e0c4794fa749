/* attribute.h - reading attributes of an operator. */
#ifndef FV_OPS_COMMON_ATTRIBUTE_H
#define FV_OPS_COMMON_ATTRIBUTE_H

#include "ir/graph/graph.h"

/* Is the attribute, or its default, that text? False where the operator has none of that name. */
bool fv_attr_is(const fv_op *op, const char *name, const char *text) FV_MUST_USE;

#endif
