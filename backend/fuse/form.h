/* form.h - finds the form of a definition (ir/definition/form.h). */
#ifndef FV_BACKEND_FUSE_FORM_H
#define FV_BACKEND_FUSE_FORM_H

#include "backend/axes/products.h"
#include "backend/fuse/attention.h"

/* The form of d, whose axes must be in the order of memory. Records the reasons why a d with sums
 * is no attention and no contraction, or why a d without sums is no transpose. */
fv_form fv_find_form(fv_lowerer *l, const fv_definition *d);
/* The kind of d's form: the one that the step `form` has set, otherwise the one that is found now.
 * Records no reasons. */
fv_form_kind fv_form_of(fv_lowerer *l, const fv_definition *d);
/* Sets the form of d again after its definition has changed. Records no reasons. */
void fv_update_form(fv_lowerer *l, fv_definition *d);
/* Sets the axes of the form of d, which was split or merged. The kind stays, except that a map may
 * become a transpose, or a transpose a map. */
void fv_update_form_axes(fv_lowerer *l, fv_definition *d);
/* Is d, whose axes must be split and merged, attention both of whose products should be computed
 * one column per lane (fv_products_are_columns)? If so, sets *at. */
bool fv_is_attended(fv_lowerer *l, const fv_definition *d, fv_attention *at) FV_MUST_USE;
/* Is d, whose axes must be split and merged, a contraction? */
bool fv_is_contracted(fv_lowerer *l, const fv_definition *d) FV_MUST_USE;
/* Finds forms that a text written after the step `form` leaves out. False, after a diagnostic: the
 * text states another form than the one that is found. */
bool fv_forms_complete(fv_lowerer *l) FV_MUST_USE;
/* Checks that each definition that has a form has the form that is derived for it. False after a
 * diagnostic. */
bool fv_forms_verify(fv_lowerer *l) FV_MUST_USE;

#endif
