/* reuse.h - storing results of a kernel in the memory of its operands. */
#ifndef FV_IR_KERNEL_REUSE_H
#define FV_IR_KERNEL_REUSE_H

#include "ir/kernel/kernel.h"

/* Is `to` an output that has the same type and equal extents as another parameter, `from`? */
bool fv_kernel_alike(const fv_kernel *k, int from, int to) FV_MUST_USE;
/* Makes the output `to` of a kernel that is not expanded share the memory of the input `from` (or
 * of an output whose content is not needed), if this is proved not to change results. Both
 * parameters become one inout parameter, and `from` is removed. False: not proved. */
bool fv_kernel_reuse(fv_kernel *k, int from, int to) FV_MUST_USE;

#endif
