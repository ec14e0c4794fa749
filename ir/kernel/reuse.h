/* reuse.h - results in the memory of operands. */
#ifndef FV_IR_KERNEL_REUSE_H
#define FV_IR_KERNEL_REUSE_H

#include "ir/kernel/kernel.h"

/* Are they a parameter and another one, an output, of one type, and of equal extents? */
bool fv_kernel_alike(const fv_kernel *k, int from, int to) FV_MUST_USE;
/* Lets the output `to` of a kernel that is not expanded lie in the memory of the input `from`, or
 * of an output whose content nobody wants, where that is proved to change nothing else: the kernel
 * has the one inout parameter then, and `from` is gone. */
bool fv_kernel_reuse(fv_kernel *k, int from, int to) FV_MUST_USE;

#endif
