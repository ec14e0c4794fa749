/* sums.h - makes values of sums that a kernel would compute repeatedly for elements that share
 * them. */
#ifndef FV_BACKEND_AXES_SUMS_H
#define FV_BACKEND_AXES_SUMS_H

#include "backend/lowering/lowering.h"

/* Does a kernel of d, whose axes are in the order of memory and merged, take a sum more than once?
 * A kernel takes a sum once for each element of the axes around its vector, which runs along axis
 * `vector` of d, or is a single element: -1 (backend/schedule/rows/map.c). */
bool fv_repeats_sums(fv_lowerer *l, const fv_definition *d, int vector) FV_MUST_USE;
/* Makes values of the sums in the definition of s that do not depend on all axes but `vector`,
 * which is one of its axes or -1. What such a sum and the elements of s both compute with an
 * elementary function is a value, too. Each value is defined by an op before `op`, those that
 * others read first, and loaded in the definition of s. Calls `made` for each; along: the variable
 * of its definition for the axis `vector`, NULL: it does not have that. */
typedef void fv_sum_made(fv_lowerer *l, fv_op *op, fv_storage *value, const fv_var *along);
void fv_take_sums_out(fv_lowerer *l, fv_op *op, fv_storage *s, int vector, fv_sum_made *made);

#endif
