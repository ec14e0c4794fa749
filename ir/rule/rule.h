/* rule.h - rewrite rules as text, and their matcher.
 *
 *   rule gelu-erf: Mul(Mul(x, Add(Erf(Div(x, c)), 1)), 0.5)  where c ~ sqrt(2)  =>  Gelu(x)
 *                                                            rounding
 *
 * Left: a pattern of ops; names are captured values (a name that occurs twice must be the same
 * value, or equal attributes), `_` matches any value. Numbers match constants all of whose elements
 * are that number, as near as their type has it. Ops of two operands that commute match either way
 * round, together with everything else of the pattern and the conditions. Attributes: `axis=-1`,
 * `perm=[1, 0]`, `mode="linear"` must be equal, `perm=p` captures, `perm=_` is whatever it is; one
 * that is not mentioned must have its default, where it has one. An op with more operands than the
 * pattern gives does not match. Besides:
 *   ~sqrt(2)               a constant within 2 ulp of that
 *   Div(x, 2) | Mul(x, 0.5)    one of these. Names that only one of them has are known in it alone
 *   optional(Cast, x)      x, or what a Cast makes of it
 *   repeated(Cast, x)      ... of up to 64 of them; as many are skipped as let the rest match. What
 *                          is
 *                          skipped is an op of one operand, without it: Cast, fv.Reshape(),
 *                          Transpose(perm=[1, 0]), or one of several: Cast | Identity
 *   Concat(xs.., axis=a)   any number of operands of an op that has any number, in their order,
 *                          which
 *                          a right side hands on: Concat(xs.., y, axis=a)
 *   result(1, TopK(x, k))  result 1 (from 0) of an op that has several. At the top it is the one
 *                          that
 *                          is replaced; on the right it is taken of a new op
 *
 * A match that is not found within 100000 attempts is none.
 *
 * Conditions, all of which must hold, after `where`, separated by commas:
 *   a == b   != < <= > >=   of numbers, element types or dims, which are
 *              a constant all of whose elements are one number; an INT or FLOAT attribute; rank(x)
 *              type(x); f32, i64, ...; an INT attribute that numbers a type, as `to` of Cast does
 *              shape(x); a list attribute  (equal is what is proved to be, whatever the symbols
 *                                          are)
 *              dim(x, -1), one of its dims: what is proved of it, with numbers and other dims
 *              uses(x), how many operands x is; count(xs), how many operands were captured
 *   a ~ b              the number a is within 2 ulp of b, in the constant's type
 *   const(c)           a constant
 *   scalar(c)          a constant of one element
 *   once(x)            x has one use
 *   int(x), float(x)   the elements are integers, floats
 *   last(axis, x)      the attribute, a number or a list of one, is the last axis of x
 *   identity(p)        the list is 0, 1, 2, ...
 *   all(p, n)          every entry of the list is n
 *
 * Right: a captured value, a number, or ops; numbers, and INT and FLOAT attributes where a value is
 * wanted, become constants of the type of the first captured value. `perm=p` passes an attribute
 * on, `perm=p[q]` is the list p at the positions q. A rule is not applied where the new value would
 * have another type or shape than the old one.
 *
 * Each rule states what it does to numbers:
 *   exact            the same bits, any NaN equal to any NaN
 *   rounding         the same formula rounded elsewhere: at most FV_ROUNDING_ULPS ulp of the
 *                    result's
 *                    type, where an ulp is that of the largest of the operands, intermediate and
 *     final
 *                    values that make up the element
 *   approximate 1e-3 at most so much, relative to that largest value; applied where it is asked for
 *
 * Every name in a rule is looked up when it is parsed. fv_rule_check (passes/check.h) tries a rule
 * on random instances.
 *
 * The meaning of an op may be a rule too: `Mish(x) => Mul(x, Tanh(Softplus(x)))`. There the names
 * on the left are the operands in their order, and attributes are captured by their names. */
#ifndef FV_IR_RULE_RULE_H
#define FV_IR_RULE_RULE_H

#include "ir/base/text.h"
#include "ir/graph/rewriter.h"
#include "ir/rule/capture.h"
#include "ir/syntax/ast.h"

typedef enum { FV_EXACT, FV_ROUNDING, FV_APPROXIMATE } fv_exactness;
#define FV_ROUNDING_ULPS 8

typedef struct fv_rule {
    const char *name;
    fv_exactness exactness;
    double tolerance; /* of approximate */
    fv_ast *pattern, *replacement;
    int nwhere;
    fv_ast **where;
    int line;
    /* Asked when all conditions hold, of the op and what the pattern captured there; NULL: nothing
     * is. Changes nothing. */
    bool (*holds)(void *user, fv_op *op, int n, const fv_capture *captures);
    void *user;
} fv_rule;

/* Parses a file of rules; false after diagnostics with line and column, which tell of every rule
 * that names what is not there. */
bool fv_rules_parse(fv_arena *a, const char *text, fv_rule **rules, int *n) FV_MUST_USE;
/* The rule as it is written. */
void fv_rule_print(fv_text *t, const fv_rule *r);

/* Why a rule did not match: the furthest that any attempt got. Texts are in the arena of the
 * module. */
typedef struct fv_mismatch {
    int parts;       /* of fv_rule_parts that matched */
    const char *why; /* with the values that were seen; NULL: it did match */
    /* "x is %x: f32[n], p is [1, 0]": what names stood for then; "": none did */
    const char *captured;
} fv_mismatch;

/* The op that the pattern is of: the call in it. */
const fv_ast *fv_rule_root(const fv_rule *r);
/* Ops, names and numbers of the pattern, and conditions: what has to match. */
int fv_rule_parts(const fv_rule *r) FV_MUST_USE;

/* Tries the rule at op; on a match replaces it (uses of op's result; a new value takes its name),
 * leaving dead ops to others. False with a diagnostic where the right side is not legal there;
 * then, too, nothing is changed. why may be NULL. */
bool fv_rule_apply(const fv_rule *r, fv_op *op, fv_mismatch *why) FV_MUST_USE;
/* The same where `may` says so, which is asked once nothing else is in the way. If not, all is as
 * it was. */
bool fv_rule_apply_if(const fv_rule *r, fv_op *op,
                      bool (*may)(void *user, const fv_rule *r, const fv_op *op), void *user,
                      fv_mismatch *why) FV_MUST_USE;

/* Does it match there? Changes nothing. */
bool fv_rule_matches(const fv_rule *r, fv_op *op, fv_mismatch *why) FV_MUST_USE;

/* The `meaning` form: builds the right side for op. */
bool fv_rule_expand(fv_rewriter *w, fv_op *op, const char *text) FV_MUST_USE;

#endif
