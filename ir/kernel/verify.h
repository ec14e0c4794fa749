/* verify.h - the verifier of kernels and programs. */
#ifndef FV_IR_KERNEL_VERIFY_H
#define FV_IR_KERNEL_VERIFY_H

#include "ir/kernel/program.h"

/* Checks types, scopes, ranks and roles, and that iterations of parallel and vector loops are
 * proved to store different elements. Errors name kernel and statement. */
bool fv_kernel_verify(fv_session *s, const fv_kernel *k) FV_MUST_USE;
/* fv_kernel_verify for a kernel whose index arithmetic is not trusted: the proofs hold even if it
 * wraps. */
bool fv_kernel_verify_exact(fv_session *s, const fv_kernel *k) FV_MUST_USE;
bool fv_program_verify(fv_session *s, const fv_program *p) FV_MUST_USE;

#endif
