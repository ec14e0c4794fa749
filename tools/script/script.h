/* script.h - the tests of a script: script.c, or no_script.c where Fovea is built without Lua. */
#ifndef FV_TOOLS_SCRIPT_SCRIPT_H
#define FV_TOOLS_SCRIPT_SCRIPT_H

#include "tools/command/command.h"

/* Reads the script and runs the tests that it declares, in their order, and tells of each; the
 * messages of one that did not pass are the session's then. How many there are; -1 after
 * diagnostics: it could not be read. */
int fv_script_test(fv_context *c, const char *path,
                   void (*tell)(fv_context *c, void *user, const char *name, bool passed),
                   void *user);

#endif
