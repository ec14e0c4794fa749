/* whole.h - checks that reasons are complete: each value and each launch has one that states what
 * became of it, and each sentence is complete. */
#ifndef FV_TESTS_REASONS_WHOLE_H
#define FV_TESTS_REASONS_WHOLE_H

#include "backend/lowering/why.h"

/* What is wrong first, of the reasons of a module that was lowered; NULL: nothing. */
const char *reasons_fault(fv_arena *a, const fv_reasons *r);

#endif
