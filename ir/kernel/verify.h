/* verify.h - is a kernel legal, is a program? */
#ifndef FV_IR_KERNEL_VERIFY_H
#define FV_IR_KERNEL_VERIFY_H

#include "ir/kernel/program.h"

/* Legal? Types, scopes, ranks, roles; parallel and vector loops proved to store disjoint elements.
 * Reports as internal errors, naming kernel and statement. */
bool fv_kernel_verify(fv_session *s, const fv_kernel *k) FV_MUST_USE;
/* The same of a kernel whose index arithmetic is not trusted: the proofs hold whatever wraps. */
bool fv_kernel_verify_exact(fv_session *s, const fv_kernel *k) FV_MUST_USE;
bool fv_program_verify(fv_session *s, const fv_program *p) FV_MUST_USE;

#endif
