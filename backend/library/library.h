/* library.h - the functions that kernels can call (ir/kernel/library.h), for the interpreter and
 * for code in memory.
 *
 * Generated C depends on nothing, and code in files refers to no outside symbols: both refuse
 * kernels with calls, except for those of collectives, which the host program makes by the caller's
 * communicator. */
#ifndef FV_BACKEND_LIBRARY_LIBRARY_H
#define FV_BACKEND_LIBRARY_LIBRARY_H

#include "ir/kernel/program.h"
#include "runtime/fovea_model.h"

/* One call.
 *  buffers  of each parameter its elements, row-major; NULL where there are none
 *  extents  of the first parameter, of the second, and so on
 *  why      out: after a failure, what is wrong with what it read, as a text that stays; may be
 *           NULL
 * Returns FV_OK; FV_BAD_FILE if the data that it reads are damaged; FV_NO_MEMORY; FV_INTERNAL if
 * the extents are not those that the function requires. After a failure it has written nothing. It
 * has no state, so any thread may call it. */
typedef int (*fv_library_call)(void *const *buffers, const int64_t *extents, const char **why);

/* the function; NULL: this build does not have it, or it is a collective */
fv_library_call fv_library_look(const fv_library_fn *fn);
/* the function, which must not be a collective; NULL after a diagnostic that this build does not
 * have it */
fv_library_call fv_library_find(fv_session *s, const fv_library_fn *fn);
/* Does this build have all functions that the program's kernels call? False after a diagnostic. */
bool fv_library_has(fv_session *s, const fv_program *p) FV_MUST_USE;
/* The symbol by which compiled code calls the function. */
const char *fv_library_symbol(fv_arena *a, const fv_library_fn *fn);

#endif
