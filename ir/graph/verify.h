/* verify.h - is a module legal? */
#ifndef FV_IR_GRAPH_VERIFY_H
#define FV_IR_GRAPH_VERIFY_H

#include "ir/graph/graph.h"

/* Legal? Operands defined before use and in scope, uses complete, attributes and types as the
 * catalogue says, shapes as inferred, names unique. `after`: the pass to blame, or NULL. */
bool fv_module_verify(fv_module *m, const char *after) FV_MUST_USE;

#endif
