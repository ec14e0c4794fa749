/* print.h - definitions as formulas for people. */
#ifndef FV_IR_DEFINITION_PRINT_H
#define FV_IR_DEFINITION_PRINT_H

#include "ir/base/text.h"
#include "ir/definition/definition.h"

/* Prints a definition as a formula of a few lines; terms that occur several times get names, t0 =
 * ..., which follow it. */
void fv_definition_print(fv_text *t, const fv_definition *d);

#endif
