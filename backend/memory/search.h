/* search.h - places buffers with known lifetimes and sizes below a limit. */
#ifndef FV_BACKEND_MEMORY_SEARCH_H
#define FV_BACKEND_MEMORY_SEARCH_H

#include "ir/base/arena.h"

/* A buffer of `size` > 0 bytes that is alive from step `first` to step `last`. */
typedef struct fv_interval {
    int first, last;
    int64_t size, at; /* `at`: the offset, which the search sets */
    int number;       /* used by the search: its index in the array of the caller */
} fv_interval;

/* Searches for the lowest placement in which buffers that are alive at the same time are disjoint.
 * It ends at `bound`, the largest sum of sizes that are alive at once, or above it, and below
 * `end`; both are sums of sizes. Returns the end of the highest buffer, with the offsets set;
 * `end`: nothing lower was found, and the offsets are not set. `*proved`: no placement ends lower
 * than the result. The work is limited. */
int64_t fv_pack(fv_arena *a, int n, fv_interval *items, int64_t bound, int64_t end, bool *proved);

#endif
