/* formula.h - formulas: the meaning of an op as text, with an expression for each element of its
 * results.
 *
 *   Softplus   Y = log1p(exp(-abs(X))) + max(X, 0)
 *   MatMul     Y[b.., i, j] = sum k: A[b.., i, k] * B[b.., k, j]
 *   Gather     a.. = axis; Y[a.., j.., c..] = data[a.., wrap(indices[j..], dim(data, axis)), c..]
 *   Softmax    a.. = axis; m = max k: X[a.., k, c..]; s = sum k: exp_flush(X[a.., k, c..] - m);
 *              Y[a.., j, c..] = exp_flush(X[a.., j, c..] - m) / s
 *
 * Statements, separated by `;`:
 *   RESULT[indices] = e, RESULT = e   the elements of a result of the op
 *   RESULT[i < n, j < m] = e          the same, with the dims that the result has
 *                                     (fv_infer_by_formula)
 *   g.. = e                           the rank of the index group g (by default the number of axes
 *                                     that the other indices leave)
 *   name = e                          a scalar for later statements; may use the result's indices
 * In expressions: indices (i64), operands (a bare name is broadcast against the result's indices),
 * attributes, scalars, literals, `inf`, `nan`, `pi`; the functions of ir/expr/expr.def, casts
 * f32(x) or T(x) with T a type variable of the entry, to the type in which its elements are
 * computed; and
 *   x[i, ..] else v     v where an index is outside of x
 *   x[i, ..]            an index from data is checked at run time (FV_BAD_INDEX); in a
 *                       formula outside of the catalogue every index is checked that is not proved
 *                       to be within x
 *   wrap(i, n)          i < 0 ? i + n : i
 *   dim(x, axis)        a dim of an operand or result; size(x, axis): the product
 *                       of the dims from that axis on;
 *                       count(k..): elements that k runs over
 *   min(a, b), max(a, b) of two of these dims
 *   rank(x)             a constant
 *   has(x)              whether an optional operand is present; a constant, so `select` on it
 *                       becomes one of its alternatives
 * An index group runs over several axes; arithmetic on it works axis by axis. An operand indexed by
 * a group broadcasts along it: missing leading axes and axes of dim 1. The extent of a reduction's
 * index is that of the first axis that it indexes, or it is stated: sum k < n: e; for a group by a
 * list of attributes: sum k.. < kernel..: e. Intermediate values have the arithmetic type of the
 * operands; literals and float attributes take the type of the operand that they are combined
 * with. */
#ifndef FV_IR_DEFINITION_FORMULA_H
#define FV_IR_DEFINITION_FORMULA_H

#include "ir/definition/definition.h"

/* Makes the definitions of all results of d->op from the formula; false after a diagnostic. */
bool fv_formula_define(fv_definer *d, const char *formula) FV_MUST_USE;

/* An .infer for ops whose formula states the dims of all results; results have the element type of
 * the first operand. False after a diagnostic. */
bool fv_infer_by_formula(fv_op *op) FV_MUST_USE;
/* Does a well-formed formula state the dims of a result? */
bool fv_formula_states_dims(fv_session *s, const char *formula) FV_MUST_USE;
/* Are the results of a well-formed formula all written without indices? */
bool fv_formula_is_elementwise(fv_session *s, const char *formula) FV_MUST_USE;

/* Parses the formula without an op; false after a diagnostic with line and column. */
bool fv_formula_check(fv_session *s, const char *formula) FV_MUST_USE;

#endif
