/* define.h - making the definitions of an op. */
#ifndef FV_IR_DEFINITION_DEFINE_H
#define FV_IR_DEFINITION_DEFINE_H

#include "ir/definition/definition.h"

/* Makes the definitions of all results of an op from its .formula or .define. False: it has neither
 * (without a diagnostic), or after a diagnostic. */
bool fv_define(fv_arena *a, fv_op *op, fv_definition **out) FV_MUST_USE;

#endif
