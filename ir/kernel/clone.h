/* clone.h - complete copies of kernels and programs, in memory of their own: making them takes
 * several times the memory that they have, which can be freed then. */
#ifndef FV_IR_KERNEL_CLONE_H
#define FV_IR_KERNEL_CLONE_H

#include "ir/kernel/program.h"

/* A copy of the kernel. Its parameters, names and schedule stay those of `k`: they must live as
 * long as the copy. */
fv_kernel *fv_kernel_clone(fv_arena *a, const fv_kernel *k);

/* A copy of the program, which shares the target, the dims and the data of constants with `p`.
 * Buffers of the copy have no graph values. */
fv_program *fv_program_clone(fv_arena *a, const fv_program *p);

#endif
