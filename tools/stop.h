/* stop.h - `--stop-after` and `--changes`: a compilation that makes only the first changes that could as well not be made. */
#ifndef FV_TOOLS_STOP_H
#define FV_TOOLS_STOP_H

#include "tools/command.h"

/* Sees to both in the options of a driver, for one compilation. False after a message. */
bool fv_stop_begin(fv_context *c, fv_driver_options *o) FV_MUST_USE;

#endif
