/* program_fit.h - buffers of a program within memory. */
#ifndef FV_IR_KERNEL_PROGRAM_FIT_H
#define FV_IR_KERNEL_PROGRAM_FIT_H

#include "ir/kernel/verifier.h"

/* Do the buffers of the program lie within constants, workspace and ports? */
bool fv_kv_fits(fv_kverifier *v) FV_MUST_USE;

#endif
