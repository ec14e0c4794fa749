/* speeds.h - the speeds of a core in cycles, from which times are predicted. */
#ifndef FV_BACKEND_COST_SPEEDS_H
#define FV_BACKEND_COST_SPEEDS_H

#include "ir/target/machine.h"

enum { FV_CACHE_LEVELS = 3 };

typedef struct fv_speeds {
    int vector_bytes; /* bytes of a vector register; of an element if there are no vectors */
    double ghz;       /* cycles in a nanosecond */
    /* per cycle: multiplications of vectors; all operations on vectors; loads and stores of
     * vectors; instructions of any kind */
    double multiplies, vectors, loads, stores, instructions;
    double division, root; /* cycles of one vector of f32, among independent ones */
    /* per cycle: bytes that a core reads from beyond each level of caches: from the second level,
     * from the last level, from memory */
    double beyond[FV_CACHE_LEVELS];
    double latency[FV_CACHE_LEVELS];  /* cycles until a line from there has come */
    double capacity[FV_CACHE_LEVELS]; /* bytes of each level of caches */
    double memory_all;                /* bytes per cycle that all threads together read */
    double region, handover;          /* cycles of a parallel region, of passing a line */
} fv_speeds;

/* The speeds of the target's processor: those that its profile states, otherwise those of its
 * family. */
fv_speeds fv_speeds_of(const fv_target *t);
/* The same speeds of a core whose clock has such a frequency that it does `gflops` 10^9 operations
 * per second by multiply-adds of vectors of that many lanes, and which reads `gbs` 10^9 bytes per
 * second from memory; 0: that is not known. Parallel regions stay as fast as they are. */
fv_speeds fv_speeds_at(const fv_speeds *s, double gflops, int lanes, double gbs);

#endif
