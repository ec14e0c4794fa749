/* verify.h - is a module legal? */
#ifndef FV_IR_GRAPH_VERIFY_H
#define FV_IR_GRAPH_VERIFY_H

#include "ir/graph/graph.h"

/* Legal? Operands defined before use and in scope, uses complete, attributes and types as the
 * catalogue says, shapes as inferred, names unique. `after`: the pass of ours that made it so, or
 * NULL. A graph that is not put together as it must be is an internal error of that pass. Types
 * that do not fit are the model's mistake, of which its node tells: each op was legal when it was
 * made, and what a pass finds out of dims and elements may show that they cannot be. */
bool fv_module_verify(fv_module *m, const char *after) FV_MUST_USE;

#endif
