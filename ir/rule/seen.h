/* seen.h - prints captures, for explanations why a rule did not match. */
#ifndef FV_IR_RULE_SEEN_H
#define FV_IR_RULE_SEEN_H

#include "ir/rule/capture.h"
#include "ir/syntax/ast.h"

/* "c is @half = 0.5: f32[], a is -1": the captures that the condition mentions, or all if it is
 * NULL; "": none. */
const char *fv_rule_seen(fv_arena *a, int n, const fv_capture *captures, const fv_ast *condition);

/* An attribute as text. */
const char *fv_rule_seen_attr(fv_arena *a, const fv_attr *attr);

#endif
