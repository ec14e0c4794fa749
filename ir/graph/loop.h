/* loop.h - what a Loop carries from turn to turn.
 *
 *   %last, ..., %all, ... = Loop(%times | _, %cond | _, %first, ...) {body =
 *       ^(%turn: i64[] = [t], %go: bool[] = [1], %state: f32[n, 4], ...) {
 *     return %goes_on, %next, ..., %element, ...
 *   }}
 *
 * A turn sees its number, a condition that holds, and the states; it gives a condition for the turn
 * behind it, the states of that, and elements, each of which is a row of a result that has as many
 * rows as turns were taken. A dim of a state either is what it was before the loop, or changes:
 * then the body's parameter has a symbol there that stands nowhere outside, equal to the dim before
 * the loop in the first turn, and to what the turn gives in the next one; states may share it. All
 * rows are of one shape; where dims of the body's own say which, the run looks that it is that of
 * the row before. */
#ifndef FV_IR_GRAPH_LOOP_H
#define FV_IR_GRAPH_LOOP_H

#include "ir/graph/graph.h"

enum { FV_LOOP_TIMES, FV_LOOP_COND, FV_LOOP_FIRST }; /* operands: the first state is that */
enum { FV_BODY_TURN, FV_BODY_COND, FV_BODY_STATE };  /* parameters of the body */
enum { FV_BODY_GOES_ON, FV_BODY_NEXT };              /* what it gives */

const fv_region *fv_loop_body(const fv_op *op);
int fv_loop_states(const fv_op *op); /* how many */
/* How often it turns at most, as a dim, which may be negative; NULL: the operand is left out, or as
 * good as endless. May put an fv.Bind behind what gives the number. */
const fv_dim *fv_loop_times(const fv_op *op);
/* Does a condition that is not known to hold end it before? */
bool fv_loop_may_end_early(const fv_op *op) FV_MUST_USE;
/* Is axis i of state k a symbol of the body's own, which changes from turn to turn? */
bool fv_loop_changes(const fv_op *op, int k, int axis) FV_MUST_USE;
/* Is it one that nothing else in the body speaks of, but for what `next`, an op of the body,
 * gives? */
bool fv_loop_changes_alone(const fv_op *op, int k, int axis, const fv_op *next) FV_MUST_USE;

/* A Loop in place of this one, before it, without the states that are `gone` (one for each; NULL:
 * none is) and with n results behind those that stay: they have a row a turn of these values of the
 * body. Who read a result that stays reads it there. What is left here are the results that are
 * gone, which the caller replaces before he erases the op. An op of the body that reads a state
 * that is gone gives what is its next one, and nobody else reads either; it is gone, too. NULL
 * after a diagnostic. */
fv_op *fv_loop_change(fv_op *loop, const bool *gone, int n, fv_value *const *rows,
                      const char *const *names);

/* A Scan is a Loop over an axis of some operands, the last `num_scan_inputs` of them: a turn sees a
 * slice of each. */
int fv_scan_inputs(const fv_op *op);
/* The axis of scan input k; false after a diagnostic. */
bool fv_scan_axis(const fv_op *op, int k, int *axis) FV_MUST_USE;
/* t without an axis. */
const fv_type *fv_without_axis(fv_arena *a, const fv_type *t, int axis);

#endif
