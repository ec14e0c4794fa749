/* verify_parts.h - interface between the verifiers of kernels and of programs. */
#ifndef FV_IR_KERNEL_VERIFY_PARTS_H
#define FV_IR_KERNEL_VERIFY_PARTS_H

#include "ir/kernel/verifier.h"

bool fv_kv_expr(fv_kverifier *v, const fv_expr *x) FV_MUST_USE;
/* Checks an expression whose variables get their values at run time: whether they have them is
 * checked where the expression is used. */
bool fv_kv_later(fv_kverifier *v, const fv_expr *x) FV_MUST_USE;
bool fv_kv_block(fv_kverifier *v, const fv_block *block) FV_MUST_USE;

bool fv_kv_host_stmt(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;

#endif
