/* keep.h - keeps what one pass over a row computes for later passes. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_KEEP_H
#define FV_BACKEND_SCHEDULE_ROWS_KEEP_H

#include "backend/schedule/common/emit.h"

/* Decides what the passes along that axis of e->def keep in the row, whose elements have the type
 * `stored`. The caller must then set which row that is. */
void fv_keep_in_rows(fv_kemit *e, int axis, fv_elem stored);

#endif
