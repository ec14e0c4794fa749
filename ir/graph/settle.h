/* settle.h - simplifies dims by the assumptions of a module: where `min(past + seq, 2048) == past +
 * seq` is checked, the right side replaces the left one, and `max(min(past + seq, 2048) - past, 0)`
 * becomes `seq`. */
#ifndef FV_IR_GRAPH_SETTLE_H
#define FV_IR_GRAPH_SETTLE_H

#include "ir/graph/graph.h"

/* Simplifies all dims of the module (in types, attributes, elements and relations) with the
 * equalities of its relations, and removes relations that follow from others. */
void fv_module_settle(fv_module *m);
/* Replaces the symbol by `dim` in all dims of the module, but not within a sum or product that has
 * no normal form (fv_dim_rebuild); the caller knows that both are equal in every run. */
void fv_module_replace_dim(fv_module *m, const fv_dim *symbol, const fv_dim *dim);
/* Can the symbol be equal to `dim`? False: a relation of the module is proved to exclude it. */
bool fv_module_dim_may_be(fv_module *m, const fv_dim *symbol, const fv_dim *dim) FV_MUST_USE;

#endif
