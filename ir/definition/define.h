/* define.h - the definitions of an op. */
#ifndef FV_IR_DEFINITION_DEFINE_H
#define FV_IR_DEFINITION_DEFINE_H

#include "ir/definition/definition.h"

/* Definitions of all results of an op, from its .formula or .define. False: it has neither (no
 * diagnostic), or a diagnostic was given. */
bool fv_define(fv_arena *a, fv_op *op, fv_definition **out) FV_MUST_USE;

#endif
