/* dims.h - axes, extents and the contents of small integer operands, as the shape and data-movement
 * ops read them. What only the run knows becomes a symbol that an fv.Bind sets. */
#ifndef FV_OPS_COMMON_DIMS_H
#define FV_OPS_COMMON_DIMS_H

#include "ir/definition/definition.h"
#include "ir/graph/rewriter.h"

/* p ? a : b for a 0/1 predicate; exact where p is constant */
const fv_dim *fv_dim_if(fv_dims *t, const fv_dim *p, const fv_dim *a, const fv_dim *b);
/* i < 0 ? i + n : i */
const fv_dim *fv_dim_wrap(fv_dims *t, const fv_dim *i, const fv_dim *n);
/* Is it an integer of the data itself, of which nothing is known? Unlike a count or a dim. */
bool fv_dim_is_raw(const fv_dim *e) FV_MUST_USE;
bool fv_dims_are_const(int n, const fv_dim *const *dims) FV_MUST_USE;

/* fv_elems, with a diagnostic where the operand is no vector of constant length. */
bool fv_int_operand(fv_op *op, int in, int *n, const fv_dim *const **elems) FV_MUST_USE;
/* The same of an operand that has `length` elements; where its type leaves that open, the run
 * checks it. */
bool fv_sized_operand(fv_op *op, int in, int length, int *n,
                      const fv_dim *const **elems) FV_MUST_USE;
/* fv_elems of what is known already, without binding anything. */
bool fv_known_elems(fv_op *op, int in, int *n, const fv_dim *const **elems) FV_MUST_USE;
/* The operand whose elements are the shape of result 0, so that its length is that result's rank;
 * -1: there is none. */
int fv_shape_operand(const fv_op *op);
/* Where the model leaves the length of a list open: it is this, which the run checks. False after a
 * diagnostic, where it cannot be. */
bool fv_fix_length(fv_op *op, int in, int length) FV_MUST_USE;
/* A list of axes, normalised to [0, rank), each once. *constant: false where only the run knows
 * them (then `axes` is not set). False after a diagnostic. */
bool fv_axes_operand(fv_op *op, int in, int rank, int *n, int *axes, bool *constant) FV_MUST_USE;
/* An axis, which may count from the end, is one of a tensor of that rank: the run checks what only
 * it knows. False after a diagnostic. */
bool fv_require_axis(fv_op *op, const fv_dim *axis, int rank) FV_MUST_USE;

/* Has operand `in`, if it is there, these dims? The run checks what is not known. False after a
 * diagnostic. */
bool fv_has_dims(fv_op *op, int in, int rank, const fv_dim *const *dims) FV_MUST_USE;

/* What the run tells of an axis of an output of that rank: the dim that an inference before or a
 * declaration says, or a new symbol within lo..hi. */
const fv_dim *fv_run_time_dim(const fv_op *op, int out, int rank, int axis, int64_t lo, int64_t hi);
/* fv_infer_out for dims of which some are NULL: these are decided by data, and get symbols; the
 * op's expansion binds them (fv_w_bind). */
void fv_infer_run_time(fv_op *op, int out, fv_elem e, int rank, const fv_dim **dims);
/* The rows of a matrix, or slices along axis 0, at positions that are not counted from the end: a
 * negative one is an index out of range. */
fv_value *fv_w_rows(fv_rewriter *w, fv_value *table, fv_value *at);

/* ---- in definitions ---- */

/* choices[i] for an index expression i; the last one for every i beyond. */
fv_expr *fv_d_pick(fv_definer *d, fv_expr *i, int n, fv_expr *const *choices);
fv_expr *fv_d_pick_dim(fv_definer *d, fv_expr *i, int n, const fv_dim *const *choices);
/* Element i of an integer operand, as i64. */
fv_expr *fv_d_int(fv_definer *d, int in, fv_expr *i);
/* i < 0 ? i + n : i */
fv_expr *fv_d_wrap(fv_definer *d, fv_expr *i, fv_expr *n);

#endif
