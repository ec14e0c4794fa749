/* speeds.h - the speeds of a core in cycles, from which times are predicted. */
#ifndef FV_BACKEND_COST_SPEEDS_H
#define FV_BACKEND_COST_SPEEDS_H

#include "ir/target/machine.h"

enum { FV_CACHE_LEVELS = 3 };

/* Cycles of a vector of f32, if many are independent. */
typedef struct fv_divider {
    double division, root;
} fv_divider;

/* Bytes of vectors. */
typedef struct fv_widths {
    int bytes; /* of a vector register of the target; of an element if there are no vectors */
    /* of the part of a vector that a unit executes at a time; 0: vectors of all widths take as long
     * as each other */
    int datapath;
} fv_widths;

typedef struct fv_speeds {
    fv_widths vector;
    double ghz; /* cycles in a nanosecond */
    /* per cycle: multiplications of vectors; all operations on vectors; loads and stores of
     * vectors; instructions of any kind */
    double multiplies, vectors, loads, stores, instructions;
    double load_delay; /* cycles by which a load delays multiplications of the same loop */
    fv_divider divider;
    /* per cycle: bytes that a core reads from beyond each level of caches: from the second level,
     * from the last level, from memory */
    double beyond[FV_CACHE_LEVELS];
    double misses; /* number of lines that a core loads at the same time without prefetching them */
    double latency[FV_CACHE_LEVELS]; /* cycles of loading a line from level 2, level 3, memory */
    /* bytes of each level of caches; of the last one, what was measured to stay there, otherwise
     * half of it, since other programs use it */
    double capacity[FV_CACHE_LEVELS];
    double memory_all; /* bytes per cycle that all threads read from memory */
    double region;     /* cycles of an empty parallel region: its threads start and end */
} fv_speeds;

/* The speeds of the target's processor: those that its profile states, otherwise those of its
 * family. Profiles and families state them for the widest vectors of the processor; narrower ones
 * are faster if its units execute the widest ones in several passes. */
fv_speeds fv_speeds_of(const fv_target *t);
/* The speeds s of a core whose clock has another frequency: the one at which multiply-adds of
 * vectors of `lanes` lanes do `gflops` 10^9 operations per second. It reads `gbs` 10^9 bytes per
 * second from memory; 0: as many as s states. Latencies of memory and parallel regions take as many
 * nanoseconds as in s. */
fv_speeds fv_speeds_at(const fv_speeds *s, double gflops, int lanes, double gbs);

#endif
