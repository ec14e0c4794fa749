/* dims.h - axes, dims, and the elements of small integer operands, for operators on shapes and
 * those that move data. A dim that only the run knows becomes a symbol, whose value an fv.Bind
 * sets. */
#ifndef FV_OPS_COMMON_DIMS_H
#define FV_OPS_COMMON_DIMS_H

#include "ir/definition/definition.h"
#include "ir/graph/rewriter.h"

/* p ? a : b for a predicate p that is 0 or 1; exact if p is constant */
const fv_dim *fv_dim_if(fv_dims *t, const fv_dim *p, const fv_dim *a, const fv_dim *b);
/* i < 0 ? i + n : i */
const fv_dim *fv_dim_wrap(fv_dims *t, const fv_dim *i, const fv_dim *n);
/* Whether it is an integer from the data, without known bounds, rather than a count or a dim. */
bool fv_dim_is_raw(const fv_dim *e) FV_MUST_USE;
bool fv_dims_are_const(int n, const fv_dim *const *dims) FV_MUST_USE;

/* fv_elems, with a diagnostic if the operand is no vector of constant length. */
bool fv_int_operand(fv_op *op, int in, int *n, const fv_dim *const **elems) FV_MUST_USE;
/* The elements, if they are known already; binds no symbols. */
bool fv_known_elems(fv_op *op, int in, int *n, const fv_dim *const **elems) FV_MUST_USE;
/* The index of the operand whose elements are the shape of result 0, so that its length is the rank
 * of that result; -1: there is none. */
int fv_shape_operand(const fv_op *op);
/* If the length of a list operand is not known, sets it to `length`, which the run checks. False
 * after a diagnostic: it cannot be equal. */
bool fv_fix_length(fv_op *op, int in, int length) FV_MUST_USE;
/* Reads a list of axes, normalised to [0, rank), each once. *constant: false if only the run knows
 * them (then `axes` is not set). False after a diagnostic. */
bool fv_axes_operand(fv_op *op, int in, int rank, int *n, int *axes, bool *constant) FV_MUST_USE;
/* Checks that an axis, negative ones counted from the end, is one of a tensor of that rank; what is
 * not known, the run checks. False after a diagnostic. */
bool fv_require_axis(fv_op *op, const fv_dim *axis, int rank) FV_MUST_USE;

/* Checks that operand `in`, if present, has that dim along an axis; what is not known, the run
 * checks. False after a diagnostic. */
bool fv_has_dim(fv_op *op, int in, int axis, const fv_dim *dim) FV_MUST_USE;
/* Checks that operand `in`, if present, has these dims; what is not known, the run checks. False
 * after a diagnostic. */
bool fv_has_dims(fv_op *op, int in, int rank, const fv_dim *const *dims) FV_MUST_USE;

/* The dim of an output's axis that is known only in the run: one that an earlier inference or a
 * declaration has set for that rank, or else a new symbol within lo..hi. */
const fv_dim *fv_run_time_dim(const fv_op *op, int out, int rank, int axis, int64_t lo, int64_t hi);
/* fv_infer_out for dims that may be NULL: these depend on data and become symbols, which the op's
 * expansion binds (fv_w_bind). */
void fv_infer_run_time(fv_op *op, int out, fv_elem e, int rank, const fv_dim **dims);
/* The rows of a matrix, or slices along axis 0, at the indices `at`. A negative index is out of
 * range: it does not count from the end. */
fv_value *fv_w_rows(fv_rewriter *w, fv_value *table, fv_value *at);

/* ---- in definitions ---- */

/* choices[i] for an index expression i; the last one if i is larger. */
fv_expr *fv_d_pick(fv_definer *d, fv_expr *i, int n, fv_expr *const *choices);
fv_expr *fv_d_pick_dim(fv_definer *d, fv_expr *i, int n, const fv_dim *const *choices);
/* Element i of an integer operand, as i64. */
fv_expr *fv_d_int(fv_definer *d, int in, fv_expr *i);
/* i < 0 ? i + n : i */
fv_expr *fv_d_wrap(fv_definer *d, fv_expr *i, fv_expr *n);

#endif
