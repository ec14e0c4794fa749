/* explain.h - `opt --explain`: reports where a rule was applied, and why it was not applied to
 * other ops. */
#ifndef FV_TOOLS_LAB_EXPLAIN_H
#define FV_TOOLS_LAB_EXPLAIN_H

#include "tools/command/command.h"

/* Runs the passes on the model and reports, for each pass that has the rule of --explain, where it
 * was applied. Returns the exit status. */
int fv_explain_rule(fv_context *c, const fv_driver_options *o);

#endif
