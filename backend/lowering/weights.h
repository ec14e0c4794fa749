/* weights.h - the bytes of weights that are read between two reads of the same weight: they decide
 * from which cache it is read. */
#ifndef FV_BACKEND_LOWERING_WEIGHTS_H
#define FV_BACKEND_LOWERING_WEIGHTS_H

#include "backend/lowering/lowering.h"

/* The bytes of all constants of the module that have uses. */
int64_t fv_weights_of(const fv_module *m);
/* Must be called when scheduling, which visits ops in order, reaches the mark `loop` or `endloop`:
 * sets l->current.weights. */
void fv_weights_pass(fv_lowerer *l, const fv_op *mark);
/* The bytes of constants that a run reads from one read of a constant of op, the op that is being
 * scheduled, to the next read of the same constant: the constants of op if it is a recurrence of
 * several steps, which read them again; otherwise those of the loop around op; outside of loops,
 * all constants. */
int64_t fv_weights_between(const fv_lowerer *l, const fv_op *op);

#endif
