/* prove.h - proofs that two accesses to a buffer are always to different elements (for disjoint.c
 * and reuse.c), and that an index is within its axis.
 *
 * Index arithmetic is assumed not to overflow, unless the prover is `exact`. In kernels that are
 * compiled from models it does not: each accessed element exists, and sizes of buffers are computed
 * with saturation before a run. A kernel written by hand whose index wraps into range may have
 * tasks that store to the same element; its author is trusted. For untrusted authors (confine.h)
 * the prover is exact. */
#ifndef FV_IR_KERNEL_PROVE_H
#define FV_IR_KERNEL_PROVE_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/kernel.h"

typedef struct fv_prover {
    fv_arena *a;
    fv_ptrmap lets;  /* variable -> let statement */
    fv_ptrmap loops; /* variable -> for statement */
    /* the loop whose iterations are compared; NULL: two accesses in one iteration */
    const fv_stmt *loop;
    /* variables and tiles that differ between the two accesses -> their order in the text */
    fv_ptrmap inner;
    uintptr_t ninner;
    struct fv_atom **atoms;
    int natoms, cap_atoms;
    struct fv_atom *later;
    int steps, depth, bounds; /* counters that limit the proof: work done so far, and nesting */
    /* whether index arithmetic may wrap: then sums and products that may overflow are treated as
     * atoms */
    bool exact;
} fv_prover;

/* The expression a - b - less, of type i64. */
typedef struct fv_difference {
    const fv_expr *a, *b;
    int64_t less;
} fv_difference;

/* Registers a let or loop; required before its variable occurs in a proof. */
void fv_prover_learn(fv_prover *z, const fv_stmt *s);
/* Forgets the inner variables and starts proofs about another loop. */
void fv_prover_start(fv_prover *z, const fv_stmt *loop);
/* Registers a variable or tile that differs between iterations; must be called in order of the
 * text. */
void fv_prover_inner(fv_prover *z, const void *what);
/* Do the indices of the later and the earlier iteration differ on one of the first `rank` axes, for
 * all values of the inner variables of each? */
bool fv_prove_apart(fv_prover *z, int rank, fv_expr *const *later,
                    fv_expr *const *earlier) FV_MUST_USE;
/* Is it proved that the difference is non-negative if all n facts are? The proof uses one of the
 * facts, or none. Must be called after fv_prover_start with NULL, with the variables of surrounding
 * loops registered as inner ones. */
bool fv_prove_natural(fv_prover *z, const fv_difference *what, int n,
                      const fv_difference *facts) FV_MUST_USE;

#endif
