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

/* Searches for the placement that takes the fewest bytes, in which buffers that are alive at the
 * same time are disjoint.
 *  bound   the largest sum of sizes that are alive at once, so no placement takes less
 *  end     the bytes of a placement that is known; the search looks for one that takes less
 *  proved  out: whether no placement takes less than the result
 * Returns the bytes of the placement found, whose offsets are set; `end`: none was found, and the
 * offsets are not set. The work is limited. */
int64_t fv_pack(fv_arena *a, int n, fv_interval *items, int64_t bound, int64_t end, bool *proved);

#endif
