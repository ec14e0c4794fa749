/* placement.h - where the workspace has its buffers. */
#ifndef FV_BACKEND_MEMORY_PLACEMENT_H
#define FV_BACKEND_MEMORY_PLACEMENT_H

#include "backend/lowering/lowering.h"

/* Offsets in the workspace, for n values in the order of their first use. */
void fv_place_buffers(fv_lowerer *l, fv_storage **list, int n);

#endif
