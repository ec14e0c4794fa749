/* outline.h - finds which variables and buffers from outside a block of a kernel uses, for
 * consumers that make a function of the block. */
#ifndef FV_BACKEND_CONSUMER_OUTLINE_H
#define FV_BACKEND_CONSUMER_OUTLINE_H

#include "ir/kernel/kernel.h"

typedef struct fv_outline {
    int nvars, nbufs, cap_vars, cap_bufs;
    fv_var **vars; /* the variables in order of occurrence, including those in extents of
                     * buffers, except for first extents, on which no address depends */
    /* the buffers of the kernel, and its tiles except scalar ones (ir/kernel/verify.c) */
    fv_buf **bufs;
    bool requires_; /* whether it contains a REQUIRE */
} fv_outline;

/* Finds what the block of an OUTLINE statement in an expanded kernel uses. */
fv_outline fv_outline_of(fv_arena *a, const fv_stmt *outline);

#endif
