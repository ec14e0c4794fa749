/* definitions_verify_places.h - verifies where parts of values are stored. */
#ifndef FV_IR_DEFINITION_DEFINITIONS_VERIFY_PLACES_H
#define FV_IR_DEFINITION_DEFINITIONS_VERIFY_PLACES_H

#include "ir/definition/definitions_verify_parts.h"

/* For a value whose parts are not all computed yet: does the load x, of which `extent` may be read,
 * touch none of the parts that are not computed? */
bool fv_dv_reaches_made(fv_verifier *v, const fv_expr *x, const fv_dim *const *extent) FV_MUST_USE;
/* Is the part that is checked a block of the whole, whose axis `last` is innermost, and disjoint
 * from other parts? If the whole is stored over an input (`over`): is the block also disjoint from
 * the input's elements? */
bool fv_dv_block(fv_verifier *v, int last, bool over) FV_MUST_USE;
/* Checks the rows of a result of `end`, an endloop. */
bool fv_dv_rows(fv_verifier *v, const fv_op *end) FV_MUST_USE;

/* The only part of an assembled value x whose rows have space between them: it begins at the first
 * indices of x, and is all of x except for its last elements along the axis that is innermost in
 * memory. They are neither written nor read. NULL: x is not such a value. */
const fv_defined *fv_dv_rows_apart(const fv_verifier *v, const fv_value *x);

#endif
