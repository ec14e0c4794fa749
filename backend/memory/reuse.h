/* reuse.h - results in the memory of what dies. */
#ifndef FV_BACKEND_MEMORY_REUSE_H
#define FV_BACKEND_MEMORY_REUSE_H

#include "backend/lowering/lowering.h"

/* Which values take the memory of others; lifetimes are known. */
void fv_reuse_memory(fv_lowerer *l);

#endif
