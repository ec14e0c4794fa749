/* program_protocol.h - the part of the verifier that checks that arguments of a run are checked
 * before they are used. */
#ifndef FV_IR_KERNEL_PROGRAM_PROTOCOL_H
#define FV_IR_KERNEL_PROGRAM_PROTOCOL_H

#include "ir/kernel/verifier.h"

/* Records that a condition holds: after a CHECK, or within an IF. */
void fv_kv_learn(fv_kverifier *v, const fv_expr *condition);
/* Check READ, MEMORY, SETDIM, PLAN and the LET of a symbol or capacity. False after a
 * diagnostic. */
bool fv_kv_read(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
bool fv_kv_memory(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
bool fv_kv_report(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
/* brings the names of the plan into scope and records its checks */
void fv_kv_know_plan(fv_kverifier *v);
bool fv_kv_plan(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;
bool fv_kv_bind(fv_kverifier *v, const fv_stmt *s) FV_MUST_USE;

#endif
