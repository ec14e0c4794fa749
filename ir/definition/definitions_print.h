/* definitions_print.h - definitions as text. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_PRINT_H
#define FV_IR_DEFINITION_DEFINITIONS_PRINT_H

#include "ir/base/text.h"
#include "ir/definition/definitions.h"
#include "ir/graph/print.h"

/* As text; `side` as fv_module_print has it, `whole`: larger constants as hex. */
void fv_definitions_print(fv_text *t, const fv_module *m, const fv_definitions *d,
                          const char *side_name, fv_graph_side *side, bool whole);

/* The lines of that text that say what one value is, or the results of one recurrence; d->def is
 * not NULL. */
void fv_defined_print(fv_text *t, const fv_module *m, const fv_defined *d);
void fv_recurrence_print(fv_text *t, const fv_module *m, const struct fv_recurrence *r);

#endif
