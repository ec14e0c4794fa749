/* infer.h - types of results, and contents of small integer tensors: what infer functions are
 * written with. */
#ifndef FV_IR_GRAPH_INFER_H
#define FV_IR_GRAPH_INFER_H

#include "ir/graph/graph.h"

/* check + infer: sets types (and elems) of the results. A result that has a type already keeps the
 * more specific dims; a conflict is an error. */
bool fv_op_infer(fv_op *op) FV_MUST_USE;
/* The same where results have types or elements that were written or declared: these stay as they
 * are, and the relations under which they hold are assumed. False after a diagnostic. */
bool fv_op_settle(fv_op *op) FV_MUST_USE;
/* Operands that were replaced may tell elements of results that nobody knew before. Whoever reads
 * the module's text finds them. */
void fv_module_learn(fv_module *m);

/* ---- for infer functions ---- */

fv_module *fv_op_module(const fv_op *op);
const fv_type *fv_in_type(const fv_op *op, int i); /* of operand i */
void fv_infer_out(fv_op *op, int i, fv_elem e, int rank, const fv_dim *const *dims);
void fv_infer_like(fv_op *op, int out, int in);
/* The common shape of all of `in` (broadcast); false after a diagnostic naming both. */
bool fv_infer_broadcast(fv_op *op, int n, const fv_type *const *types, int *rank,
                        const fv_dim **dims /* FV_MAX_RANK */) FV_MUST_USE;
/* Does operand `in` (if it is there) broadcast to these dims, which it does not change? False after
 * a diagnostic. */
bool fv_infer_fits(fv_op *op, int in, int rank, const fv_dim *const *dims) FV_MUST_USE;
/* Is d 1 or `dim`, as the module knows? `dim` may be what d became in a broadcast that it
 * allows. */
bool fv_infer_is_fit(const fv_module *m, const fv_dim *d, const fv_dim *dim) FV_MUST_USE;
/* Is operand `in`, if it is there, a vector of n elements? False after a diagnostic. */
bool fv_infer_length(fv_op *op, int in, int n) FV_MUST_USE;
/* Are elements start, start + step, .. of an axis of `size`, `count` of them, all there? What is
 * not proved the run checks. False, without a diagnostic: they never are. */
bool fv_infer_inside(fv_op *op, const fv_dim *size, const fv_dim *start, const fv_dim *step,
                     const fv_dim *count) FV_MUST_USE;
/* Is operand `in`, a vector, one number for each of so many channels? False after a diagnostic. */
/* Is there that many of `what` at least? Assumed where the run tells. */
bool fv_infer_at_least(fv_op *op, const fv_dim *d, int64_t least, const char *what) FV_MUST_USE;
bool fv_infer_per_channel(fv_op *op, int in, const fv_dim *channels) FV_MUST_USE;
/* Axis normalised to [0, rank); false after a diagnostic. */
bool fv_infer_axis(fv_op *op, int64_t axis, int rank, int *out) FV_MUST_USE;
/* Contents of an integer operand as dims: a constant's, what was inferred, or -- for a tensor of
 * known small size whose elements nobody knows -- fresh symbols bound by an fv.Bind op that is put
 * behind the definition of the value. False: no such operand, or not small. */
bool fv_elems(const fv_op *op, int in, int *n, const fv_dim *const **elems) FV_MUST_USE;
/* Sets what is known of a constant's elements: its own. False: it is no small tensor of
 * integers. */
bool fv_const_elems(fv_module *m, fv_value *v) FV_MUST_USE;
/* The only element of an integer or bool tensor, where it is known. */
bool fv_known_int(const fv_value *v, int64_t *out) FV_MUST_USE;
/* A symbol for a dim that data decides, bound by an fv.Let before op, which is made if there is
 * none; others are returned as they are. Expressions over such a symbol stay small where those over
 * d would multiply out. */
const fv_dim *fv_name_dim(fv_op *op, const char *stem, const fv_dim *d);
void fv_set_elems(fv_value *v, int n, const fv_dim *const *elems);

/* ---- infer functions that serve many ---- */

bool fv_infer_same(fv_op *op) FV_MUST_USE; /* every result like operand 0 */
/* the same; `axis`, the last by default, is one of its axes */
bool fv_infer_along(fv_op *op) FV_MUST_USE;
/* broadcast of all operands, every result; element type of operand 0 */
bool fv_infer_elementwise(fv_op *op) FV_MUST_USE;
bool fv_infer_compare(fv_op *op) FV_MUST_USE; /* broadcast of all operands; bool */

#endif
