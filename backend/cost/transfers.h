/* transfers.h - the bytes that a loop moves into each level of caches: what it touches, how often,
 * and whether a cache still has it the next time.
 *
 * For each buffer that a kernel accesses, fv_moved has what one execution of a block or a loop
 * does. A block combines its statements and loops, a loop its iterations: what does not depend on
 * the loop's variable is moved once, if the cache holds all that an iteration touches. */
#ifndef FV_BACKEND_COST_TRANSFERS_H
#define FV_BACKEND_COST_TRANSFERS_H

#include "backend/cost/speeds.h"

typedef struct fv_moved {
    double touched; /* bytes that are accessed at least once */
    /* bytes that are moved into each level of caches; cycles that the core computes meanwhile */
    double bytes[FV_CACHE_LEVELS], during[FV_CACHE_LEVELS];
    uint64_t loops; /* the loops on which the addresses depend */
    uint64_t along; /* the loops that continue a run of consecutive elements */
    double run;     /* number of consecutive bytes that are accessed one after the other */
    bool stored;    /* whether the buffer is written */
    /* a prefetch reads the data during a whole loop before they are accessed */
    bool ahead;
} fv_moved;

/* An access of a statement. loops: those on which an index depends; along: those of them on which
 * an index depends whose neighbouring values are at most a cache line apart. */
typedef struct fv_access {
    double bytes;
    uint64_t loops, along;
    bool is_store, is_ahead;
} fv_access;

/* Adds to `block` what another part of the block accesses. */
void fv_moved_also(fv_moved *block, const fv_moved *part);
/* Called for each buffer of a loop that has ended and touches `together` bytes: a cache that holds
 * them all gets each touched byte of the buffer once. */
void fv_moved_end(fv_moved *loop, double together, const fv_speeds *s);
/* Adds an access of a statement to `block`; block->during is set later, when the time of an
 * iteration is known. */
void fv_moved_access(fv_moved *block, const fv_access *is);
/* The number of bytes that the n buffers of a block touch together. */
double fv_moved_touched(int n, const fv_moved *of);
/* Adds `trips` iterations, each of which accesses `body`, to `loop`. bit: the loop's bit in sets of
 * loops; touched: the bytes that an iteration touches of all buffers; size: the bytes of the
 * buffer, negative if that is not known. */
void fv_moved_repeat(fv_moved *loop, const fv_moved *body, double trips, uint64_t bit,
                     double touched, double size, const fv_speeds *s);

#endif
