/* placement.h - computes the offsets of buffers in the workspace. */
#ifndef FV_BACKEND_MEMORY_PLACEMENT_H
#define FV_BACKEND_MEMORY_PLACEMENT_H

#include "backend/lowering/lowering.h"

/* The size of a value with the largest dims, rounded up to a multiple of `unit` bytes; -1: dims
 * have no bounds, or bounds that no memory could hold. */
int64_t fv_largest_bytes(const fv_type *t, int64_t unit);
/* The end of the highest of the buffers of the n values `list`, placed for the largest dims; a
 * lower bound of it if that is above `enough`; -1: dims have no bounds. The values are in the order
 * of their first use. */
int64_t fv_placed_bytes(fv_lowerer *l, fv_storage **list, int n, int64_t enough);
/* Computes the offsets of the buffers of the n values `list`, which are in the order of their first
 * use. */
void fv_place_buffers(fv_lowerer *l, fv_storage **list, int n);

#endif
