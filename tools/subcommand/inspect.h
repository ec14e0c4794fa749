/* inspect.h - what the files of `fovea inspect` share. */
#ifndef FV_TOOLS_SUBCOMMAND_INSPECT_H
#define FV_TOOLS_SUBCOMMAND_INSPECT_H

#include "tools/model/model.h"

/* Prints a line for each input, output and dim of the table. */
void fv_inspect_interface(const fv_model *t);
/* Adds "inputs", "outputs" and "dims" to the document. dims: values of the table's symbols. */
void fv_inspect_interface_json(const fv_model *t, const int64_t *dims, json_t *d);
/* `fovea inspect` of a compiled library: prints what its table and its file contain. Returns the
 * exit status. */
int fv_inspect_library(fv_context *c, const char *path);

#endif
