/* weights.h - how much of the weights goes by before one of them is read again: which cache they
 * come from. */
#ifndef FV_BACKEND_LOWERING_WEIGHTS_H
#define FV_BACKEND_LOWERING_WEIGHTS_H

#include "backend/lowering/lowering.h"

/* Bytes of the constants of the module that are used. */
int64_t fv_weights_of(const fv_module *m);
/* Ops are scheduled in their order, and that mark of a loop, or of its end, is the next: sets
 * weights of l. */
void fv_weights_pass(fv_lowerer *l, const fv_op *mark);
/* Bytes of the constants that are read from one time that op, which is scheduled, reads its own to
 * the next: those alone where it takes steps, those of the loop that it stands in, or all. */
int64_t fv_weights_between(const fv_lowerer *l, const fv_op *op);

#endif
