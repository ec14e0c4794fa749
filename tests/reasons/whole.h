/* whole.h - what reasons promise: of each value and each launch there is one that says what became
 * of it, and each says it in full. */
#ifndef FV_TESTS_REASONS_WHOLE_H
#define FV_TESTS_REASONS_WHOLE_H

#include "backend/lowering/why.h"

/* What is wrong first, of the reasons of a module that was lowered; NULL: nothing. */
const char *reasons_fault(fv_arena *a, const fv_reasons *r);

#endif
