/* random.h - random numbers for expansions of operators. */
#ifndef FV_OPS_ELEMENTWISE_RANDOM_H
#define FV_OPS_ELEMENTWISE_RANDOM_H

#include "ir/graph/rewriter.h"

/* Numbers in [0, 1), of f64 if e is f64, else f32, which depend on the name of the op's result, on
 * the iterations of the loops around it, and on its attribute seed, or else on the seed of the
 * run. */
fv_value *fv_w_random(fv_rewriter *w, fv_op *op, fv_elem e, int rank, const fv_dim *const *dims);
/* The same with an operand as seed: an integer scalar, or NULL for 0. */
fv_value *fv_w_random_seeded(fv_rewriter *w, fv_op *op, fv_value *seed, fv_elem e, int rank,
                             const fv_dim *const *dims);

#endif
