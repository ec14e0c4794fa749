/* print.h - definitions as formulas for people. */
#ifndef FV_IR_DEFINITION_PRINT_H
#define FV_IR_DEFINITION_PRINT_H

#include "ir/base/text.h"
#include "ir/definition/definition.h"

/* As a formula for people, of a few lines: repeated terms have names, t0 = ..., behind it. */
void fv_definition_print(fv_text *t, const fv_definition *d);

#endif
