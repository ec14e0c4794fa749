/* number.h - numbers in rules. */
#ifndef FV_IR_RULE_NUMBER_H
#define FV_IR_RULE_NUMBER_H

#include "ir/syntax/ast.h"
#include "ir/type/type.h"

/* A number without names of values: 0.5, sqrt(2), 2 * pi. */
bool fv_rule_number(const fv_ast *a, double *out) FV_MUST_USE;
/* The value of what is one: rules are checked when they are parsed (assert). */
double fv_rule_value(const fv_ast *a);
/* Is x what `want` becomes when it is rounded to type e? */
bool fv_rule_rounds_to(fv_elem e, double want, double x) FV_MUST_USE;
/* `c ~ e`, c of a type. */
enum { FV_ABOUT_ULPS = 2 };
bool fv_rule_is_about(fv_elem type, double c, double e) FV_MUST_USE;

#endif
