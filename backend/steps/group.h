/* group.h - decides which definitions are substituted into their uses. */
#ifndef FV_BACKEND_STEPS_GROUP_H
#define FV_BACKEND_STEPS_GROUP_H

#include "backend/lowering/lowering.h"

/* Does v need memory because something other than a definition reads it, such as the caller or an
 * op with a kernel of its own, or a reshape that becomes a view? True as well if nothing reads
 * v. */
bool fv_must_have_memory(fv_lowerer *l, const fv_value *v) FV_MUST_USE;

#endif
