/* windows.h - rows whose elements are reductions over windows of an image, as in a pool. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_WINDOWS_H
#define FV_BACKEND_SCHEDULE_ROWS_WINDOWS_H

#include "backend/schedule/rows/map.h"

/* Emits the row w if its elements have reductions of their own, its length is known, and no pass
 * over the row keeps values in it. False: nothing was emitted. */
bool fv_emit_windows(fv_kemit *e, fv_row *w, fv_value *value) FV_MUST_USE;

#endif
