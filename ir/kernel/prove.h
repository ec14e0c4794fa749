/* prove.h - proofs that accesses to a buffer never meet, for disjoint.c and reuse.c, and that an
 * index is within its axis.
 *
 * Index arithmetic is taken not to wrap, unless the prover is `exact`. In kernels that are made of
 * models it does not: an element that is accessed is there, and the elements of a buffer are
 * counted, with saturation, before a run begins. One that was written by hand and wraps into range
 * may have tasks that store to one element: its author is trusted, and where he is not (confine.h)
 * the prover is exact. */
#ifndef FV_IR_KERNEL_PROVE_H
#define FV_IR_KERNEL_PROVE_H

#include "ir/base/ptrmap.h"
#include "ir/kernel/kernel.h"

typedef struct fv_prover {
    fv_arena *a;
    fv_ptrmap lets;      /* variable -> let statement */
    fv_ptrmap loops;     /* variable -> for statement */
    const fv_stmt *loop; /* whose iterations are compared; NULL: two places in the same one */
    /* what each of the two has of its own: variables and tiles -> in which place */
    fv_ptrmap inner;
    uintptr_t ninner;
    struct fv_atom **atoms;
    int natoms, cap_atoms;
    struct fv_atom *later;
    int steps, depth, bounds; /* so far; nested */
    bool exact;               /* a sum or product that may wrap is not looked into */
} fv_prover;

/* a - b - less, of i64. */
typedef struct fv_difference {
    const fv_expr *a, *b;
    int64_t less;
} fv_difference;

/* Lets and loops have to be known before they are met in a proof. */
void fv_prover_learn(fv_prover *z, const fv_stmt *s);
/* Forgets what was inner, and begins with another loop. */
void fv_prover_start(fv_prover *z, const fv_stmt *loop);
/* A variable or tile that differs from iteration to iteration; in the order of the text. */
void fv_prover_inner(fv_prover *z, const void *what);
/* Are the indices different on one of the first `rank` axes, whatever the later iteration and the
 * earlier are, and whatever the inner variables of each? */
bool fv_prove_apart(fv_prover *z, int rank, fv_expr *const *later,
                    fv_expr *const *earlier) FV_MUST_USE;
/* Is the difference at least 0, where each of the n facts is? Without a loop (fv_prover_start of
 * NULL); the variables of the loops around are inner. */
bool fv_prove_natural(fv_prover *z, const fv_difference *what, int n,
                      const fv_difference *facts) FV_MUST_USE;

#endif
