/* symbols.h - finds where symbols of dims occur and where their values are known. */
#ifndef FV_IR_GRAPH_SYMBOLS_H
#define FV_IR_GRAPH_SYMBOLS_H

#include "ir/graph/graph.h"

bool fv_dims_mention(int n, const fv_dim *const *dims, const fv_dim *symbol) FV_MUST_USE;
/* Does the symbol occur in the type of v or in its known elements? */
bool fv_value_mentions(const fv_value *v, const fv_dim *symbol) FV_MUST_USE;
/* A symbol of d that depends on data, and that neither an op before `op` nor a parameter of a block
 * around it gives a value; NULL: there is none. */
const fv_dim *fv_unknown_above(const fv_op *op, const fv_dim *d);

#endif
