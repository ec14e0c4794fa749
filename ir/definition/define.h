/* define.h - makes the definitions of an op. */
#ifndef FV_IR_DEFINITION_DEFINE_H
#define FV_IR_DEFINITION_DEFINE_H

#include "ir/definition/definition.h"

/* Makes the definitions of all results of an op from its .formula or .define. False: the op has
 * neither (without a diagnostic), or an error was reported. */
bool fv_define(fv_arena *a, fv_op *op, fv_definition **out) FV_MUST_USE;

#endif
