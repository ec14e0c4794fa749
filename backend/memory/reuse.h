/* reuse.h - results in the memory of what dies. */
#ifndef FV_BACKEND_MEMORY_REUSE_H
#define FV_BACKEND_MEMORY_REUSE_H

#include "backend/lowering/lowering.h"

/* Makes one value, of which a state of a loop would be a copy, in the memory of that state, and
 * takes the copy out of the steps: lifetimes are to be found anew. False: there is none. */
bool fv_spare_copy(fv_lowerer *l) FV_MUST_USE;
/* Which values take the memory of others; lifetimes are known. */
void fv_reuse_memory(fv_lowerer *l);

#endif
