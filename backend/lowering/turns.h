/* turns.h - a Loop: its body as a part of the list of ops, between marks, until the program has it
 * as a block; and the memory of its states, which goes from turn to turn. */
#ifndef FV_BACKEND_LOWERING_TURNS_H
#define FV_BACKEND_LOWERING_TURNS_H

#include "backend/lowering/lowering.h"

/* Each If and Loop of main becomes ops between marks (ir/definition/definitions.h). False after a
 * diagnostic. */
bool fv_flatten_regions(fv_lowerer *l) FV_MUST_USE;
/* Have the two ends of a loop the same states? False after a diagnostic: a text may say
 * anything. */
bool fv_states_agree(const fv_op *loop, const fv_op *end) FV_MUST_USE;
/* States are copied into memory of their own before the first turn, and at the end of each; false
 * after a diagnostic. */
bool fv_copy_states(fv_lowerer *l) FV_MUST_USE;
/* Rows that turns give are parts of the result. */
void fv_place_rows(fv_lowerer *l);
/* Are they there in a text that goes on behind that step? False after a diagnostic. */
bool fv_check_copies(fv_lowerer *l) FV_MUST_USE;
/* A state is one memory: before the loop, in a turn, and behind it. */
void fv_join_states(fv_lowerer *l);

#endif
