/* loop_body.h - lowers loops: the body of a Loop becomes a part of the list of ops, between marks,
 * and a block of the host program; states get memory. */
#ifndef FV_BACKEND_LOWERING_LOOP_BODY_H
#define FV_BACKEND_LOWERING_LOOP_BODY_H

#include "backend/lowering/lowering.h"

/* Replaces each If and Loop of main by ops between marks (ir/definition/definitions.h). False after
 * a diagnostic. */
bool fv_flatten_regions(fv_lowerer *l) FV_MUST_USE;
/* Adds copies of states into their own memory, before the first iteration and at the end of each.
 * False after a diagnostic. */
bool fv_copy_states(fv_lowerer *l) FV_MUST_USE;
/* Stores the rows that iterations return as parts of the result. */
void fv_place_rows(fv_lowerer *l);
/* Checks that a text of definitions from after the step `results` has the copies of fv_copy_states,
 * and that rows are stored as fv_place_rows does. False after a diagnostic. */
bool fv_check_copies(fv_lowerer *l) FV_MUST_USE;
/* Stores a state before the loop, within iterations and after the loop in the same memory. */
void fv_join_states(fv_lowerer *l);

#endif
