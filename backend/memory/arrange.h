/* arrange.h - puts launches into an order that needs less memory. */
#ifndef FV_BACKEND_MEMORY_ARRANGE_H
#define FV_BACKEND_MEMORY_ARRANGE_H

#include "backend/lowering/lowering.h"

/* Changes the order of launches between two other steps of the host program, where that reduces the
 * bytes that are alive at once and all launches read what they read before. Keeps the order of
 * launches whose values have sizes without bounds, or that are very many, and does nothing if an
 * output grows in the memory of an input. `reuses`: results may be stored over operands. Sets
 * m->least_alive if no dims decide the sizes of the values, and m->order_kept. Returns whether an
 * order has changed; lifetimes, which must be known, are then to be computed again. */
bool fv_arrange_steps(fv_lowerer *l, bool reuses, fv_program_memory *m) FV_MUST_USE;

#endif
