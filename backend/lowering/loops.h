/* loops.h - loops of the host program around the launches of a recurrence. They do not nest. */
#ifndef FV_BACKEND_LOWERING_LOOPS_H
#define FV_BACKEND_LOWERING_LOOPS_H

#include "backend/lowering/lowering.h"

/* Begins a loop that runs the launches up to fv_end_loop `times` times; the symbol `iteration` is
 * the number of the iteration. */
void fv_begin_loop(fv_lowerer *l, const fv_dim *iteration, const fv_dim *times);
void fv_end_loop(fv_lowerer *l);
/* Keeps the memory that a loop uses alive from its begin to its end, since the next iteration may
 * read it. */
void fv_hold_through_loops(fv_lowerer *l);

#endif
