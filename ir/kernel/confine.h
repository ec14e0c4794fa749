/* confine.h - safety of kernels from untrusted authors: they access only their own buffers and
 * terminate. */
#ifndef FV_IR_KERNEL_CONFINE_H
#define FV_IR_KERNEL_CONFINE_H

#include "ir/kernel/kernel.h"

/* Rewrites a legal kernel that is not expanded so that for all dims and data
 *   - each access whose index is not proved to be within its axis checks it with REQUIRE and is
 *     skipped otherwise;
 *   - a launch runs at most `turns` iterations: loops that may run more count them and end with
 *     REQUIRE; not counted are those of loops that are proved to run at most 4096, together with
 *     the loops within them;
 *   - no tile is read before it is written.
 *
 * 1 <= turns <= FV_MAX_CONFINED_ITERATIONS. A kernel that violates none of this computes the same
 * bits as before. False after a diagnostic: the kernel has statements of expanded kernels only, or
 * iterations of a parallel or vector loop are not proved to store different elements (index
 * arithmetic may wrap), or the variable of a loop may wrap, or the kernel is too large. */
bool fv_kernel_confine(fv_session *s, fv_kernel *k, int64_t turns) FV_MUST_USE;

#endif
