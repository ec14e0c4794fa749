/* attribute.h - reads attributes of an operator. */
#ifndef FV_OPS_COMMON_ATTRIBUTE_H
#define FV_OPS_COMMON_ATTRIBUTE_H

#include "ir/graph/graph.h"

/* Whether the attribute, or its default, is that text. False if the operator has no such
 * attribute. */
bool fv_attr_is(const fv_op *op, const char *name, const char *text) FV_MUST_USE;
/* Checks that the attribute, if present, is a list of n directions, which are 0 (forward) or 1
 * (backward). False after a diagnostic. */
bool fv_attr_are_directions(const fv_op *op, const char *name, int n) FV_MUST_USE;

#endif
