/* placement.h - computes the offsets of buffers in the workspace. */
#ifndef FV_BACKEND_MEMORY_PLACEMENT_H
#define FV_BACKEND_MEMORY_PLACEMENT_H

#include "backend/lowering/lowering.h"

/* The bytes that the buffers of the n values `list` take for the largest dims; if a lower bound of
 * these is more than `enough`, only that bound; -1: dims have no bounds. The values are in the
 * order of their first use. */
int64_t fv_placed_bytes(fv_lowerer *l, fv_storage **list, int n, int64_t enough);
/* Computes the offsets of the buffers of the n values `list`, which are in the order of their first
 * use. */
void fv_place_buffers(fv_lowerer *l, fv_storage **list, int n);

#endif
