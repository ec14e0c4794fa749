/* settle.h - dims as what a module assumes makes of them: where `min(past + seq, 2048) == past +
 * seq` is checked, the second stands in place of the first, and `max(min(past + seq, 2048) - past,
 * 0)` is `seq`. */
#ifndef FV_IR_GRAPH_SETTLE_H
#define FV_IR_GRAPH_SETTLE_H

#include "ir/graph/graph.h"

/* Equates what relations of the module say to be equal, and makes all its dims anew: of types,
 * attributes, contents, relations. A relation that another one implies by that is gone. */
void fv_module_settle(fv_module *m);
/* Wherever the symbol stands, `dim` does from here on: they are the same in every run. */
void fv_module_replace_dim(fv_module *m, const fv_dim *symbol, const fv_dim *dim);
/* Does what the module assumes leave it possible that symbol is that dim? */
bool fv_module_dim_may_be(fv_module *m, const fv_dim *symbol, const fv_dim *dim) FV_MUST_USE;

#endif
