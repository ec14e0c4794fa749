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
    /* bytes that are moved into each level, and the cycles of the computations meanwhile, of which
     * the moves are a part */
    double bytes[FV_CACHE_LEVELS], during[FV_CACHE_LEVELS];
    uint64_t loops; /* the loops on which the addresses depend */
    uint64_t along; /* those that go through consecutive elements, if no other does before */
    double run;     /* consecutive bytes that are accessed one after the other */
    bool stored;    /* it is written */
    /* a prefetch reads the data during a whole loop before they are accessed */
    bool ahead;
} fv_moved;

/* An access of a statement. */
typedef struct fv_access {
    double bytes;
    uint64_t loops, along; /* the loops on which all indices depend, and the last one */
    bool is_store, is_ahead;
} fv_access;

/* Adds to `block` what another part of the block accesses. */
void fv_moved_also(fv_moved *block, const fv_moved *part);
/* A loop has ended whose buffers touch that many bytes together: what a cache holds whole is moved
 * into it once. */
void fv_moved_end(fv_moved *loop, double together, const fv_speeds *s);
/* The access of a statement that is part of `block`, whose `during` is set when the time of an
 * iteration is known. */
void fv_moved_access(fv_moved *block, const fv_access *is);
/* What `n` buffers of a block touch together. */
double fv_moved_touched(int n, const fv_moved *of);
/* Adds `trips` iterations, which access `body`, to `loop`. bit: that of the loop; touched: what all
 * buffers of an iteration touch; size: bytes of the buffer, negative if not known. */
void fv_moved_repeat(fv_moved *loop, const fv_moved *body, double trips, uint64_t bit,
                     double touched, double size, const fv_speeds *s);

#endif
