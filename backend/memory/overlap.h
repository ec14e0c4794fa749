/* overlap.h - exchanges of ranks that take place while other kernels run. */
#ifndef FV_BACKEND_MEMORY_OVERLAP_H
#define FV_BACKEND_MEMORY_OVERLAP_H

#include "backend/lowering/lowering.h"

/* Where launches after a collective need neither its result nor the memory that it sends, the
 * collective only starts the exchange, and a new launch before the first one that needs these waits
 * for it. Unless an output grows in the memory of an input, launches that need nothing of an
 * exchange are moved before those that do, up to the next collective. Collectives keep their order.
 * Lifetimes must be computed after that: the launch that waits keeps both memories. */
void fv_overlap_exchanges(fv_lowerer *l);

#endif
