/* transfers.h - the bytes that a loop moves into each level of caches: what it touches, how often,
 * and whether a cache still has it the next time.
 *
 * For each buffer that a kernel accesses, fv_moved has what one execution of a block or a loop
 * does. A block combines its statements and loops, a loop its iterations: what does not depend on
 * the loop's variable is moved once, if the cache holds all that an iteration touches. */
#ifndef FV_BACKEND_COST_TRANSFERS_H
#define FV_BACKEND_COST_TRANSFERS_H

#include "backend/cost/speeds.h"
#include "backend/cost/windows.h"

enum { FV_STRIDES = 4, FV_LINE = 64 }; /* FV_LINE: bytes of a cache line */

/* How a value depends on the number of the task, of which kernels compute block and panel by
 * division. */
typedef struct fv_task_order {
    double same; /* number of consecutive tasks that have the same value; 0: all, or not known */
    /* the same of that part of the value that changes most rarely, such as the row of an image:
     * tasks of two neighbouring rows may access the same memory */
    double most;
    bool cyclic; /* the values repeat after some tasks, as a remainder does */
} fv_task_order;

/* Iterations of a loop on which the addresses of a buffer depend: their number, and the sums of the
 * bytes that each of them touches of this buffer, and of all buffers. */
typedef struct fv_iterations {
    double n, touched, together;
} fv_iterations;

typedef struct fv_moved {
    double touched; /* bytes that are accessed at least once */
    /* bytes that are moved into each level of caches; cycles that the core computes meanwhile */
    double bytes[FV_CACHE_LEVELS], during[FV_CACHE_LEVELS];
    uint64_t loops; /* the loops on which the addresses depend */
    /* along[i]: loops whose neighbouring values are at most 64 << i bytes apart. They continue a
     * run of consecutive bytes if an iteration accesses as many of these bytes */
    uint64_t along[FV_STRIDES];
    double run;          /* number of consecutive bytes that are accessed one after the other */
    bool stored, loaded; /* whether the buffer is written, and whether it is read */
    /* a prefetch reads the data during a whole loop before they are accessed */
    bool ahead;
    fv_task_order order;      /* how the addresses depend on the number of the task */
    fv_iterations iterations; /* of a loop that has not ended */
    fv_windows windows;
} fv_moved;

/* An access of a statement. loops: those on which an index depends; along: as in fv_moved. */
typedef struct fv_access {
    double bytes;
    uint64_t loops, along[FV_STRIDES];
    bool is_store, is_ahead;
    fv_task_order order;
    fv_windows windows; /* the elements that are accessed */
} fv_access;

/* Adds to `block` what another part of the block accesses. */
void fv_moved_also(fv_moved *block, const fv_moved *part);
/* Called for each buffer of a loop that has ended, whose iterations `threads` threads divide into
 * consecutive parts. A part touches `together` bytes: a cache that holds them all gets each touched
 * byte of the buffer once, each core's caches for each part. An iteration may access what an
 * earlier one of its part has accessed, if they access more than the `size` bytes of the buffer:
 * then caches have it that hold what was accessed since. size: negative if it is not known. */
void fv_moved_end(fv_moved *loop, double together, double threads, double size, const fv_speeds *s);
/* The bytes that one of `threads` threads touches, before fv_moved_end. */
double fv_moved_by_thread(const fv_moved *loop, double threads);
/* The order of a value that is computed from both. */
fv_task_order fv_order_of_both(fv_task_order a, fv_task_order b);
/* Adds an access of a statement to `block`; block->during is set later, when the time of an
 * iteration is known. */
void fv_moved_access(fv_moved *block, const fv_access *is);
/* The number of bytes that the n buffers of a block touch together. */
double fv_moved_touched(int n, const fv_moved *of);
/* Adds `trips` iterations, each of which accesses `body`, to `loop`. What an iteration accesses as
 * the one before it did is not moved again by a cache that holds what an iteration touches. bit:
 * the loop's bit in sets of loops; touched: the bytes that an iteration touches of all buffers;
 * size: the bytes of the buffer, negative if that is not known. fv_moved_end follows. */
void fv_moved_repeat(fv_moved *loop, const fv_moved *body, double trips, uint64_t bit,
                     double touched, double size, const fv_speeds *s);

#endif
