/* report.h - the report of -v: a line on standard error for each pass and step of lowering, with
 * counts of what it did. */
#ifndef FV_TOOLS_COMMAND_REPORT_H
#define FV_TOOLS_COMMAND_REPORT_H

#include "backend/lowering/why.h"
#include "tools/command/command.h"

/* Call it before passes run with the options o: under -v, passes report, and decisions of lowering
 * are recorded. */
void fv_report_begin(fv_context *c, fv_driver_options *o);
/* Call it before passes run in a command that does not lower the graph: under -v, passes report. */
void fv_report_passes(fv_context *c, fv_driver_options *o);
/* Prints what the steps of lowering decided. The program must still exist, since it owns the memory
 * of the decisions. */
void fv_report_steps(const fv_context *c, const fv_driver_options *o);

#endif
