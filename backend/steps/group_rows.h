/* group_rows.h - values that are computed in the passes over rows that their use makes.
 *
 * A softmax or a norm takes several passes over each row of its operand. A value that such a kernel
 * reads row by row can be computed in these passes: what they need more than once they keep in the
 * row of the result, which holds one value at a time. */
#ifndef FV_BACKEND_STEPS_GROUP_ROWS_H
#define FV_BACKEND_STEPS_GROUP_ROWS_H

#include "backend/steps/grouped.h"

/* Does `use` have one result, no contraction, that it computes row by row from the same rows of v,
 * so that it needs each element of v for one of its rows only? With `along`, it must also read v
 * along the row, at the row's own index or once along a sum. */
bool fv_keeps_to_rows(fv_lowerer *l, const fv_value *v, const fv_op *use, bool along) FV_MUST_USE;
/* Returns the reason why v, of work w, cannot be computed in the passes over rows that `use` makes;
 * FV_WHY_none: it can be. */
fv_why fv_rows_reason(fv_lowerer *l, const fv_value *v, const fv_work *w, const fv_op *use);
/* Does x, apart from the nodes in `seen`, load a substituted value that needs several passes over
 * its rows for an expensive value other than `own`? The row can hold one such value only, so the
 * other would be computed again in each pass. */
bool fv_has_other_passes(fv_lowerer *l, const fv_expr *x, const fv_value *own,
                         fv_ptrmap *seen) FV_MUST_USE;
/* Is v read by sums only, or by a product that a sum adds, and has the final result no row of v's
 * length that could hold v? */
bool fv_loses_row(fv_lowerer *l, const fv_value *v, const fv_op *use) FV_MUST_USE;

#endif
