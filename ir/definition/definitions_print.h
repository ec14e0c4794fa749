/* definitions_print.h - prints definitions. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_PRINT_H
#define FV_IR_DEFINITION_DEFINITIONS_PRINT_H

#include "ir/base/text.h"
#include "ir/definition/definitions.h"
#include "ir/graph/print.h"

/* Prints all definitions; `side_name` and `side` as for fv_module_print; `whole`: data of large
 * constants are printed as hex. */
void fv_definitions_print(fv_text *t, const fv_module *m, const fv_definitions *d,
                          const char *side_name, fv_graph_side *side, bool whole);

/* Prints the lines of the text of fv_definitions_print for one value, or for the results of one
 * recurrence. d->def must not be NULL. */
void fv_defined_print(fv_text *t, const fv_module *m, const fv_defined *d);
void fv_recurrence_print(fv_text *t, const fv_module *m, const struct fv_recurrence *r);

#endif
