/* reduce.h - reductions of definitions as loops of kernels. */
#ifndef FV_BACKEND_SCHEDULE_COMMON_REDUCE_H
#define FV_BACKEND_SCHEDULE_COMMON_REDUCE_H

#include "backend/schedule/common/emit.h"

/* Emits the reduction r, all of whose free variables are bound, at the current position, and
 * returns its value, which later uses of r find in the memo. */
fv_expr *fv_kemit_reduce(fv_kemit *e, fv_expr *r);
/* Is the reduction computed in several chains: because of its order, or, if it has none, because
 * that is faster? */
bool fv_kemit_in_chains(const fv_kemit *e, const fv_expr *r) FV_MUST_USE;
/* The sum of earlier parts plus the part `more`, which begins at `part`. For the first part it is
 * `more` itself, so that -0 is kept. */
fv_expr *fv_kemit_with_part(fv_kemit *e, fv_expr *sum, fv_expr *more, fv_expr *part,
                            fv_expr *first);
/* Emits reduction r for all values of v, an axis of known extent, as a tile with a chain for each
 * value. v must not be bound. */
fv_buf *fv_kemit_sums_along(fv_kemit *e, const fv_expr *r, const fv_var *v);
/* Combines the n elements of a tile with one axis: while n is even, elements c and c + n / 2 are
 * combined; then the remaining ones in order. */
fv_expr *fv_kemit_fold(fv_kemit *e, fv_buf *acc, fv_reduce_kind kind);

#endif
