/* loop.h - the values that a Loop passes from one iteration to the next.
 *
 *   %last, ..., %all, ... = Loop(%times | _, %cond | _, %first, ...) {body =
 *       ^(%turn: i64[] = [t], %go: bool[] = [1], %state: f32[n, 4], ...) {
 *     return %goes_on, %next, ..., %element, ...
 *   }}
 *
 * The parameters of the body are the number of the iteration, a condition that is true, and the
 * states. It returns the condition for the next iteration, the states for the next iteration, and
 * elements; each element becomes a row of a result that has as many rows as iterations ran. A dim
 * of a state is either the same in all iterations, or changes. If it changes, it is a symbol in the
 * type of the parameter that occurs nowhere else outside of the body: in the first iteration it
 * equals the dim before the loop, in the next one the dim of the returned state. Several states may
 * share such a symbol. All rows have the same shape; where it depends on symbols of the body, the
 * run checks that it equals that of the previous row. */
#ifndef FV_IR_GRAPH_LOOP_H
#define FV_IR_GRAPH_LOOP_H

#include "ir/graph/graph.h"

/* indices of a Loop's operands; FIRST: the first state */
enum { FV_LOOP_TIMES, FV_LOOP_COND, FV_LOOP_FIRST };
enum { FV_BODY_NUMBER, FV_BODY_COND, FV_BODY_STATE }; /* indices of the body's parameters */
enum { FV_BODY_GOES_ON, FV_BODY_NEXT };               /* indices of the body's results */

const fv_region *fv_loop_body(const fv_op *op);
int fv_loop_states(const fv_op *op); /* the number of states of a Loop */
/* The maximum number of iterations as a dim, which may be negative unless it is constant; NULL: the
 * operand is missing or so large that it is no limit. May add an fv.Bind after the op that computes
 * the number. */
const fv_dim *fv_loop_times(const fv_op *op);
/* Can the condition end the loop before the maximum number of iterations is reached? */
bool fv_loop_may_end_early(const fv_op *op) FV_MUST_USE;
/* Is the dim of that axis of state k a symbol of the body, which changes from iteration to
 * iteration? */
bool fv_loop_changes(const fv_op *op, int k, int axis) FV_MUST_USE;
/* fv_loop_changes, and the symbol occurs in no other value or attribute of the body than the state
 * and the results of `next`, an op of the body. */
bool fv_loop_changes_alone(const fv_op *op, int k, int axis, const fv_op *next) FV_MUST_USE;

/* Makes a Loop before `loop` that replaces it, without the states k with gone[k] (NULL: none), and
 * with n more results after those that stay; row i of such a result is the value rows[..] in
 * iteration i. Uses of results that stay are redirected. The caller replaces the remaining uses of
 * `loop`, those of removed states, and erases it. The op of the body that computes the next value
 * of a removed state is removed too; nothing else may use its result or the state. NULL after a
 * diagnostic. */
fv_op *fv_loop_change(fv_op *loop, const bool *gone, int n, fv_value *const *rows,
                      const char *const *names);

/* A Scan is a Loop that in each iteration reads a slice, along an axis, of each of its last
 * `num_scan_inputs` operands. Returns their number; -1: the attribute is out of range. */
int fv_scan_inputs(const fv_op *op);
/* The axis of scan input k, normalized; false after a diagnostic. */
bool fv_scan_axis(const fv_op *op, int k, int *axis) FV_MUST_USE;
/* The type t without one axis. */
const fv_type *fv_without_axis(fv_arena *a, const fv_type *t, int axis);

#endif
