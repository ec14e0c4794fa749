/* sums.h - makes values of sums that a kernel would compute repeatedly for elements that share
 * them. */
#ifndef FV_BACKEND_AXES_SUMS_H
#define FV_BACKEND_AXES_SUMS_H

#include "backend/lowering/lowering.h"

/* Does a kernel of d, whose axes are in the order of memory and merged, compute a sum more than
 * once? It computes a sum once for each element of the axes outside of its vector loop, which runs
 * along axis `vector` of d; -1: there is no vector loop (backend/schedule/rows/map.c). False if d
 * contains a contraction, which has a schedule of its own. */
bool fv_repeats_sums(fv_lowerer *l, const fv_definition *d, int vector) FV_MUST_USE;
/* What fv_take_sums_out calls for each value that it makes, with the op that defines the value.
 * along: the variable of the definition for the axis `vector`; NULL: the value does not have that
 * axis. */
typedef void fv_sum_made(fv_lowerer *l, fv_op *op, fv_storage *value, const fv_var *along);
/* Makes values of the sums in the definition of s that are the same for several elements of the
 * axes other than `vector` (an axis, or -1). An elementary function that such a sum and the
 * elements of s both compute becomes a value, too. Each value is defined by an op before `op`, in
 * an order in which operands come first, and is loaded in the definition of s. */
void fv_take_sums_out(fv_lowerer *l, fv_op *op, fv_storage *s, int vector, fv_sum_made *made);

#endif
