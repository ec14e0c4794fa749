/* outline.h - what a block of a kernel takes from around it, for consumers that make a function of
 * it. */
#ifndef FV_BACKEND_CONSUMER_OUTLINE_H
#define FV_BACKEND_CONSUMER_OUTLINE_H

#include "ir/kernel/kernel.h"

typedef struct fv_outline {
    int nvars, nbufs, cap_vars, cap_bufs;
    fv_var **vars;  /* in the order in which they are met; those of the extents of buffers too */
    fv_buf **bufs;  /* the kernel's and tiles; no scalar tiles (ir/kernel/verify.c) */
    bool requires_; /* it has REQUIRE */
} fv_outline;

/* Of an expanded kernel's OUTLINE. */
fv_outline fv_outline_of(fv_arena *a, const fv_stmt *outline);

#endif
