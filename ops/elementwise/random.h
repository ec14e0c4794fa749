/* random.h - random numbers, for operators that draw them. */
#ifndef FV_OPS_ELEMENTWISE_RANDOM_H
#define FV_OPS_ELEMENTWISE_RANDOM_H

#include "ir/graph/rewriter.h"

/* Numbers in [0, 1), f64 where e is that, else f32, that the op's seed and the name of its result
 * tell; without a seed the name alone, and a note. */
fv_value *fv_w_random(fv_rewriter *w, fv_op *op, fv_elem e, int rank, const fv_dim *const *dims);
/* The same where an operand is the seed, an integer scalar, or NULL: then it is 0. */
fv_value *fv_w_random_seeded(fv_rewriter *w, fv_op *op, fv_value *seed, fv_elem e, int rank,
                             const fv_dim *const *dims);

#endif
