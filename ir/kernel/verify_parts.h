/* verify_parts.h - what the verifiers of kernels and of programs have of each other. */
#ifndef FV_IR_KERNEL_VERIFY_PARTS_H
#define FV_IR_KERNEL_VERIFY_PARTS_H

#include "ir/kernel/verifier.h"

bool fv_kv_expr(fv_kverifier *v, const fv_expr *x) FV_MUST_USE;
/* An expression whose variables the run gives: whether they are there is asked where it is used. */
bool fv_kv_later(fv_kverifier *v, const fv_expr *x) FV_MUST_USE;
bool fv_kv_block(fv_kverifier *v, const fv_block *block) FV_MUST_USE;

bool fv_kv_host_stmt(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;

#endif
