/* definitions_verify_recurrence.h - verifies recurrences. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_RECURRENCE_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_RECURRENCE_H

#include "ir/definition/definitions_verify_parts.h"

/* Checks the recurrence of an op. */
bool fv_dv_recurrence(fv_verifier *v, const fv_op *op, fv_recurrence *r) FV_MUST_USE;

#endif
