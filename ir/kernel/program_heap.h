/* program_heap.h - checks of buffers that the run allocates. */
#ifndef FV_IR_KERNEL_PROGRAM_HEAP_H
#define FV_IR_KERNEL_PROGRAM_HEAP_H

#include "ir/kernel/verifier.h"

/* On every path through the run, is each buffer allocated when it is used or freed, and not
 * allocated twice? False after a diagnostic. */
bool fv_kv_heap(fv_kverifier *v) FV_MUST_USE;

#endif
