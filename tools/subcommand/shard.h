/* shard.h - what the files of `fovea shard` share. */
#ifndef FV_TOOLS_SUBCOMMAND_SHARD_H
#define FV_TOOLS_SUBCOMMAND_SHARD_H

#include "passes/shard/shard.h"
#include "tools/command/command.h"

/* Prints a plan, which must not have been applied yet, as a script in Lua that returns the table
 * for --plan; comments state what is exchanged, and why products are whole. */
void fv_shard_print_plan(fv_context *c, const fv_module *m, const fv_shard_plan *plan);

#endif
