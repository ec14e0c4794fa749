/* pattern.h - kinds of nodes of a pattern. */
#ifndef FV_IR_RULE_PATTERN_H
#define FV_IR_RULE_PATTERN_H

#include "ir/catalogue/op.h"
#include "ir/syntax/ast.h"

typedef enum {
    FV_PATTERN_NAME,     /* x */
    FV_PATTERN_NUMBER,   /* a number, 0.5 */
    FV_PATTERN_ABOUT,    /* a number with a tolerance, ~sqrt(2) */
    FV_PATTERN_OP,       /* an op, Add(x, y) */
    FV_PATTERN_EITHER,   /* alternatives, Div(x, y) | Mul(x, y) */
    FV_PATTERN_OPTIONAL, /* an op that may be missing, optional(Cast, x) */
    FV_PATTERN_REPEATED, /* up to 64 ops one after the other, repeated(Cast, x) */
    FV_PATTERN_RESULT,   /* one of several results, result(1, TopK(x, k)) */
    FV_PATTERN_REST,     /* the remaining operands, xs.. */
    FV_PATTERN_NONE
} fv_pattern_kind;

fv_pattern_kind fv_pattern_kind_of(const fv_ast *p);
/* The number of results that a new op has if its result number `result` is needed: at least up to
 * that one, and all that are not optional. */
int fv_rule_results(const fv_opdef *def, int result);
/* The pattern of the op at which a rule is tried: the argument of `result`, or the pattern
 * itself. */
const fv_ast *fv_pattern_root(const fv_ast *pattern);
/* The number of ops, names and numbers that have to match; of alternatives, the largest number. */
int fv_pattern_parts(const fv_ast *pattern);

#endif
