/* definitions_verify_expr.h - verifies the expressions of definitions. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_EXPR_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_EXPR_H

#include "ir/definition/definitions_verify_parts.h"

/* Checks the nodes of x, and that its variables are bound in the definition that is checked. */
bool fv_dv_expr(fv_verifier *v, const fv_expr *x) FV_MUST_USE;
/* Have the n axes of a view as many elements as a value of that type, and are they sizes? */
bool fv_dv_is_view(const fv_verifier *v, const fv_type *type, int n,
                   const fv_dim *const *dims) FV_MUST_USE;

#endif
