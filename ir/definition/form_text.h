/* form_text.h - forms as text: "contract rows i columns j over k". */
#ifndef FV_IR_DEFINITION_FORM_TEXT_H
#define FV_IR_DEFINITION_FORM_TEXT_H

#include "ir/base/text.h"
#include "ir/definition/definition.h"

/* The variables of the first reduction in the expression of d, the outermost one: those after
 * `over` or `keys` in the text of the form. Returns their number; 0: the form names none. */
int fv_form_over(const fv_definition *d, fv_var *const **vars);
/* Prints the form of d; `put_name` prints the name of a variable, NULL: its own name is printed. */
void fv_form_put(fv_text *t, const fv_definition *d, void (*put_name)(void *user, const fv_var *v),
                 void *user);
const char *fv_form_text(fv_arena *a, const fv_definition *d);

#endif
