/* branches.h - lowers an If whose condition is known only at run time. Its branches become parts of
 * the list of ops, between marks; the host program contains them as blocks. */
#ifndef FV_BACKEND_LOWERING_BRANCHES_H
#define FV_BACKEND_LOWERING_BRANCHES_H

#include "backend/lowering/lowering.h"
#include "ir/graph/rewriter.h"

/* Replaces an If by the ops `if`, the then-branch, `else`, the else-branch, `endif`
 * (ir/definition/definitions.h). Returns the op at which to continue; NULL after a diagnostic. */
fv_op *fv_flatten_branch(fv_op *op);
/* The symbol that the end of op, an If or Loop, binds for the dim d of a result: d itself if it is
 * a symbol that nothing before op binds and that is not among the n bound ones; otherwise a new
 * symbol that an assumption equates with d. NULL after a diagnostic. */
const fv_dim *fv_bound_after(fv_op *op, const fv_dim *d, int n, const fv_dim *const *bound,
                             const char *stem);
/* v as a value of the declared type t: v itself if that is its type, else a reshape, with an
 * assumption that the numbers of elements are equal. Sets w->failed after a diagnostic. */
fv_value *fv_as_declared(fv_rewriter *w, fv_value *v, const fv_type *t);
/* Adds copies for results of branches that are not stored in memory that the branch itself has
 * written. False after a diagnostic. */
bool fv_copy_branch_results(fv_lowerer *l) FV_MUST_USE;
/* Is v computed in the same list of ops as op: in the same branch or iteration, not outside of
 * it? */
bool fv_is_made_in_block(const fv_op *op, const fv_value *v) FV_MUST_USE;
/* Is v a result of a branch or loop with dims that depend on data, so that they may be known only
 * after it? The caller's memory for outputs is requested earlier. */
bool fv_has_late_dims(const fv_value *v) FV_MUST_USE;
/* Appends the statement op to the steps of the host program. */
void fv_add_statement(fv_lowerer *l, fv_op *op);
/* Keeps values that were computed before a branch or loop and are used in it alive until its
 * end. */
void fv_hold_through_marks(fv_lowerer *l);
/* Stores results of branches in the memory of the result of the If. */
void fv_join_branches(fv_lowerer *l);

#endif
