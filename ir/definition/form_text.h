/* form_text.h - forms as text: "contract rows i columns j over k". */
#ifndef FV_IR_DEFINITION_FORM_TEXT_H
#define FV_IR_DEFINITION_FORM_TEXT_H

#include "ir/base/text.h"
#include "ir/definition/definition.h"

/* The variables that a form of d is over: of its first sum, which has products or runs along the
 * keys; how many, 0: it is over none. */
int fv_form_over(const fv_definition *d, fv_var *const **vars);
/* The form of d, by the names of variables; `name` gives them, NULL: their own. */
void fv_form_put(fv_text *t, const fv_definition *d, void (*put_name)(void *user, const fv_var *v),
                 void *user);
const char *fv_form_text(fv_arena *a, const fv_definition *d);

#endif
