/* by_hand.h - replaces kernels that lowering made by kernels that a user wrote. */
#ifndef FV_DRIVER_BY_HAND_H
#define FV_DRIVER_BY_HAND_H

#include "ir/kernel/program.h"

typedef struct fv_hand_kernel {
    const char *text; /* the kernel as text: `kernel NAME(..) {..}` */
    const char *path; /* the file and the line that declare the kernel, for messages */
    int line;
} fv_hand_kernel;

typedef struct fv_hand_kernels {
    /* the number of iterations that one launch of a handwritten kernel may execute; 0: the kernels
     * are trusted and not limited */
    int64_t turns;
    int n;
    const fv_hand_kernel *at;
} fv_hand_kernels;

/* Replaces the kernels of these names in the program, which must not be expanded yet. A kernel must
 * have the same parameters as the one that it replaces, and compute the same bits: both are run on
 * random inputs, with dims of 0, 1, 2 and odd numbers up to 129, within their bounds. False after a
 * diagnostic: there is no such kernel, the parameters differ, or an element differs. A kernel that
 * is not trusted is confined (ir/kernel/confine.h). It cannot replace a kernel whose results other
 * kernels use without checks: a custom kernel, or one that writes integers which are not an output
 * or which another kernel reads, too. */
bool fv_driver_replace_kernels(fv_session *s, fv_program *p,
                               const fv_hand_kernels *list) FV_MUST_USE;

#endif
