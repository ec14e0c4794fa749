/* verify.h - the verifier of graph IR. */
#ifndef FV_IR_GRAPH_VERIFY_H
#define FV_IR_GRAPH_VERIFY_H

#include "ir/graph/graph.h"

/* Is the module legal: operands defined before use and in scope, uses complete, attributes and
 * types as the catalogue declares them, shapes as inferred, names unique? False after a diagnostic.
 * `after`: the pass that produced the module, or NULL. A malformed graph is reported as an internal
 * error of that pass. Types that do not fit are reported as an error of the model, with the node:
 * each op was legal when it was made, but a pass may have found dims or elements which show that
 * the model is wrong. */
bool fv_module_verify(fv_module *m, const char *after) FV_MUST_USE;

#endif
