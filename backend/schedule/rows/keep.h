/* keep.h - what the passes over a row keep of what they compute. */
#ifndef FV_BACKEND_SCHEDULE_ROWS_KEEP_H
#define FV_BACKEND_SCHEDULE_ROWS_KEEP_H

#include "backend/schedule/common/emit.h"

/* Decides what is kept in rows along that axis of e->def, of elements of that type; the row itself
 * is the caller's to name. */
void fv_keep_in_rows(fv_kemit *e, int axis, fv_elem stored);

#endif
