/* data_layout.h - which axis of a value is contiguous in memory. */
#ifndef FV_BACKEND_AXES_DATA_LAYOUT_H
#define FV_BACKEND_AXES_DATA_LAYOUT_H

#include "backend/lowering/lowering.h"

/* Decides `inner`, and puts it into the definitions; false after a diagnostic. */
bool fv_choose_data_layout(fv_lowerer *l) FV_MUST_USE;

#endif
