/* confine.h - kernels whose author is not trusted: they reach nothing but what they are given, and
 * end. */
#ifndef FV_IR_KERNEL_CONFINE_H
#define FV_IR_KERNEL_CONFINE_H

#include "ir/kernel/kernel.h"

/* Rewrites a legal kernel that is not expanded, so that whatever its dims and data are
 *   - each access whose index is not proved to be within its axis asks for it by REQUIRE, and does
 *     nothing where it is not;
 *   - a launch takes no more than so many iterations: loops that might take more count, and end by
 *     REQUIRE;
 *   - no tile is read before it is written.
 * `turns` is at least 1, and at most FV_MAX_CONFINED_TURNS. A kernel that breaks none of this has
 * the same bits as before. False after a diagnostic: it holds what only expanded kernels have,
 * iterations that run at a time are not proved to store different elements whatever wraps, or it is
 * too large. */
bool fv_kernel_confine(fv_session *s, fv_kernel *k, int64_t turns) FV_MUST_USE;

#endif
