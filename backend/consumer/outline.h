/* outline.h - what a block of a kernel uses from outside, for consumers that make a function of
 * it. */
#ifndef FV_BACKEND_CONSUMER_OUTLINE_H
#define FV_BACKEND_CONSUMER_OUTLINE_H

#include "ir/kernel/kernel.h"

typedef struct fv_outline {
    int nvars, nbufs, cap_vars, cap_bufs;
    fv_var **vars;  /* variables in order of occurrence, those in extents of buffers included */
    fv_buf **bufs;  /* buffers of the kernel, and tiles except scalar ones (ir/kernel/verify.c) */
    bool requires_; /* whether it contains a REQUIRE */
} fv_outline;

/* For an OUTLINE statement of an expanded kernel. */
fv_outline fv_outline_of(fv_arena *a, const fv_stmt *outline);

#endif
