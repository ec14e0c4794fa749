/* stop.h - `--stop-after`, `--changes` and `--only-node`: a compilation that makes only some of the
 * changes that could as well not be made: the first ones, those of one node. */
#ifndef FV_TOOLS_COMMAND_STOP_H
#define FV_TOOLS_COMMAND_STOP_H

#include "tools/command/command.h"

/* Sees to them in the options of a driver, for one compilation. False after a message. */
bool fv_stop_begin(fv_context *c, fv_driver_options *o) FV_MUST_USE;

#endif
