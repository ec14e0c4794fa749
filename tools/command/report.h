/* report.h - what passes and steps of lowering did, for -v: a line each on standard error, with
 * counts. */
#ifndef FV_TOOLS_COMMAND_REPORT_H
#define FV_TOOLS_COMMAND_REPORT_H

#include "backend/lowering/why.h"
#include "tools/command/command.h"

/* Before passes run with these options: passes report under -v, and decisions are recorded. */
void fv_report_begin(fv_context *c, fv_driver_options *o);
/* The same for a graph alone. */
void fv_report_passes(fv_context *c, fv_driver_options *o);
/* What steps decided, once there is the program in whose memory that is. */
void fv_report_steps(const fv_context *c, const fv_driver_options *o);

#endif
