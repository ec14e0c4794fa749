/* marks.h - checks the list of ops in which branches and bodies of loops are parts between marks
 * (ir/definition/definitions.h). */
#ifndef FV_BACKEND_LOWERING_MARKS_H
#define FV_BACKEND_LOWERING_MARKS_H

#include "backend/lowering/lowering.h"

/* Are marks nested properly, do those of an If or loop agree about its results and states, and is
 * each value used only in the branch or loop in which it is computed, or within it? False after a
 * diagnostic; needed because a text may contain anything. */
bool fv_marks_are_legal(fv_lowerer *l) FV_MUST_USE;

#endif
