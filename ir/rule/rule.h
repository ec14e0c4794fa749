/* rule.h - rewrite rules as text, and their matcher.
 *
 *   rule gelu-erf: Mul(Mul(x, Add(Erf(Div(x, c)), 1)), 0.5)  where c ~ sqrt(2)  =>  Gelu(x)
 *                                                            rounding
 *
 * The left side is a pattern of ops. Names capture values (a name that occurs twice must be the
 * same value, or equal attributes); `_` matches any value. A number matches a constant all of whose
 * elements are that number, rounded to its type. The two operands of an op that commutes match in
 * either order; the order is found for which the rest of the pattern and the conditions match, too.
 * Attributes: `axis=-1`, `perm=[1, 0]`, `mode="linear"` must be equal, `perm=p` captures, `perm=_`
 * matches any value; an attribute that is not mentioned must have its default, if there is one. An
 * op with more operands than the pattern does not match. Further patterns:
 *   ~sqrt(2)               a constant within 2 ulp of that number
 *   Div(x, 2) | Mul(x, 0.5)    one of these; names of one alternative are not known outside of it
 *   optional(Cast, x)      x, or a Cast of x
 *   repeated(Cast, x)      x, or up to 64 Casts of it, one after the other: the most for which
 *                          the rest of the pattern matches. A skipped op has one operand, which is
 *                          left out: Cast, fv.Reshape(), Transpose(perm=[1, 0]); or there are
 *                          several: Cast | Identity
 *   Concat(xs.., axis=a)   any number of operands, in their order, of an op that takes any number;
 *                          the right side can pass them on: Concat(xs.., y, axis=a)
 *   fv.Dequantize(x, s, z..)   optional operands, whether they are there or not
 *   result(1, TopK(x, k))  result 1, counted from 0, of an op with several. At the top of the left
 *                          side that result is replaced; on the right side it is a result of a new
 *                          op
 *
 * A match that needs more than 100000 attempts is not found.
 *
 * Conditions after `where`, separated by commas, must all hold:
 *   a == b   != < <= > >=   of numbers, element types or dims. These are
 *              a constant all of whose elements are one number; an INT or FLOAT attribute; rank(x)
 *              a / b of these
 *              type(x); f32, i64, ...; an INT attribute that is the number of a type, as `to` of
 *              Cast
 *              shape(x); a list attribute (equal if that is proved for all values of symbols)
 *              dim(x, -1), a dim of x, compared with numbers and dims; the comparison must be
 *              proved
 *              uses(x), the number of operands that x is; count(xs), the number of captured
 *              operands
 *              bits(x), the bits of an element
 *              elements(x), the number of elements, a dim; elements(x, 1), those of the axes from 1
 *              on; elements(xs), those of the first captured operand, 1 if there is none
 *   a ~ b              the number a is within 2 ulp of b, in the constant's type
 *   const(c)           a constant
 *   fixed(c)           a constant, a reshaped or transposed one, or one in fewer bits (fv.Unpack)
 *   between(c, 1e-9, 1e9)   a constant of floats, a reshaped or transposed one, too, of at most
 *                      FV_FOLD_BYTES, all of whose elements are between these
 *   along(c, x, -1)    c broadcasts to x, and has one element, or one for each index of that axis
 *   same(x, y)         one value, or constants of one and the same element; or, of captured
 *                      operands, both are left out
 *   scalar(c)          a constant of one element
 *   powers_of_two(c)   a constant as for between, all of whose elements are powers of two
 *   unsigned(c)        a constant as for between, of whose elements none has the sign bit, as -0
 *   once(x)            x has one use
 *   int(x), float(x)   the elements are integers, floats
 *   last(axis, x)      the attribute, a number or a list of one, is the last axis of x
 *   identity(p)        the list is 0, 1, 2, ...
 *   all(p, n)          every entry of the list is n
 *
 * The right side is a captured value, a number, or ops. Numbers, and INT and FLOAT attributes in
 * the place of a value, become constants: of the type of an operand of the same op that must have
 * the same type, otherwise of that of the first captured value, or of i64 or f32 where the op does
 * not allow that. `perm=p` passes an attribute on, `perm=p[q]` is the list p at the positions q.
 * Functions and definitions of expansions (body.h) can be called, with captured attributes as
 * arguments, too, or with `z..`, and with the expressions that are described there. A rule is not
 * applied where the new value would have another type or shape than the old one.
 *
 * Each rule states its effect on numbers:
 *   exact            the same bits, where any NaN equals any NaN
 *   summed           the same, but for how a sum of floats is rounded, of whose terms the standard
 *                    states no order: a sum of integers in its place rounds nothing. The difference
 *                    is limited as for `rounding`
 *   rounding         the same formula with other intermediate roundings: a difference of at most
 *                    FV_ROUNDING_ULPS ulp in the type of the result, where an ulp is that of the
 *                    largest among the operands, intermediate values and the result of the element
 *   approximate 1e-3 a difference of at most that, relative to the same largest value; such a rule
 *                    is applied only on request
 *
 * Every name in a rule is looked up when the rule is parsed. fv_rule_check (passes/check.h) tries a
 * rule on random instances.
 *
 * A rule can also be the meaning of an op: `Mish(x) => Mul(x, Tanh(Softplus(x)))`. The names on its
 * left are the operands in their order; attributes are known by their names. Its right side may be
 * all that body.h describes. */
#ifndef FV_IR_RULE_RULE_H
#define FV_IR_RULE_RULE_H

#include "ir/base/text.h"
#include "ir/graph/rewriter.h"
#include "ir/rule/capture.h"
#include "ir/syntax/ast.h"

typedef enum { FV_EXACT, FV_SUMMED, FV_ROUNDING, FV_APPROXIMATE, FV_EXACTNESSES } fv_exactness;
#define FV_ROUNDING_ULPS 8

typedef struct fv_rule {
    const char *name;
    fv_exactness exactness;
    double tolerance; /* the tolerance of an `approximate` rule */
    fv_ast *pattern, *replacement;
    int nwhere;
    fv_ast **where;
    int line;
    /* Called when all conditions hold, with the op and what the pattern captured; false: the rule
     * is not applied. Must not change the module. NULL: no further condition. */
    bool (*holds)(void *user, fv_op *op, int n, const fv_capture *captures);
    void *user;
    /* why the rule is not applied where `holds` returns false; NULL: "its function says no" */
    const char *refusal;
} fv_rule;

/* Parses a file of rules; false after diagnostics with line and column: one for each rule that is
 * not legal, up to the first syntax error. */
bool fv_rules_parse(fv_arena *a, const char *text, fv_rule **rules, int *n) FV_MUST_USE;
/* Prints the rule in its notation. */
void fv_rule_print(fv_text *t, const fv_rule *r);

/* Describes why a rule did not match: the attempt that matched most of the pattern. Texts are in
 * the arena of the module. */
typedef struct fv_mismatch {
    int parts;       /* number of parts (fv_rule_parts) that matched */
    const char *why; /* the reason, with the values that were found; NULL: the rule matched */
    /* the captures when the match failed, "x is %x: f32[n], p is [1, 0]"; "": there were none */
    const char *captured;
} fv_mismatch;

/* The part of the pattern that matches the op at which the rule is tried. */
const fv_ast *fv_rule_root(const fv_rule *r);
/* The number of ops, names and numbers of the pattern, and of conditions. */
int fv_rule_parts(const fv_rule *r) FV_MUST_USE;

/* Tries the rule at op. If it matches, replaces uses of op's result by the right side, where a new
 * value gets the result's name; ops that become dead are left. False if it does not match, or after
 * a diagnostic if the right side is not legal there; nothing is changed then. `why` may be NULL. */
bool fv_rule_apply(const fv_rule *r, fv_op *op, fv_mismatch *why) FV_MUST_USE;
/* fv_rule_apply with a callback `may`, which is called before the rule is applied, when everything
 * else allows it. If it returns false, nothing is changed. */
bool fv_rule_apply_if(const fv_rule *r, fv_op *op,
                      bool (*may)(void *user, const fv_rule *r, const fv_op *op), void *user,
                      fv_mismatch *why) FV_MUST_USE;

/* Does the rule match at op? Changes nothing. */
bool fv_rule_matches(const fv_rule *r, fv_op *op, fv_mismatch *why) FV_MUST_USE;

#endif
