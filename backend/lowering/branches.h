/* branches.h - an If whose condition is data: its branches as a part of the list of ops, between
 * marks, until the program has them as blocks. */
#ifndef FV_BACKEND_LOWERING_BRANCHES_H
#define FV_BACKEND_LOWERING_BRANCHES_H

#include "backend/lowering/lowering.h"
#include "ir/graph/rewriter.h"

/* An If becomes if, ops, else, ops, endif (ir/definition/definitions.h). Gives the op in place of
 * which to go on; NULL after a diagnostic. */
fv_op *fv_flatten_branch(fv_op *op);
/* The symbol that the end of op, an If or Loop, binds where a result has d: d itself where that is
 * a symbol to which nothing gives a value, neither above op nor among the n that are bound already;
 * else a new one, which the run finds equal to d. NULL after a diagnostic. */
const fv_dim *fv_bound_behind(fv_op *op, const fv_dim *d, int n, const fv_dim *const *bound,
                              const char *stem);
/* What the end gives, as the type that is known or declared of it; w->failed is set after a
 * diagnostic. */
fv_value *fv_as_declared(fv_rewriter *w, fv_value *v, const fv_type *t);
/* Are two dims equal: is it proved, assumed, or said by an fv.Assume above op? */
bool fv_are_said_equal(const fv_op *op, const fv_dim *a, const fv_dim *b) FV_MUST_USE;
/* Which of a list of symbols is d? How many there are: none. */
int fv_number_of(const fv_attr *symbols, const fv_dim *d);
/* Do marks nest, and is each value used where it is made, or within? False after a diagnostic: a
 * text may say anything. */
bool fv_branches_are_legal(fv_lowerer *l) FV_MUST_USE;
/* Of what a branch gives, what is no memory that it has made is copied; false after a
 * diagnostic. */
bool fv_copy_branch_results(fv_lowerer *l) FV_MUST_USE;
/* Is v made in the list of ops that op stands in: in its branch or turn, not around it? */
bool fv_is_made_beside(const fv_op *op, const fv_value *v) FV_MUST_USE;
/* Is it what branches or turns give, in dims that are known only behind them? A caller's memory is
 * asked for before. */
bool fv_is_told_late(const fv_value *v) FV_MUST_USE;
/* Adds the statement op to the steps. */
void fv_add_statement(fv_lowerer *l, fv_op *op);
/* What lives in a branch or a loop, and was made before it, lives up to its end. */
void fv_hold_through_marks(fv_lowerer *l);
/* What branches give lies in the memory of the result. */
void fv_join_branches(fv_lowerer *l);

#endif
