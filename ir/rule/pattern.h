/* pattern.h - what the nodes of a pattern are. */
#ifndef FV_IR_RULE_PATTERN_H
#define FV_IR_RULE_PATTERN_H

#include "ir/catalogue/op.h"
#include "ir/syntax/ast.h"

typedef enum {
    FV_PATTERN_NAME,     /* x */
    FV_PATTERN_NUMBER,   /* 0.5 */
    FV_PATTERN_ABOUT,    /* ~sqrt(2) */
    FV_PATTERN_OP,       /* Add(x, y) */
    FV_PATTERN_EITHER,   /* Div(x, y) | Mul(x, y) */
    FV_PATTERN_OPTIONAL, /* optional(Cast, x) */
    FV_PATTERN_REPEATED, /* repeated(Cast, x) */
    FV_PATTERN_RESULT,   /* result(1, TopK(x, k)) */
    FV_PATTERN_REST,     /* xs.. */
    FV_PATTERN_NONE
} fv_pattern_kind;

fv_pattern_kind fv_pattern_kind_of(const fv_ast *p);
/* How many results an op has of which number `result` is wanted: that, and those that are not
 * optional. */
int fv_rule_results(const fv_opdef *def, int result);
/* The pattern of the op that a rule begins at: what `result` takes of it. */
const fv_ast *fv_pattern_root(const fv_ast *pattern);
/* Ops, names and numbers: what has to match; of alternatives the most. */
int fv_pattern_parts(const fv_ast *pattern);

#endif
