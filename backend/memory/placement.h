/* placement.h - computes the offsets of buffers in the workspace. */
#ifndef FV_BACKEND_MEMORY_PLACEMENT_H
#define FV_BACKEND_MEMORY_PLACEMENT_H

#include "backend/lowering/lowering.h"

/* Computes the offsets of the buffers of n values, which are in the order of their first use. */
void fv_place_buffers(fv_lowerer *l, fv_storage **list, int n);

#endif
