/* explain.h - `opt --explain`: where a rule was applied, and what it lacked elsewhere. */
#ifndef FV_TOOLS_LAB_EXPLAIN_H
#define FV_TOOLS_LAB_EXPLAIN_H

#include "tools/command/command.h"

/* Runs the passes of the options over the model, and prints what became of the rule of --explain in
 * each that has it. The exit status. */
int fv_explain_rule(fv_context *c, const fv_driver_options *o);

#endif
