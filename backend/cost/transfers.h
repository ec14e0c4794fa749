/* transfers.h - the bytes that a loop moves into each level of caches: what it touches, how often,
 * and whether a cache still has it the next time.
 *
 * An fv_moved describes how one execution of a block or loop accesses one buffer. That of a block
 * is combined from its statements and loops, that of a loop from its iterations: data whose
 * addresses do not depend on the loop's variable are moved once, if the cache holds all that an
 * iteration touches. */
#ifndef FV_BACKEND_COST_TRANSFERS_H
#define FV_BACKEND_COST_TRANSFERS_H

#include "backend/cost/speeds.h"
#include "backend/cost/windows.h"

enum { FV_STRIDES = 4, FV_LINE = 64 }; /* FV_LINE: bytes of a cache line */

/* How a value depends on the number of the task. Kernels compute the numbers of a task's block and
 * panel from it by division. */
typedef struct fv_task_order {
    double same; /* number of consecutive tasks that have the same value; 0: all, or not known */
    /* the number of consecutive tasks for which the part of the value stays the same that changes
     * most rarely, such as the row of an image: tasks of two neighbouring rows may access the same
     * memory */
    double most;
    bool cyclic; /* the values repeat after some tasks, as a remainder does */
} fv_task_order;

/* n: the number of iterations of a loop on which the addresses of a buffer depend. touched,
 * together: the sums, over these iterations, of the bytes that each one touches of this buffer, and
 * of all buffers. */
typedef struct fv_iterations {
    double n, touched, together;
} fv_iterations;

typedef struct fv_moved {
    double touched; /* bytes that are accessed at least once */
    /* for each level of caches: bytes that are moved into it; cycles that the core computes during
     * these moves */
    double bytes[FV_CACHE_LEVELS], during[FV_CACHE_LEVELS];
    uint64_t loops; /* the loops on which the addresses depend */
    /* along[i]: loops from one iteration to the next of which the address moves by at most 64 << i
     * bytes. If an iteration accesses that many consecutive bytes, the iterations form one run */
    uint64_t along[FV_STRIDES];
    double run;          /* number of consecutive bytes that are accessed one after the other */
    bool stored, loaded; /* whether the buffer is written, and whether it is read */
    /* whether a prefetch reads the data, a whole loop before they are accessed */
    bool ahead;
    fv_task_order order;      /* how the addresses depend on the number of the task */
    fv_iterations iterations; /* of a loop that has not ended */
    fv_windows windows;
} fv_moved;

/* An access of a statement. loops: those on which an index depends; along: as in fv_moved. */
typedef struct fv_cost_access {
    double bytes;
    uint64_t loops, along[FV_STRIDES];
    bool is_store, is_ahead;
    fv_task_order order;
    fv_windows windows; /* the elements that are accessed */
} fv_cost_access;

/* Adds to `block` what another part of the block accesses. */
void fv_moved_add(fv_moved *block, const fv_moved *part);
/* Must be called for each buffer of a loop when the loop ends: reduces the moved bytes by those
 * that a cache still has.
 *  together  bytes of all buffers that a part of the iterations touches. `threads` threads divide
 *            the iterations into consecutive parts; the caches of a core see one part. A cache that
 *            holds `together` bytes loads each touched byte of the buffer once per part
 *  size      bytes of the buffer; negative: not known. If the iterations of a part access more than
 *            these in all, some bytes are accessed again: a cache still has them if it holds what
 *            was accessed since */
void fv_moved_end(fv_moved *loop, double together, double threads, double size, const fv_speeds *s);
/* The bytes that one of `threads` threads touches, before fv_moved_end. */
double fv_moved_by_thread(const fv_moved *loop, double threads);
/* The order of a value that is computed from two values with the orders a and b. */
fv_task_order fv_order_of_both(fv_task_order a, fv_task_order b);
/* Adds an access of a statement to `block`; block->during is set later, when the time of an
 * iteration is known. */
void fv_moved_access(fv_moved *block, const fv_cost_access *is);
/* The number of bytes that the n buffers of a block touch together. */
double fv_moved_touched(int n, const fv_moved *of);
/* Adds `trips` iterations, each of which accesses `body`, to `loop`. Data that the iteration before
 * has accessed as well are not moved again into a cache that holds what an iteration touches.
 *  bit      the loop's bit in sets of loops
 *  touched  bytes of all buffers that an iteration touches
 *  size     bytes of the buffer; negative: not known
 * After the last call for a loop, fv_moved_end must be called. */
void fv_moved_repeat(fv_moved *loop, const fv_moved *body, double trips, uint64_t bit,
                     double touched, double size, const fv_speeds *s);

#endif
