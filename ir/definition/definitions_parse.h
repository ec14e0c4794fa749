/* definitions_parse.h - parses definitions. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_PARSE_H
#define FV_IR_DEFINITION_DEFINITIONS_PARSE_H

#include "ir/definition/definitions.h"

#define FV_DEFINITIONS_FORMAT 1 /* version of the text format */

/* Parses a module with m->definitions. `folder`: the folder of side files; `dims`: settings of
 * dims, as for fv_module_parse_dims. NULL after diagnostics. */
fv_module *fv_definitions_parse(fv_session *s, const char *text, const char *folder,
                                const char *const *dims);

#endif
