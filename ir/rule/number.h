/* number.h - evaluates numbers in rules. */
#ifndef FV_IR_RULE_NUMBER_H
#define FV_IR_RULE_NUMBER_H

#include "ir/syntax/ast.h"
#include "ir/type/type.h"

/* Evaluates a number without names of values: 0.5, sqrt(2), 2 * pi. False: `a` is not such a
 * number. */
bool fv_rule_number(const fv_ast *a, double *out) FV_MUST_USE;
/* Evaluates an expression that is known to be a number; asserts that it is. */
double fv_rule_value(const fv_ast *a);
/* Is x equal to `want` rounded to type e? */
bool fv_rule_rounds_to(fv_elem e, double want, double x) FV_MUST_USE;
/* Does `c ~ e` hold for a constant c of that type: within FV_ABOUT_ULPS ulp? */
enum { FV_ABOUT_ULPS = 2 };
bool fv_rule_is_about(fv_elem type, double c, double e) FV_MUST_USE;

#endif
