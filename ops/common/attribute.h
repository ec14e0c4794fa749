/* attribute.h - reads attributes of an operator. */
#ifndef FV_OPS_COMMON_ATTRIBUTE_H
#define FV_OPS_COMMON_ATTRIBUTE_H

#include "ir/graph/graph.h"

/* Whether the attribute, or its default, is that text. False if the operator has no such
 * attribute. */
bool fv_attr_is(const fv_op *op, const char *name, const char *text) FV_MUST_USE;

#endif
