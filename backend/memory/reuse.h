/* reuse.h - stores results in the memory of values that are not needed any more. */
#ifndef FV_BACKEND_MEMORY_REUSE_H
#define FV_BACKEND_MEMORY_REUSE_H

#include "backend/lowering/lowering.h"

/* Removes one copy from the steps: finds a value that is copied to a state of a loop and can be
 * computed in the memory of the state. Lifetimes must then be computed again. False: there is no
 * such value. */
bool fv_spare_copy(fv_lowerer *l) FV_MUST_USE;
/* Decides which values take the memory of others. Lifetimes must be known. */
void fv_reuse_memory(fv_lowerer *l);

#endif
