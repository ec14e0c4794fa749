/* by_hand.h - kernels that somebody wrote, in the place of those that lowering made. */
#ifndef FV_DRIVER_BY_HAND_H
#define FV_DRIVER_BY_HAND_H

#include "ir/kernel/program.h"

typedef struct fv_hand_kernel {
    const char *text; /* `kernel NAME(..) {..}` */
    const char *path; /* of whoever declares it, for messages; and where */
    int line;
} fv_hand_kernel;

typedef struct fv_hand_kernels {
    /* iterations that a launch of one may take; 0: they are trusted, as the text of a program is */
    int64_t turns;
    int n;
    const fv_hand_kernel *at;
} fv_hand_kernels;

/* Each takes the place of the kernel of its name in the program, which is not expanded yet. It has
 * to have the same parameters, and to give the same bits: both are run on random inputs, at dims of
 * 0, 1 and odd ones within their bounds. False after a diagnostic: there is no such kernel, it is
 * another one's, or an element differs. One that is not trusted is confined (ir/kernel/confine.h),
 * and takes the place of no kernel on whose results others rely without looking: one that an
 * operator has built by itself, or that writes integers which are no output. */
bool fv_driver_replace_kernels(fv_session *s, fv_program *p,
                               const fv_hand_kernels *list) FV_MUST_USE;

#endif
