/* loops.h - a loop of the host program around launches. */
#ifndef FV_BACKEND_LOWERING_LOOPS_H
#define FV_BACKEND_LOWERING_LOOPS_H

#include "backend/lowering/lowering.h"

/* What is launched up to the end runs `times` times; `turn` is the symbol that says which time it
 * is. */
void fv_begin_loop(fv_lowerer *l, const fv_dim *turn, const fv_dim *times);
void fv_end_loop(fv_lowerer *l);
/* What a loop touches lives from its begin to its end: the next turn may read it. */
void fv_hold_through_loops(fv_lowerer *l);

#endif
