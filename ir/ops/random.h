/* random.h - random numbers, for operators that draw them. */
#ifndef FV_IR_OPS_RANDOM_H
#define FV_IR_OPS_RANDOM_H

#include "ir/graph/rewriter.h"

/* Numbers in [0, 1), f64 where e is that, else f32, that the op's seed and the name of its result tell; without a seed
 * the name alone, and a note. */
fv_value *fv_w_random(fv_rewriter *w, fv_op *op, fv_elem e, int rank, const fv_dim *const *dims);

#endif
