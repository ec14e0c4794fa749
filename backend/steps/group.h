/* group.h - which definitions are substituted into their uses. */
#ifndef FV_BACKEND_STEPS_GROUP_H
#define FV_BACKEND_STEPS_GROUP_H

#include "backend/lowering/lowering.h"

/* What else reads a value than definitions needs it in memory. */
bool fv_must_have_memory(fv_lowerer *l, const fv_value *v) FV_MUST_USE;

#endif
