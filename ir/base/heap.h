/* heap.h - the memory of malloc. */
#ifndef FV_IR_BASE_HEAP_H
#define FV_IR_BASE_HEAP_H

#include "ir/base/arena.h"

/* States that the whole process belongs to s, as that of a command does; where Fovea is a library,
 * it belongs to the caller. */
void fv_heap_own(fv_session *s);
/* Returns the memory that malloc keeps for later to the system, in the whole process. Does nothing
 * in a session that does not own the process, whose caller may not expect that it takes the
 * time. Does not allocate. */
void fv_heap_trim(const fv_session *s);

#endif
