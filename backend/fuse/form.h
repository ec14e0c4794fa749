/* form.h - finds the form of a definition (ir/definition/form.h). */
#ifndef FV_BACKEND_FUSE_FORM_H
#define FV_BACKEND_FUSE_FORM_H

#include "backend/axes/products.h"
#include "backend/fuse/attention.h"

/* The form of d, whose axes are in the order of memory. Records why it is not a contraction, or
 * which form it has. */
fv_form fv_find_form(fv_lowerer *l, const fv_definition *d);
/* What kind of computation d is: as the step `form` has written it, or, where that was left out, as
 * it is found. Says nothing. */
fv_form_kind fv_form_of(fv_lowerer *l, const fv_definition *d);
/* Sets the form of d, which has become another definition. Says nothing. */
void fv_update_form(fv_lowerer *l, fv_definition *d);
/* Sets the axes of the form of d, which was split or merged; the kind of computation stays. */
void fv_update_form_axes(fv_lowerer *l, fv_definition *d);
/* Is d, whose axes are split and merged, attention both of whose products have columns? */
bool fv_is_attended(fv_lowerer *l, const fv_definition *d, fv_attention *at) FV_MUST_USE;
/* Is d, whose axes are split and merged, a contraction? */
bool fv_is_contracted(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Finds the forms that a text from after the step `form` leaves out. False, after a diagnostic: the
 * text states a form that differs from the one that is found. */
bool fv_forms_complete(fv_lowerer *l) FV_MUST_USE;
/* Has each definition the form that is found for it, or none? Where not, a diagnostic says which
 * one. */
bool fv_forms_verify(fv_lowerer *l) FV_MUST_USE;

#endif
