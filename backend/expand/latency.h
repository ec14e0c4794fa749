/* latency.h - vector loops whose iterations are long chains of dependent operations. */
#ifndef FV_BACKEND_EXPAND_LATENCY_H
#define FV_BACKEND_EXPAND_LATENCY_H

#include "ir/kernel/kernel.h"

/* The number of vectors (1 or 2) that the vector loop should compute at a time, so that the
 * operations of one are executed while those of the other wait for operands. */
int fv_vectors_to_overlap(fv_arena *a, const fv_stmt *loop);

#endif
