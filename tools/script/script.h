/* script.h - runs the tests of a script, and reads plans of cuts. Implemented in script.c, or in
 * no_script.c if Fovea is built without Lua. */
#ifndef FV_TOOLS_SCRIPT_SCRIPT_H
#define FV_TOOLS_SCRIPT_SCRIPT_H

#include "passes/shard/shard.h"
#include "tools/command/command.h"

/* Reads the script, runs its tests in order, and calls `tell` after each; during that call, the
 * session has the messages of a test that failed. Returns the number of tests; -1 after
 * diagnostics: the script cannot be read. */
int fv_script_test(fv_context *c, const char *path,
                   void (*tell)(fv_context *c, void *user, const char *name, bool passed),
                   void *user);

/* Runs the script at the path, which returns the plan of a cut. The plan lives as long as the
 * session. NULL after messages: the script failed, or returns something else. */
const fv_shard_request *fv_script_plan(fv_context *c, const char *path);

#endif
