/* formula.h - formulas: what each element of an op's results is, as text.
 *
 *   Softplus   Y = log1p(exp(-abs(X))) + max(X, 0)
 *   MatMul     Y[b.., i, j] = sum k: A[b.., i, k] * B[b.., k, j]
 *   Gather     a.. = axis; Y[a.., j.., c..] = data[a.., wrap(indices[j..], dim(data, axis)), c..]
 *   Softmax    a.. = axis; m = max k: X[a.., k, c..]; s = sum k: exp(X[a.., k, c..] - m);
 *              Y[a.., j, c..] = exp(X[a.., j, c..] - m) / s
 *
 * Statements, separated by `;`:
 *   RESULT[indices] = e, RESULT = e   the elements of a result of the op
 *   RESULT[i < n, j < m] = e          the same, with the dims that the result has
 *                                     (fv_infer_by_formula)
 *   g.. = e                           the rank of the index group g (else it is what is left over)
 *   name = e                          a scalar used below; may use the result's indices
 * In expressions: indices (i64), operands (a bare name is broadcast against the result's indices),
 * attributes, scalars, literals, `inf`, `nan`, `pi`; the functions of ir/expr/expr.def, casts
 * f32(x) or T(x) with T a type variable of the entry or the name of an operand or result; and
 *   x[i, ..] else v     v where an index is outside of x
 *   x[i, ..]            where an index comes from data it is checked: outside is FV_BAD_INDEX; in a
 *                       formula that is none of
 *                       the catalogue's wherever it is not proved to be inside
 *   wrap(i, n)          i < 0 ? i + n : i
 *   dim(x, axis)        a dim of an operand or result; size(x, axis): of all axes from there on;
 *                       count(k..): elements that k runs over
 *   min(a, b), max(a, b) of two of these
 *   rank(x)             a constant
 *   has(x)              whether an optional operand is there: a constant, decides `select` early
 * An index group runs over several axes; arithmetic on it works axis by axis. An operand indexed by
 * a group broadcasts along it: missing leading axes and axes of dim 1.
 * The extent of a reduction's index is that of the axis it indexes first, or stated: sum k < n: e,
 * and of a group by a list of attributes: sum k.. < kernel..: e.
 * Intermediates have the type that arithmetic on the operands is done in; literals and float
 * attributes take the type of what they meet. */
#ifndef FV_IR_DEFINITION_FORMULA_H
#define FV_IR_DEFINITION_FORMULA_H

#include "ir/definition/definition.h"

/* Definitions of all results of d->op by the formula; false after a diagnostic. */
bool fv_formula_define(fv_definer *d, const char *formula) FV_MUST_USE;

/* For .infer of an op whose formula states the dims of all results; these have the element type of
 * the first operand. */
bool fv_infer_by_formula(fv_op *op) FV_MUST_USE;
/* Does a formula that parses state the dims of a result? */
bool fv_formula_states_dims(fv_session *s, const char *formula) FV_MUST_USE;
/* Has a formula that parses only results without indices? */
bool fv_formula_is_elementwise(fv_session *s, const char *formula) FV_MUST_USE;

/* Parses the statements only: syntax errors with line and column. */
bool fv_formula_check(fv_session *s, const char *formula) FV_MUST_USE;

#endif
