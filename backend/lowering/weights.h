/* weights.h - the bytes of weights that are read between two reads of the same weight: they decide
 * from which cache it is read. */
#ifndef FV_BACKEND_LOWERING_WEIGHTS_H
#define FV_BACKEND_LOWERING_WEIGHTS_H

#include "backend/lowering/lowering.h"

/* The bytes of all constants of the module that have uses. */
int64_t fv_weights_of(const fv_module *m);
/* Sets l->weights when the mark of a loop, or of its end, is reached; ops are scheduled in their
 * order. */
void fv_weights_pass(fv_lowerer *l, const fv_op *mark);
/* Bytes of constants that are read between two times that op, which is scheduled, reads its own:
 * those of op alone if it runs in steps, those of the loop around it, or all constants. */
int64_t fv_weights_between(const fv_lowerer *l, const fv_op *op);

#endif
