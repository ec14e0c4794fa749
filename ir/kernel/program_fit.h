/* program_fit.h - checks that buffers are within their memory. */
#ifndef FV_IR_KERNEL_PROGRAM_FIT_H
#define FV_IR_KERNEL_PROGRAM_FIT_H

#include "ir/kernel/verifier.h"

/* Are the buffers of the program within constants, workspace and ports, for a few values of its
 * symbols? What depends on data is not checked. False after a diagnostic. */
bool fv_kv_fits(fv_kverifier *v) FV_MUST_USE;

#endif
