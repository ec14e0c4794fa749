/* rule.h - rewrite rules as text, and their matcher.
 *
 *   rule gelu-erf: Mul(Mul(x, Add(Erf(Div(x, c)), 1)), 0.5)  where c ~ sqrt(2)  =>  Gelu(x)  rounding
 *
 * Left: a pattern of ops; names are captured values (a name that occurs twice must be the same
 * value), literals match constants whose elements are all that number (`~`: within 1e-4 relative),
 * `_` matches anything; attributes `axis=-1` must be equal, `perm=p` captures. Commutative ops match
 * either way round. Conditions after `where`, separated by commas:
 *   c ~ e, c == e      the constant c is about / exactly a number
 *   scalar(c), const(c), once(x) (one use), type(x) == f32, rank(x) == 3, last(axis, x)
 * Right: a value, an op, or ops; literals take the type of the first captured value.
 * Each rule states what it does to numbers: `exact`, `rounding` or `approximate`.
 *
 * The meaning of an op may be a rule too: `Mish(x) => Mul(x, Tanh(Softplus(x)))`. There, attributes
 * are captured by their names. */
#ifndef FV_IR_RULE_H
#define FV_IR_RULE_H

#include "ir/ast.h"
#include "ir/op.h"

typedef enum { FV_EXACT, FV_ROUNDING, FV_APPROXIMATE } fv_exactness;

typedef struct fv_rule {
    const char *name;
    fv_exactness exactness;
    const char *text;
    fv_ast *pattern, *replacement;
    int nwhere;
    fv_ast **where;
    int line;
} fv_rule;

/* Parses a file of rules; false after diagnostics with line and column. */
bool fv_rules_parse(fv_arena *a, const char *text, fv_rule **rules, int *n);

/* Why a rule did not match: the furthest that any attempt got. */
typedef struct fv_mismatch {
    int depth;
    const char *why;
} fv_mismatch;

/* Tries the rule at op; on a match replaces it (uses of op's results), leaving dead ops to others.
 * why may be NULL. */
bool fv_rule_apply(const fv_rule *r, fv_op *op, fv_mismatch *why);

/* The `meaning` form: builds the right side for op. */
bool fv_rule_expand(fv_rewriter *w, fv_op *op, const char *text);

#endif
