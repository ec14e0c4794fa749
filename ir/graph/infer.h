/* infer.h - inference of the types of results and of the elements of small integer tensors; also
 * the functions from which infer functions of the catalogue are built. */
#ifndef FV_IR_GRAPH_INFER_H
#define FV_IR_GRAPH_INFER_H

#include "ir/graph/graph.h"

/* Checks the op and sets the types (and elements) of its results. If a result has a type already,
 * its dims are assumed to be equal to the inferred ones; a conflict is an error. False after a
 * diagnostic. */
bool fv_op_infer(fv_op *op) FV_MUST_USE;
/* fv_op_infer for results whose types or elements were written in a text or declared: these are
 * kept, and equalities on which they depend are assumed. False after a diagnostic. */
bool fv_op_settle(fv_op *op) FV_MUST_USE;
/* Makes operands conform to what the entry says about lists, scalars and lengths (fv_rank_def):
 *   - a list of rank 0 becomes a vector of one element; PyTorch exports axes of rank 0, and ONNX
 *     Runtime accepts them;
 *   - an operand with an open dim gets the length that the entry determines, or the one element of
 *     a scalar: it is reshaped, and the run checks the equality unless it is proved.
 * Operands whose length is not determined do not change. fv_op_infer does this first. False after a
 * diagnostic: an operand has another length. */
bool fv_op_fit_operands(fv_op *op) FV_MUST_USE;
/* Gives operand `in`, if it is a vector, that length, as fv_op_fit_operands does. False after a
 * diagnostic: it cannot be equal. */
bool fv_op_set_length(fv_op *op, int in, int length) FV_MUST_USE;
/* Infers elements of integer tensors again, since operands that were replaced may determine more of
 * them. Parsing the module's text would give the same elements. */
void fv_module_learn(fv_module *m);

/* ---- for infer functions ---- */

void fv_infer_out(fv_op *op, int i, fv_elem e, int rank, const fv_dim *const *dims);
void fv_infer_like(fv_op *op, int out, int in);
/* The shape to which all types broadcast. What cannot be proved is assumed, and checked at run
 * time. False after a diagnostic that names the two that do not fit. */
bool fv_infer_broadcast(fv_op *op, int n, const fv_type *const *types, int *rank,
                        const fv_dim **dims /* FV_MAX_RANK */) FV_MUST_USE;
/* Can operand `in` be broadcast to these dims without changing them? A missing operand can. What
 * cannot be proved is assumed, and checked at run time. False after a diagnostic. */
bool fv_infer_fits(fv_op *op, int in, int rank, const fv_dim *const *dims) FV_MUST_USE;
/* Is d equal to 1 or `dim`, by proof or assumption? `dim` may be the result of a broadcast of d. */
bool fv_infer_is_fit(const fv_module *m, const fv_dim *d, const fv_dim *dim) FV_MUST_USE;
/* Is operand `in` a vector of n elements? A missing operand is accepted, and a number of elements
 * that is not known is assumed to be n, which the run checks. False after a diagnostic. */
bool fv_infer_length(fv_op *op, int in, int n) FV_MUST_USE;
/* Are the `count` elements start, start + step, ... within an axis of that size? What cannot be
 * proved is assumed, and checked at run time. False, without a diagnostic: they are proved not to
 * be. */
bool fv_infer_inside(fv_op *op, const fv_dim *size, const fv_dim *start, const fv_dim *step,
                     const fv_dim *count) FV_MUST_USE;
/* Requires that d is at least `least`. What cannot be proved is assumed, and checked at run time;
 * `what` names the quantity in the message. False after a diagnostic. */
bool fv_infer_at_least(fv_op *op, const fv_dim *d, int64_t least, const char *what) FV_MUST_USE;
/* Has operand `in`, a vector, one element for each channel? If that cannot be proved it is assumed,
 * and checked at run time. False after a diagnostic. */
bool fv_infer_per_channel(fv_op *op, int in, const fv_dim *channels) FV_MUST_USE;
/* Normalizes an axis in [-rank, rank) to [0, rank); false after a diagnostic. */
bool fv_infer_axis(fv_op *op, int64_t axis, int rank, int *out) FV_MUST_USE;
/* The elements of an operand of type i64, i32 or bool as dims: those of a constant, or those that
 * were inferred, or, if the tensor has a known small size, new symbols that an fv.Bind op after the
 * definition of the value binds. False: the operand is missing, of another type, or not small. */
bool fv_elems(const fv_op *op, int in, int *n, const fv_dim *const **elems) FV_MUST_USE;
/* Sets the elements of a constant; false if it is not a small tensor of i64, i32 or bool. */
bool fv_const_elems(fv_module *m, fv_value *v) FV_MUST_USE;
/* The only element of an integer or bool tensor; false if it is not known, or there are more. */
bool fv_known_int(const fv_value *v, int64_t *out) FV_MUST_USE;
/* A symbol that stands for a dim that depends on data, bound by an fv.Let before op, which is made
 * if needed; other dims are returned unchanged. It keeps expressions over d small. */
const fv_dim *fv_name_dim(fv_op *op, const char *stem, const fv_dim *d);
void fv_set_elems(fv_value *v, int n, const fv_dim *const *elems);

/* ---- infer functions of many operators ---- */

bool fv_infer_same(fv_op *op) FV_MUST_USE; /* each result gets the type of operand 0 */
/* each result gets the type of operand 0, and the attribute `axis`, by default the last axis, is
 * checked to be an axis of it */
bool fv_infer_along(fv_op *op) FV_MUST_USE;
/* each result gets the broadcast shape of all operands and the element type of operand 0 */
bool fv_infer_elementwise(fv_op *op) FV_MUST_USE;
/* each result gets the broadcast shape of all operands and element type bool */
bool fv_infer_compare(fv_op *op) FV_MUST_USE;

#endif
