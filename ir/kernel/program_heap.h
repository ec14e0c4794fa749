/* program_heap.h - buffers of a program that the caller's allocator gives. */
#ifndef FV_IR_KERNEL_PROGRAM_HEAP_H
#define FV_IR_KERNEL_PROGRAM_HEAP_H

#include "ir/kernel/verifier.h"

/* Is each allocated where the run uses or frees it, and not where it allocates it, whichever way it
 * took? */
bool fv_kv_heap(fv_kverifier *v) FV_MUST_USE;

#endif
