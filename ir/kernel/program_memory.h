/* program_memory.h - checks of buffers that share bytes of the workspace. */
#ifndef FV_IR_KERNEL_PROGRAM_MEMORY_H
#define FV_IR_KERNEL_PROGRAM_MEMORY_H

#include "ir/kernel/verifier.h"

/* Do two buffers of the workspace share bytes? Only offsets and sizes that are constants are
 * compared, and offsets that are equal expressions; of others the answer is false. */
bool fv_bufs_overlap(const fv_buf *a, const fv_buf *b) FV_MUST_USE;
/* On every path through the run, does each buffer of the workspace keep what was written to it
 * until its last use? Another buffer that overlaps it must not be written in between. Parameters
 * that a kernel both reads and writes are not checked. False after a diagnostic. */
bool fv_kv_memory_lasts(fv_kverifier *v) FV_MUST_USE;

#endif
