/* stop.h - the options `--stop-after`, `--changes` and `--only-node`: only the first N optional
 * changes, or only those of one node, are made. */
#ifndef FV_TOOLS_COMMAND_STOP_H
#define FV_TOOLS_COMMAND_STOP_H

#include "tools/command/command.h"

/* Adds the gate of --stop-after, --changes and --only-node to the options of a driver, for one
 * compilation. False after a message. */
bool fv_stop_begin(fv_context *c, fv_driver_options *o) FV_MUST_USE;

#endif
