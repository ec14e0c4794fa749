/* program_protocol.h - are the arguments of a run looked at before they are used? Of no interest
 * but to the verifier. */
#ifndef FV_IR_KERNEL_PROGRAM_PROTOCOL_H
#define FV_IR_KERNEL_PROGRAM_PROTOCOL_H

#include "ir/kernel/verifier.h"

/* What holds behind a CHECK, or within an IF. */
void fv_kv_learn(fv_kverifier *v, const fv_expr *condition);
/* READ, MEMORY, SETDIM; what PLAN repeats; the LET of a symbol or capacity. False after a
 * diagnostic. */
bool fv_kv_read(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
bool fv_kv_memory(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
bool fv_kv_told(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
void fv_kv_know_plan(fv_kverifier *v); /* its names are in scope, its checks hold */
bool fv_kv_plan(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
bool fv_kv_bind(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;

#endif
